// The subject `@event-driven-io/emmett-postgresql`: its event store as its documentation sets it up, in a process of its own.
import { performance } from "node:perf_hooks";
import type { JsonObject } from "@viable/kernel";
import { createRuntime } from "@viable/kernel";
import type { Place } from "../harness/bare-database.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { PacedLoad } from "./live-arrivals.ts";
import { appendPaced, createArrivals } from "./live-arrivals.ts";
import type { WriterLoad } from "./run-writers.ts";
import { runWriters } from "./run-writers.ts";
import { dataOf, typeOf } from "./sample-events.ts";

interface EmmettEvent {
  readonly type: string;
  readonly data: JsonObject;
}
interface Consumer {
  start(): Promise<void>;
  stop(): Promise<void>;
}
interface EmmettPostgresql {
  getPostgreSQLEventStore(connectionString: string): {
    readonly schema: { migrate(): Promise<unknown> };
    appendToStream(
      stream: string,
      events: readonly object[],
      options: { expectedStreamVersion: bigint },
    ): Promise<{ nextExpectedStreamVersion: bigint }>;
    consumer(options: {
      processors: readonly object[];
      pulling?: { batchSize: number; pullingFrequencyInMs: number };
      stopWhen?: { noMessagesLeft: boolean };
    }): Consumer;
  };
}
interface Emmett {
  inMemoryReactor(options: {
    processorId: string;
    startFrom: "BEGINNING";
    eachMessage(event: EmmettEvent): Promise<void>;
  }): object;
}

const { getPostgreSQLEventStore } = loadPeer<EmmettPostgresql>("@event-driven-io/emmett-postgresql");
const { inMemoryReactor } = loadPeer<Emmett>("@event-driven-io/emmett");
const { databaseUrl } = readSettings<Place>();
const runtime = createRuntime();
const store = getPostgreSQLEventStore(databaseUrl as string);
await store.schema.migrate();

/** The version as a number: its `STREAM_DOES_NOT_EXIST` checks nothing. The id as ours are given, which it keeps and does not check. */
async function append(stream: string, version: number, type: string, data: JsonObject): Promise<void> {
  const event = { type, data, metadata: { messageId: runtime.ids.next("evt") } };
  const answer = await store.appendToStream(stream, [event], { expectedStreamVersion: BigInt(version) });
  if (answer.nextExpectedStreamVersion !== BigInt(version + 1)) {
    throw new Error(`Version ${version + 1} of ${stream} was answered with ${answer.nextExpectedStreamVersion}.`);
  }
}

/** Counts events by their type, in memory. Asked for pages of a size, without a wait between them: it sorts the whole table for each. */
async function catchUp({ batchSize }: { batchSize: number }): Promise<{ counts: Record<string, number>; ms: number }> {
  const counts: Record<string, number> = {};
  const beganMs = performance.now();
  const counter = inMemoryReactor({
    processorId: `counts-${beganMs}`,
    startFrom: "BEGINNING",
    eachMessage: async ({ type }) => {
      counts[type] = (counts[type] ?? 0) + 1;
    },
  });
  const pulling = { batchSize, pullingFrequencyInMs: 0 };
  await store.consumer({ processors: [counter], pulling, stopWhen: { noMessagesLeft: true } }).start();
  return { counts, ms: performance.now() - beganMs };
}

let arrivals: ReturnType<typeof createArrivals>;
let live: Consumer;

/** A consumer with nothing set, which has seen everything that was there before. */
async function follow({ load, existing }: { load: PacedLoad; existing: number }): Promise<void> {
  arrivals = createArrivals(load);
  const { take, fail } = arrivals;
  const { promise: caughtUp, resolve } = Promise.withResolvers<void>();
  let seen = 0;
  if (existing === 0) resolve();
  const follower = inMemoryReactor({
    processorId: load.run,
    startFrom: "BEGINNING",
    eachMessage: async ({ data }) => {
      take(data);
      if (++seen === existing) resolve();
    },
  });
  live = store.consumer({ processors: [follower] });
  live.start().catch(fail);
  await caughtUp;
}

answerParent({
  ready: () => true,
  append: ({ load }: { load: WriterLoad }) =>
    runWriters(load, (stream, version, n) => append(stream, version, typeOf(n), dataOf(n))),
  catchUp,
  follow,
  appendPaced: ({ load }: { load: PacedLoad }) =>
    appendPaced(load, (stream, version, data) => append(stream, version, "order.noted", data)),
  followed: async () => {
    const latenciesMs = await arrivals.all();
    await live.stop();
    return latenciesMs;
  },
  ...watchProcess(),
});
