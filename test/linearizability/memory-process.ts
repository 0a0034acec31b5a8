// A process that reads and writes the memory that all share, and tells of each operation before it asks and after it is answered.
import { writeSync } from "node:fs";
import { createRuntime, rootContext, seededRandom } from "@viable/kernel";
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

/** Reads that answer what was there a moment ago; writes that look at the version and then write whatever has happened meanwhile. */
export type Planted = "stale reads" | "unchecked writes";

/** One line of JSON each. */
export type MemoryLine =
  | { readonly id: string; readonly key: string; readonly call: Call; readonly askedAt: number }
  | { readonly id: string; readonly answer: Answer; readonly answeredAt: number };

/** How old a planted stale read may be, in milliseconds. */
const staleMs = 50;

// The machine's, so that what several processes tell can be put in order.
const nowUs = () => Number(process.hrtime.bigint() / 1_000n);
// Past every buffer of this process: what was told is known, whenever it is killed.
const tell = (line: MemoryLine) => writeSync(1, `${JSON.stringify(line)}\n`);

const settings = JSON.parse(process.argv[2] as string) as MemoryProcessSettings;
const runtime = createRuntime();
const ctx = rootContext(runtime);
const log = createLog(createPostgresStore({ connectionString: settings.connectionString }), runtime);
await log.start(ctx);
const memory = plant(createMemory(log, ctx, globalMemoryService), settings.planted);
await Promise.all(Array.from({ length: settings.lanes }, (_, lane) => runLane(lane)));
await log.stop(ctx);

async function runLane(lane: number): Promise<void> {
  const random = seededRandom(settings.seed * 1_000 + lane);
  const seen = new Map<string, number>();
  for (let index = 0; index < settings.operations; index++) {
    const id = `${settings.name}/${lane}/${index}`;
    const key = settings.keys[(index + lane) % settings.keys.length] as string;
    const call = drawCall(random.next(), id, seen.get(key) ?? 0);
    tell({ id, key, call, askedAt: nowUs() });
    const answer = await ask(key, call);
    if (answer !== undefined) tell({ id, answer, answeredAt: nowUs() });
    if (answer?.kind === "found" || answer?.kind === "written") seen.set(key, answer.version);
    else if (answer?.kind === "conflict") seen.set(key, answer.actual);
    else seen.delete(key);
  }
}

function drawCall(drawn: number, id: string, version: number): Call {
  if (drawn < 0.45) return { kind: "get" };
  if (drawn < 0.8) return { kind: "set", value: id, expected: version };
  return drawn < 0.95 ? { kind: "set", value: id } : { kind: "delete" };
}

/** Undefined where nobody knows whether it happened. */
async function ask(key: string, call: Call): Promise<Answer | undefined> {
  try {
    if (call.kind === "get") {
      const entry = await memory.get(key);
      return entry === undefined
        ? { kind: "absent" }
        : { kind: "found", value: String(entry.value), version: entry.version };
    }
    if (call.kind === "delete") {
      await memory.delete(key);
      return { kind: "deleted" };
    }
    const { value, expected } = call;
    const outcome = await memory.set(key, value, expected === undefined ? {} : { expected });
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
        const nowMs = runtime.clock.monotonicMs();
        const before = kept.get(key);
        if (before !== undefined && nowMs - before.atMs < staleMs) return before.entry;
        const entry = memory.get(key);
        kept.set(key, { entry, atMs: nowMs });
        return entry;
      },
    };
  if (planted === "unchecked writes")
    return {
      ...memory,
      async set(key, value, { expected } = {}) {
        const actual = (await memory.get(key))?.version ?? 0;
        if (expected !== undefined && expected !== actual) return { ok: false, reason: "conflict", actual };
        return await memory.set(key, value);
      },
    };
  return memory;
}
