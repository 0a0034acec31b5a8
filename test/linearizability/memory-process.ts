// A process that reads and writes the memory that all share, and tells of each operation before it asks and after it is answered.
import { once } from "node:events";
import { writeSync } from "node:fs";
import type { Random } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, sleep, systemClock } from "@viable/kernel";
import { createLog } from "@viable/log";
import { createPostgresStore } from "@viable/log-postgres";
import type { Memory } from "@viable/swarm";
import { createMemory, globalMemoryService } from "@viable/swarm";
import type { Answer, Call } from "./check-history.ts";

export interface MemoryProcessSettings {
  readonly connectionString: string;
  readonly name: string;
  readonly seed: number;
  /** How many operations are under way at once, and how many each of these lanes does one after the other. */
  readonly lanes: number;
  readonly operations: number;
  /** They take turns, so that each has as many operations as any other. */
  readonly keys: readonly string[];
  /** A way to be wrong, for the suite to find. */
  readonly planted?: Planted;
}

/**
 * Reads that answer what was there a moment ago; writes that look at the version and then write whatever has happened meanwhile; a wall clock
 * of its own in each process, so that one takes for gone what another takes for there.
 */
export type Planted = "stale reads" | "unchecked writes" | "a clock ahead";

/** One line of JSON each: that it can begin, once; then what it asks and is answered. */
export type MemoryLine = { readonly isReady: true } | OperationLine;
export type OperationLine =
  | { readonly id: string; readonly key: string; readonly call: Call; readonly askedAt: number }
  | { readonly id: string; readonly answer: Answer; readonly answeredAt: number };

/** How old a planted stale read may be, in milliseconds. */
const staleMs = 50;
/** How far ahead a planted clock is, in milliseconds: longer than most operations take on a busy machine, which excuse as much. */
const clockAheadMs = 500;
/** How long what expires is there at most, in milliseconds: a key has its next operation some milliseconds later, and its next write some more. */
const maxExpiryMs = 100;
/** How long it is waited until the database is asked again whether it is back, in milliseconds; and how often it is asked, a minute in all. */
const askAgainMs = 20;
const maxAsked = 3_000;

// The machine's, so that what several processes tell can be put in order. Nobody sets it.
const nowMs = () => Number(process.hrtime.bigint() / 1_000n) / 1_000;
// Past every buffer of this process: what was told is known, whenever it is killed.
const tell = (line: MemoryLine) => writeSync(1, `${JSON.stringify(line)}\n`);

const settings = JSON.parse(process.argv[2] as string) as MemoryProcessSettings;
const aheadMs = settings.planted === "a clock ahead" ? (settings.seed % 2) * clockAheadMs : 0;
// What expires does so by the same clock, as it does by the server's in a system: what was over when is not for two clocks to disagree on.
const runtime = createRuntime({ clock: { ...systemClock, now: () => Math.floor(nowMs()) + aheadMs } });
const ctx = rootContext(runtime);
const log = createLog(createPostgresStore({ connectionString: settings.connectionString }), runtime);
await log.start(ctx);
const memory = plant(createMemory(log, ctx, globalMemoryService), settings.planted);
tell({ isReady: true });
// All begin together: what one has done before another is there shows nothing.
await once(process.stdin, "data");
process.stdin.destroy();
await Promise.all(Array.from({ length: settings.lanes }, (_, lane) => runLane(lane)));
await log.stop(ctx);

async function runLane(lane: number): Promise<void> {
  const random = seededRandom(settings.seed * 1_000 + lane);
  const seen = new Map<string, number>();
  for (let index = 0; index < settings.operations; index++) {
    const id = `${settings.name}/${lane}/${index}`;
    const key = settings.keys[(index + lane) % settings.keys.length] as string;
    const call = drawCall(random, id, seen.get(key) ?? 0);
    tell({ id, key, call, askedAt: nowMs() });
    const answer = await ask(key, call);
    if (answer !== undefined) tell({ id, answer, answeredAt: nowMs() });
    else await untilBack();
    if (answer?.kind === "found" || answer?.kind === "written") seen.set(key, answer.version);
    else if (answer?.kind === "conflict") seen.set(key, answer.actual);
    else seen.delete(key);
  }
}

function drawCall(random: Random, value: string, version: number): Call {
  const drawn = random.next();
  if (drawn < 0.45) return { kind: "get" };
  if (drawn >= 0.95) return { kind: "delete" };
  const expiresInMs = 1 + Math.floor(random.next() * maxExpiryMs);
  return {
    kind: "set",
    value,
    ...(drawn < 0.8 && { expected: version }),
    ...(random.next() < 0.4 && { expiresInMs }),
  };
}

/** Nobody would be answered before: whoever went on asking would have asked everything by then. */
async function untilBack(): Promise<void> {
  for (let asked = 1; ; asked++) {
    try {
      await log.head(ctx);
      return;
    } catch (error) {
      // Counted, not timed: a machine that stood still has not asked.
      if (asked === maxAsked) throw error;
    }
    await sleep(ctx, askAgainMs);
  }
}

/** Undefined where nobody knows whether it happened. */
async function ask(key: string, call: Call): Promise<Answer | undefined> {
  try {
    if (call.kind === "get") {
      const entry = await memory.get(key);
      return entry === undefined
        ? { kind: "absent" }
        : { kind: "found", value: String(entry.value), version: entry.version, expiresAt: entry.expiresAt };
    }
    if (call.kind === "delete") {
      await memory.delete(key);
      return { kind: "deleted" };
    }
    const { kind: _, value, ...options } = call;
    const outcome = await memory.set(key, value, options);
    return outcome.ok ? { kind: "written", version: outcome.version } : { kind: "conflict", actual: outcome.actual };
  } catch {
    return undefined;
  }
}

function plant(memory: Memory, planted: Planted | undefined): Memory {
  const kept = new Map<string, { readonly entry: ReturnType<Memory["get"]>; readonly atMs: number }>();
  if (planted === "stale reads")
    return {
      ...memory,
      get(key) {
        const atMs = nowMs();
        const before = kept.get(key);
        if (before !== undefined && atMs - before.atMs < staleMs) return before.entry;
        const entry = memory.get(key);
        kept.set(key, { entry, atMs });
        return entry;
      },
    };
  if (planted === "unchecked writes")
    return {
      ...memory,
      async set(key, value, { expected, ...options } = {}) {
        const actual = (await memory.get(key))?.version ?? 0;
        if (expected !== undefined && expected !== actual) return { ok: false, reason: "conflict", actual };
        return await memory.set(key, value, options);
      },
    };
  return memory;
}
