import type { JsonObject, JsonValue } from "@viable/kernel";
import type { StoredSwarmSample, SwarmHealthRecord, SwarmMeasurement, SwarmSample, SwarmView } from "@viable/protocol";
import { swarmHealthRecord } from "@viable/protocol";

/** How many samples are kept of a swarm in each process: half an hour of them at the interval of 30 s, in 3 KB. */
export const maxSamples = 60;
/** How long a text in a record is at most, in characters: what went wrong is told where it did, and here only that it did. */
const maxTextChars = 300;
/** How many reasons, and how many parts and workers, are kept of a swarm: no swarm has more workers than this. */
const maxItems = 1_000;

/** The records of all swarms have keys that begin with this. */
export const healthPrefix = "swarm-health/";
export const servicePrefix = (service: string): string => `${healthPrefix}${service}/`;
export const healthKey = (service: string, processId: string): string => `${servicePrefix(service)}${processId}`;

/** Whether a record is that process's. */
export const isKeyOf = (processId: string, key: string): boolean => key.endsWith(`/${processId}`);

/** A record's value. Its view is bounded: texts are cut to 300 characters. */
export function toHealthRecord(record: SwarmHealthRecord): JsonObject {
  const { view } = record;
  const toPart = ({ lastError, ...part }: SwarmView["parts"][number]) => ({
    ...part,
    ...(lastError !== undefined && { lastError: cut(lastError) }),
  });
  const bounded = {
    ...view,
    reasons: boundReasons(view.reasons),
    parts: view.parts.slice(0, maxItems).map(toPart),
    workers: view.workers.slice(0, maxItems).map(toPart),
  };
  return { ...record, view: bounded } as unknown as JsonObject;
}

/** Reads a record; undefined where it is of a version that cannot be read, or none. */
export const fromHealthRecord = (value: JsonValue): SwarmHealthRecord | undefined =>
  swarmHealthRecord.safeParse(value).data;

const healthNews = swarmHealthRecord.omit({ samples: true });

/** The same without its samples: every process reads each record that another writes, and keeps none of them. */
export const fromHealthNews = (value: JsonValue): Omit<SwarmHealthRecord, "samples"> | undefined =>
  healthNews.safeParse(value).data;

export const boundReasons = (reasons: readonly string[]): string[] => reasons.slice(0, maxItems).map(cut);

export const toStoredSample = (
  atMs: number,
  status: SwarmView["status"],
  { running, workers, queued, completed, failed, latencyMs }: SwarmMeasurement,
): StoredSwarmSample => [
  atMs,
  status,
  running,
  workers,
  queued,
  completed,
  failed,
  // It is kept sixty times: a tenth of a millisecond is finer than anybody looks.
  Math.round(latencyMs * 10) / 10,
];

/** What nobody measured is absent: the utilisation of no workers, how long no task took. */
export const fromStoredSample = ([
  atMs,
  status,
  running,
  workers,
  queued,
  completed,
  failed,
  latencyMs,
]: StoredSwarmSample): SwarmSample => ({
  at: new Date(atMs).toISOString(),
  status,
  ...(workers > 0 && { utilisation: running / workers }),
  queued,
  completed,
  failed,
  ...(completed + failed > 0 && { latencyMs }),
});

const cut = (text: string): string => (text.length > maxTextChars ? `${text.slice(0, maxTextChars - 1)}…` : text);
