import { createHistogram, performance } from "node:perf_hooks";
import type { Random } from "@viable/kernel";
import { eventsPerStream, filledStream } from "./fill-log.ts";

/** One reader, one stream after the other, chosen at random among those that were filled in. */
export interface ReadLoad {
  readonly seed: number;
  /** How many streams there are to choose from. */
  readonly streams: number;
  readonly reads: number;
}

export interface StreamsRead {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Streams that one statement reads: few enough that a million events take it a second. */
const touchedStreams = 100_000;

/**
 * What a connection asks before its reads are measured. A server's process maps each page of the shared buffers when it first touches
 * it, and pays for that then: a connection that has served for a while has the log mapped, and a fresh one would show that cost alone.
 */
export function* touchLog({ streams }: ReadLoad): Generator<string> {
  for (let first = 0; first < streams; first += touchedStreams) {
    const [from, to] = [first, first + touchedStreams].map((stream) => `'${filledStream(stream)}'`);
    yield `SELECT count(length(data)) FROM viable.events WHERE stream >= ${from} AND stream < ${to}`;
  }
}

/** `read` answers all events of a stream, decoded. */
export async function readStreams(
  { streams, reads }: ReadLoad,
  random: Random,
  read: (stream: string) => Promise<readonly unknown[]>,
): Promise<StreamsRead> {
  const histogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
  for (let count = 0; count < reads; count++) {
    const stream = filledStream(Math.floor(random.next() * streams));
    const beganMs = performance.now();
    const events = await read(stream);
    histogram.record(Math.max(1, Math.round((performance.now() - beganMs) * 1_000)));
    if (events.length !== eventsPerStream) throw new Error(`${stream} was read with ${events.length} events.`);
  }
  return { p50Ms: histogram.percentile(50) / 1_000, p99Ms: histogram.percentile(99) / 1_000 };
}
