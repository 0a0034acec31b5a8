import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { WriterSettings } from "./append-writer.ts";
import type { Ack, Line } from "./lines.ts";
import type { ReaderSettings } from "./log-reader.ts";

/** How long a process may take to end when it was asked to, in milliseconds: its last append may meet a server that comes back. */
const stopMs = 60_000;

/** A writing or reading process, and what it has told so far. */
export interface LogProcess {
  readonly name: string;
  readonly pid: number;
  readonly acks: readonly Ack[];
  readonly conflicts: ReadonlySet<string>;
  readonly seen: readonly (readonly [number, string])[];
  /** Up to where it must have seen everything; 0 where it was killed. */
  readonly followedTo: number;
  /** What it told that there is no reason for. */
  readonly complaints: readonly string[];
  /** How often it was told that the disk is full. */
  readonly fulls: number;
  /** How many appends were there after all, though that was told of them last. */
  readonly fullsKept: number;
  /** How often the fate of an append was unknown for a while. */
  readonly unknowns: number;
  readonly parked: number;
  /** Waits until its log is open; throws where it ends before. One of these two waits at a time. */
  opened(): Promise<void>;
  /** Waits until it has told of so many acknowledged appends; throws where it ends before. */
  acknowledged(count: number): Promise<void>;
  /** Lets it finish what is under way; throws where it does not end well. */
  stop(): Promise<void>;
  /** SIGKILL, and all that it had told until then read. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
}

export const startWriter = (settings: WriterSettings): LogProcess =>
  start(settings.name, new URL("./append-writer.ts", import.meta.url), settings);

export const startReader = (name: string, settings: ReaderSettings): LogProcess =>
  start(name, new URL("./log-reader.ts", import.meta.url), settings);

function start(name: string, module: URL, settings: object): LogProcess {
  const child = spawn(
    process.execPath,
    ["--conditions=viable-source", "--liftoff-only", fileURLToPath(module), JSON.stringify(settings)],
    {
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  const acks: Ack[] = [];
  const acknowledged = new Set<string>();
  const conflicts = new Set<string>();
  const seen: (readonly [number, string])[] = [];
  const complaints: string[] = [];
  let followedTo = 0;
  const toldFull = new Set<string>();
  let fulls = 0;
  let fullsKept = 0;
  let unknowns = 0;
  let parked = 0;
  let errors = "";
  let isOpen = false;
  let waiting: { isMet: () => boolean; resolve: () => void } | undefined;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (errors.length < 10_000) errors += text;
  });
  child.stdin.on("error", () => {});
  const take = (line: Line) => {
    switch (line[0]) {
      case "ack":
        acks.push(line[1]);
        acknowledged.add(line[1].id);
        // Known by now as a repeat: so it had been written.
        if (toldFull.delete(line[1].id) && line[1].repeated) fullsKept += 1;
        break;
      case "open":
        isOpen = true;
        break;
      case "conflict":
        conflicts.add(line[1]);
        break;
      case "seen":
        for (const each of line[1]) seen.push(each);
        break;
      case "followed":
        followedTo = line[1];
        break;
      case "full":
        fulls += 1;
        if (!acknowledged.has(line[1])) toldFull.add(line[1]);
        break;
      case "unknown":
        unknowns += 1;
        // What was told of it last is no longer that it did not happen.
        toldFull.delete(line[1]);
        break;
      case "parked":
        parked += 1;
        break;
      case "refused":
      case "denied":
        complaints.push(`${line[1]} ${line[0]}: ${line[2]}`);
    }
    if (waiting?.isMet()) waiting.resolve();
  };
  const until = async (isMet: () => boolean) => {
    if (!isMet()) {
      await new Promise<void>((resolve) => {
        waiting = { isMet, resolve };
      });
    }
    waiting = undefined;
    if (!isMet()) throw new Error(`${name} ended too early, after ${acks.length} acknowledged appends.\n${errors}`);
  };
  let unfinished = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const lines = (unfinished + text).split("\n");
    // The last line of a process that was killed may be cut: it was not told.
    unfinished = lines.pop() as string;
    for (const line of lines) take(JSON.parse(line) as Line);
  });
  // What was told is complete when the pipe has been read to its end, not when the process has gone.
  const ended = Promise.all([once(child, "exit"), once(child.stdout, "close")]).then(([[code, signal]]) => ({
    code,
    signal,
  }));
  void ended.then(() => waiting?.resolve());
  const orphan = () => child.kill("SIGKILL");
  process.once("exit", orphan);
  void ended.then(() => process.off("exit", orphan));

  return {
    name,
    pid: child.pid as number,
    acks,
    conflicts,
    seen,
    complaints,
    get followedTo() {
      return followedTo;
    },
    get fullsKept() {
      return fullsKept;
    },
    get fulls() {
      return fulls;
    },
    get unknowns() {
      return unknowns;
    },
    get parked() {
      return parked;
    },
    opened: () => until(() => isOpen),
    acknowledged: (count) => until(() => acks.length >= count),
    async stop() {
      child.stdin.write("stop\n");
      const late = setTimeout(() => child.kill("SIGKILL"), stopMs);
      const { code, signal } = await ended;
      clearTimeout(late);
      if (code !== 0) throw new Error(`${name} ended with ${code ?? signal}.\n${errors}`);
    },
    async kill() {
      child.kill("SIGKILL");
      const { code, signal } = await ended;
      if (signal !== "SIGKILL")
        throw new Error(`${name} had ended with ${code ?? signal} before it was killed.\n${errors}`);
    },
    signal: (signal) => child.kill(signal),
  };
}
