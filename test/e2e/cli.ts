import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));
export const viableCommand = join(root, "packages", "viable", "bin", "viable.mjs");
const workshopConfig = fileURLToPath(new URL("./workshop/viable.config.ts", import.meta.url));
const startAndRun = fileURLToPath(new URL("./workshop/start-and-run.ts", import.meta.url));

/**
 * As in all tests (`vitest.config.ts`): optimising PGlite takes longer than most systems here live. With the condition that the command would give
 * itself it need not begin a second time; `compiled-code.int.test.ts` and the terminal's tests call it without.
 */
const node = ["--conditions=viable-source", "--liftoff-only"];

/** No wait in these tests is longer than this, in milliseconds: the machine may be busy, but not that busy. */
const maxWaitMs = 80_000;

/** A finished process. */
export interface Finished {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** A process under way. Its output may be waited for. */
export interface Running {
  readonly pid: number;
  readonly out: () => string;
  readonly err: () => string;
  /** Waits until the text has been written, to either side, so many times. */
  saw(text: string, times?: number): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** Presses keys, where it runs on a terminal. */
  type(keys: string): void;
  /** Nobody reads any more what it writes: its next line meets a broken pipe. */
  stopReading(): void;
  /** Its end. The wait for it is bounded from when it is first asked for. */
  readonly finished: Promise<Finished>;
}

/** A folder with a config of its own, where the command line is used as a person would. Removed with all that runs in it. */
export class Place implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), "viable-e2e-"));
  readonly environment: Record<string, string> = {};
  readonly #running = new Set<Running>();

  constructor(config?: string) {
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
    writeFileSync(join(this.folder, "package.json"), '{ "type": "module" }');
    if (config === undefined) cpSync(workshopConfig, this.path("viable.config.ts"));
    else this.write("viable.config.ts", config);
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  write(name: string, text: string): void {
    mkdirSync(join(this.path(name), ".."), { recursive: true });
    writeFileSync(this.path(name), text);
  }

  /** `viable WORDS…` to its end. */
  run(...words: string[]): Promise<Finished> {
    return this.begin(...words).finished;
  }

  /** The result of `viable WORDS… --output json`. Fails where stdout holds anything else. */
  async json<T = unknown>(...words: string[]): Promise<T> {
    const done = await this.run(...words, "--output", "json");
    if (done.status !== 0) throw new Error(`viable ${words.join(" ")} ended with ${done.status}: ${done.err}`);
    return JSON.parse(done.out) as T;
  }

  begin(...words: string[]): Running {
    return this.#spawn([...node, viableCommand, ...words]);
  }

  /**
   * A line of a shell on a terminal of this size, which shows what is typed unless it is told not to. Ends with the line's status. The terminal
   * is made by `script` of util-linux, which every Debian has.
   */
  beginOnTerminal(line: string, { columns = 80, rows = 24 } = {}): Running {
    if (spawnSync("script", ["--version"]).error !== undefined)
      throw new Error("These tests need a terminal: there is no `script` here. Debian has it in bsdutils.");
    const sized = `stty cols ${columns} rows ${rows}; ulimit -c 0; ${line}`;
    return this.#spawn(["-qef", "-E", "always", "-c", sized, "/dev/null"], { command: "script" });
  }

  /** The workshop's system with one command, as `npm start` does it. */
  startAndRun(...words: string[]): Running {
    return this.#spawn([...node, startAndRun, ...words]);
  }

  /** What `npm start -- WORDS…` runs once everything is installed. */
  npmStart(...words: string[]): Running {
    return this.#spawn([...node, join(root, "tools", "start.ts"), ...words]);
  }

  /** `npm start -- WORDS…` in the checkout, by npm itself. */
  npm(...words: string[]): Running {
    const lock = createHash("sha256")
      .update(readFileSync(join(root, "package-lock.json")))
      .digest("hex");
    // Booting would install anew, under the feet of the tests that run.
    if (readFileSync(join(root, "node_modules", ".viable-lock"), "utf8") !== lock)
      throw new Error("Run `npm test`: it installs what the lockfile names.");
    return this.#spawn(["start", "--", ...words], { command: "npm", folder: root });
  }

  /** A running system, or the part of it that the words ask for. */
  async start(...words: string[]): Promise<Running> {
    const system = this.begin("start", ...words);
    await system.saw("durability");
    return system;
  }

  #spawn(args: string[], { command = process.execPath, folder = this.folder } = {}): Running {
    const child = spawn(command, args, {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        HOME: this.folder,
        // Shared by all tests, as by all of a user's calls: what is compiled, and the database that every new one begins as.
        XDG_CACHE_HOME: join(root, ".cache", "tests"),
        VIABLE_PORT: "0",
        VIABLE_SERVICE_PORTS: "any",
        VIABLE_STATE_DIR: this.path(".viable"),
        ...this.environment,
      },
      stdio: [command === "script" ? "pipe" : "ignore", "pipe", "pipe"],
    });
    // Whoever has ended reads nothing any more; that it has is told otherwise.
    child.stdin?.on("error", () => undefined);
    let out = "";
    let err = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    const finished = once(child, "close").then(([status]): Finished => {
      this.#running.delete(running);
      return { status: status as number | null, out, err };
    });
    const running: Running = {
      pid: child.pid ?? 0,
      out: () => out,
      err: () => err,
      signal: (name) => child.kill(name),
      type: (keys) => child.stdin?.write(keys),
      stopReading: () => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      },
      get finished() {
        return within(finished, () => `${args.join(" ")} did not end. ${out}${err}`);
      },
      saw: (text, times = 1) =>
        eventually(
          () => (out + err).split(text).length > times,
          () => `"${text}" was not written. ${out}${err}`,
        ),
    };
    this.#running.add(running);
    return running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const left = [...this.#running];
    for (const running of left) running.signal("SIGKILL");
    await Promise.all(left.map((running) => running.finished));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Waits until something holds, looking often. */
export async function eventually(holds: () => boolean | Promise<boolean>, otherwise: () => string): Promise<void> {
  for (const giveUpAt = Date.now() + maxWaitMs; !(await holds()); ) {
    if (Date.now() > giveUpAt) throw new Error(otherwise());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function within<T>(promise: Promise<T>, otherwise: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise())), maxWaitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a process is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
