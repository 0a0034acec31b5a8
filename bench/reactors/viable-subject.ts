// The subject `viable`: reactors by their public face on a log of their own, in a process of its own.
import { performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { joinCluster } from "@viable/cluster";
import { createRuntime, rootContext } from "@viable/kernel";
import { createLog } from "@viable/log";
import { createPostgresStore } from "@viable/log-postgres";
import { createReactors, reactorEventTypes } from "@viable/reactors";
import type { EventSample } from "../command/two-events.ts";
import type { Place } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { fan, five, held, long, nap, sweep, three } from "./bench-reactors.ts";
import { createGate } from "./gate.ts";
import { createStepTimes } from "./long-run.ts";
import type { MapMemory } from "./map-memory.ts";
import type { MemoryUse } from "./memory-use.ts";
import { liveHeapMb, useOfMemory } from "./memory-use.ts";
import type { Numbered } from "./numbered.ts";
import { checkCount, checkJoined, elementsOf } from "./numbered.ts";
import type { RunLoad } from "./run-load.ts";
import { driveRuns } from "./run-load.ts";

export interface ViableSettings extends Place {
  /** Whether runs of `held` stay in their third step. */
  readonly isGateClosed?: boolean;
  readonly leaseMs?: number;
}

/** How many elements of one run go on at the same time. */
const maxConcurrency = 1_000;

// As `viable start` has it (`tuneCollector`).
setFlagsFromString("--heap-growing-percent=100");
setFlagsFromString("--no-allocation-site-pretenuring");

const { databaseUrl, isGateClosed = false, leaseMs } = readSettings<ViableSettings>();
const runtime = createRuntime();
const ctx = rootContext(runtime);
const store = createPostgresStore({ connectionString: databaseUrl as string });
const log = createLog(store, runtime, { types: reactorEventTypes });
const membership = joinCluster({ log, runtime, hosts: ["bench"], ...(leaseMs !== undefined && { leaseMs }) });

const gate = createGate(isGateClosed);
let times = createStepTimes(0);
/** What is done when an element of `sweep` begins. */
let swept = () => {};
/** When each run that slept woke, by its number. */
const wokeAtMs = new Map<number, number>();
const reactors = createReactors({
  log,
  runtime,
  membership,
  definitions: [
    three,
    five,
    long(() => times.begin()),
    fan(maxConcurrency),
    sweep(() => swept()),
    nap((n) => wokeAtMs.set(n, Date.now())),
    held(gate.hold, gate.pass),
  ],
  onProblem: (message) => console.error(message),
});
await log.start(ctx);
await membership.start(ctx);
await reactors.start(ctx);
process.once("SIGTERM", async () => {
  await reactors.stop(ctx);
  await membership.stop(ctx);
  await log.stop(ctx);
  process.exit();
});

async function begin(reactor: string, input: object): Promise<string> {
  for (;;) {
    const begun = await reactors.begin(ctx, reactor, input);
    if (begun.ok) return begun.runId;
    if (begun.retryAfterMs === undefined) throw new Error(`${reactor} was not begun: ${begun.message}`);
    await sleep(begun.retryAfterMs);
  }
}

async function resultOf<Result>(runId: string): Promise<Result> {
  const ended = await reactors.whenEnded(ctx, runId);
  if (ended.type !== "run.completed") throw new Error(`${runId} ended by ${JSON.stringify(ended)}.`);
  return ended.data.result as Result;
}

const run = async <Result>(reactor: string, input: object): Promise<Result> => resultOf(await begin(reactor, input));

/** What a run costs, as the log has it. */
async function sampleOf(reactor: string, input: object): Promise<EventSample[]> {
  const runId = await begin(reactor, input);
  await resultOf(runId);
  const samples: EventSample[] = [];
  for (;;) {
    const page = await log.readStream(ctx, `run:${runId}`, { fromVersion: samples.length + 1, limit: 1_000 });
    if (page.length === 0) return samples;
    for (const { stream, type, data, metadata } of page) {
      const { tenant, session, correlation, ...rest } = metadata;
      samples.push({
        streamPrefix: stream.slice(0, stream.indexOf(":") + 1),
        type,
        data: JSON.stringify(data),
        metadata: JSON.stringify(rest),
        tenant,
        session: session ?? null,
        correlated: correlation !== undefined,
      });
    }
  }
}

const chains = new Map([
  [3, three.name],
  [5, five.name],
]);

answerParent({
  ready: () => true,
  sample: ({ steps }: { steps: number }) => sampleOf(chains.get(steps) as string, { n: 1_000_000 }),
  sampleElements: ({ reactor, count }: { reactor: "long" | "fan"; count: number }) =>
    sampleOf(reactor, { elements: elementsOf(count) }),
  run: ({ load }: { load: RunLoad }) =>
    driveRuns(load, async (steps, n) => (await run<Numbered>(chains.get(steps) as string, { n })).n),
  longRun: async ({ steps }: { steps: number }) => {
    times = createStepTimes(steps);
    checkCount((await run<Numbered>("long", { elements: elementsOf(steps) })).n, steps);
    return times.average();
  },
  fanOut: async ({ count }: { count: number }) => {
    const beganMs = performance.now();
    const joined = await run<Numbered[]>("fan", { elements: elementsOf(count) });
    const ms = performance.now() - beganMs;
    checkJoined(joined, count);
    return ms;
  },

  mapMemory: async ({ count }: { count: number }): Promise<MapMemory> => {
    const [early, late] = [count / 100, count - count / 100];
    const heapsMb = new Map<number, number>();
    let begun = 0;
    swept = () => {
      begun += 1;
      if (begun === early || begun === late) heapsMb.set(begun, liveHeapMb());
    };
    checkCount((await run<Numbered>("sweep", { elements: elementsOf(count) })).n, count);
    return { earlyMb: heapsMb.get(early) as number, lateMb: heapsMb.get(late) as number };
  },

  /** Begins runs that sleep until `until`, by 256 callers. */
  beginNaps: async ({ count, until }: { count: number; until: number }) => {
    const numbers = elementsOf(count).values();
    const beginSome = async () => {
      for (const n of numbers) await begin("nap", { n, until });
    };
    await Promise.all(Array.from({ length: 256 }, beginSome));
  },
  /** How late each of so many runs was, that woke one after the other at an even pace; once all of them have ended. */
  nap: async ({ count, firstMs, everyMs }: { count: number; firstMs: number; everyMs: number }) => {
    wokeAtMs.clear();
    const firstAtMs = Date.now() + firstMs;
    const dueMs = (n: number) => firstAtMs + n * everyMs;
    await Promise.all(
      elementsOf(count).map(async (n) => {
        const woken = await run<Numbered>("nap", { n, until: dueMs(n) });
        if (woken.n !== n + 1) throw new Error(`${n} woke as ${JSON.stringify(woken)}.`);
      }),
    );
    return elementsOf(count).map((n) => (wokeAtMs.get(n) as number) - dueMs(n));
  },
  /** Runs without an end, and how many of them are being worked on. */
  open: () => {
    const { open, active, waiting } = reactors.stats();
    return { open, busy: active + waiting };
  },
  memory: (): Promise<MemoryUse> => useOfMemory(),

  beginHeld: async ({ runs }: { runs: number }) => {
    await Promise.all(elementsOf(runs).map((n) => begin("held", { n })));
  },
  gate: () => gate.counts(),
  ...watchProcess(),
});
