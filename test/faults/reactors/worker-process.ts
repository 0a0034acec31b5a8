import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { SinkSettings } from "./effect-sink.ts";
import type { WorkerSettings } from "./saga-worker.ts";
import type { Done, Life, Order, WorkerLine } from "./worker-lines.ts";

/** How long a process may take to end when it was asked to, in milliseconds. */
const stopMs = 60_000;

/** What all workers have told of runs. */
export interface Told {
  readonly wrote: { readonly runId: string; readonly from: number; readonly count: number; readonly by: Life }[];
  readonly refused: {
    readonly runId: string;
    readonly after: number;
    readonly types: readonly string[];
    readonly by: Life;
  }[];
  readonly complaints: string[];
}

export const nothingTold = (): Told => ({ wrote: [], refused: [], complaints: [] });

/** Somebody who is told what came of orders. */
export interface Answers {
  done(nr: number, done: Done): void;
  again(nr: number): void;
}

/** A worker, as its parent has it. */
export interface Worker {
  readonly name: string;
  readonly lives: readonly Life[];
  readonly state: "running" | "paused" | "ended";
  ask(nr: number, order: Order): void;
  pause(): void;
  resume(): void;
  /** SIGKILL, and all that it had told until then read. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** Processes that are loaded and wait to become workers: under faults nobody should have to wait for a program to be read. */
export class WorkerPool implements AsyncDisposable {
  readonly #settings: WorkerSettings;
  readonly #told: Told;
  readonly #to: Answers;
  readonly #spares: Child[] = [];
  readonly #size: number;

  constructor(settings: WorkerSettings, size: number, told: Told, to: Answers) {
    this.#settings = settings;
    this.#size = size;
    this.#told = told;
    this.#to = to;
    this.#fill();
  }

  #fill(): void {
    while (this.#spares.length < this.#size) this.#spares.push(spawnModule("./saga-worker.ts", this.#settings));
  }

  /** Starts a worker and waits until it is at work; another, where the database was away. */
  async start(name: string): Promise<Worker> {
    for (;;) {
      const child = this.#spares.shift() as Child;
      this.#fill();
      const worker = await putToWork(name, child, this.#told, this.#to);
      if (worker !== undefined) return worker;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#spares) child.signal("SIGKILL");
    await Promise.all(this.#spares.map(({ ended }) => ended));
  }
}

async function putToWork(name: string, child: Child, told: Told, to: Answers): Promise<Worker | undefined> {
  const lives: Life[] = [];
  let state: Worker["state"] = "running";
  let isExpectedToEnd = false;
  const opened = new Promise<boolean>((resolve, reject) => {
    void child.ended.then(({ code, signal }) => {
      if (!isExpectedToEnd && state !== "ended")
        told.complaints.push(`${name} ended with ${code ?? signal} by itself: ${child.errors()}`);
      state = "ended";
      reject(new Error(`${name} ended before it was open: ${child.errors()}`));
    });
    child.onLine((text) => {
      const line = JSON.parse(text) as WorkerLine;
      switch (line[0]) {
        case "open":
          resolve(true);
          break;
        case "unopened":
          isExpectedToEnd = true;
          resolve(false);
          break;
        case "life":
          lives.push(line[1]);
          break;
        case "done":
          to.done(line[1], line[2]);
          break;
        case "again":
          to.again(line[1]);
          break;
        case "wrote":
          told.wrote.push({ runId: line[1], from: line[2], count: line[3], by: line[4] });
          break;
        case "refused":
          told.refused.push({ runId: line[1], after: line[2], types: line[3], by: line[4] });
          break;
        case "complaint":
          told.complaints.push(`${name}: ${line[1]}`);
      }
    });
  });
  child.write("go");
  if (!(await opened)) {
    await child.ended;
    return undefined;
  }
  return {
    name,
    lives,
    get state() {
      return state;
    },
    ask(nr, order) {
      child.write(JSON.stringify([nr, order]));
    },
    pause() {
      child.signal("SIGSTOP");
      state = "paused";
    },
    resume() {
      child.signal("SIGCONT");
      state = "running";
    },
    async kill() {
      isExpectedToEnd = true;
      child.signal("SIGKILL");
      const { code, signal } = await child.ended;
      if (signal !== "SIGKILL") told.complaints.push(`${name} had ended with ${code ?? signal} before it was killed.`);
    },
    async stop() {
      isExpectedToEnd = true;
      child.write("stop");
      const late = setTimeout(() => child.signal("SIGKILL"), stopMs);
      const { code, signal } = await child.ended;
      clearTimeout(late);
      if (code !== 0) told.complaints.push(`${name} ended with ${code ?? signal}: ${child.errors()}`);
    },
  };
}

/** Starts the world outside, which outlives all others. */
export async function startSink(settings: SinkSettings): Promise<AsyncDisposable> {
  const child = spawnModule("./effect-sink.ts", settings);
  await new Promise<void>((resolve, reject) => {
    child.onLine(() => resolve());
    void child.ended.then(() => reject(new Error(`The sink ended: ${child.errors()}`)));
  });
  return {
    async [Symbol.asyncDispose]() {
      child.write("stop");
      await child.ended;
    },
  };
}

interface Child {
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  errors(): string;
  write(line: string): void;
  signal(name: NodeJS.Signals): void;
  /** Lines that were whole: the last of a process that was killed may be cut, and was not told. */
  onLine(take: (line: string) => void): void;
}

function spawnModule(module: string, settings: object): Child {
  const path = fileURLToPath(new URL(module, import.meta.url));
  const child: ChildProcess = spawn(process.execPath, ["--conditions=viable-source", path, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error("A child without pipes.");
  let errors = "";
  stderr.setEncoding("utf8").on("data", (text: string) => {
    if (errors.length < 10_000) errors += text;
  });
  stdin.on("error", () => {});
  // What was told is complete when the pipe has been read to its end, not when the process has gone.
  const ended = Promise.all([once(child, "exit"), once(stdout, "close")]).then(([[code, signal]]) => ({
    code,
    signal,
  }));
  const orphan = () => child.kill("SIGKILL");
  process.once("exit", orphan);
  void ended.then(() => process.off("exit", orphan));
  return {
    ended,
    errors: () => errors,
    write: (line) => stdin.write(`${line}\n`),
    signal: (name) => child.kill(name),
    onLine(take) {
      let unfinished = "";
      stdout.setEncoding("utf8").on("data", (text: string) => {
        const lines = (unfinished + text).split("\n");
        unfinished = lines.pop() as string;
        for (const line of lines) take(line);
      });
    },
  };
}
