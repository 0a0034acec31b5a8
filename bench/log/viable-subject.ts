// The subject `viable`: the log by its public face, in a process of its own.
import { performance } from "node:perf_hooks";
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom } from "@viable/kernel";
import type { Subscription } from "@viable/log";
import { createLog, startPosition } from "@viable/log";
import { createPgliteStore, createPostgresStore } from "@viable/log-postgres";
import type { Place } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { PacedLoad } from "./live-arrivals.ts";
import { appendPaced, createArrivals } from "./live-arrivals.ts";
import type { ReadLoad } from "./read-streams.ts";
import { readStreams, touchLog } from "./read-streams.ts";
import type { WriterLoad } from "./run-writers.ts";
import { runWriters } from "./run-writers.ts";
import { dataOf, typeOf } from "./sample-events.ts";

const { databaseUrl, stateDir } = readSettings<Place>();
const runtime = createRuntime();
const ctx = rootContext(runtime);
const store =
  databaseUrl === undefined
    ? createPgliteStore({ dataDir: stateDir })
    : createPostgresStore({ connectionString: databaseUrl });
const log = createLog(store, runtime);
await log.start(ctx);

process.once("SIGTERM", async () => {
  await log.stop(ctx);
  process.exit();
});

async function append(stream: string, version: number, type: string, data: JsonObject): Promise<void> {
  const events = [{ type, data, id: runtime.ids.next("evt") }];
  const outcome = await log.append(ctx, { streams: [{ stream, expected: version, events }] });
  if (!outcome.ok || outcome.repeated || outcome.versions[0] !== version + 1) {
    throw new Error(`Version ${version + 1} of ${stream} was answered with ${JSON.stringify(outcome)}.`);
  }
}

/** A projection that counts events by their type. */
async function catchUp(): Promise<{ counts: Record<string, number>; ms: number }> {
  const counts: Record<string, number> = {};
  const beganMs = performance.now();
  const { promise: parked, reject } = Promise.withResolvers<never>();
  const subscription = log.subscribe(ctx, {
    name: "counts",
    after: startPosition,
    handle: ({ type }) => {
      counts[type] = (counts[type] ?? 0) + 1;
    },
    onParked: reject,
  });
  await Promise.race([subscription.caughtUp(), parked]);
  const ms = performance.now() - beganMs;
  subscription.stop();
  return { counts, ms };
}

let arrivals: ReturnType<typeof createArrivals>;
let live: Subscription;

answerParent({
  ready: () => ({ durability: log.durability }),
  append: ({ load }: { load: WriterLoad }) =>
    runWriters(load, (stream, version, n) => append(stream, version, typeOf(n), dataOf(n))),
  catchUp,
  follow: async ({ load }: { load: PacedLoad }) => {
    arrivals = createArrivals(load);
    const { take, fail } = arrivals;
    live = log.subscribe(ctx, { name: "live", after: startPosition, handle: ({ data }) => take(data), onParked: fail });
    await live.caughtUp();
  },
  appendPaced: ({ load }: { load: PacedLoad }) =>
    appendPaced(load, (stream, version, data) => append(stream, version, "order.noted", data)),
  followed: async () => {
    const latenciesMs = await arrivals.all();
    live.stop();
    return latenciesMs;
  },
  readStreams: async ({ load }: { load: ReadLoad }) => {
    // One after the other, so that they are asked over the connection that reads.
    for (const sql of touchLog(load)) await log.query(ctx, { sql, params: [] });
    return readStreams(load, seededRandom(load.seed), (stream) => log.readStream(ctx, stream));
  },
  ...watchProcess(),
});
