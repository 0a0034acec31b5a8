import type { Context } from "@viable/kernel";
import type { Log, StoredEvent } from "@viable/log";
import type { SwarmHealthChange, SwarmHealthChangeData, SwarmHistory } from "@viable/protocol";
import { swarmStream } from "./health-event.ts";
import { fromHealthRecord, fromStoredSample, servicePrefix } from "./health-record.ts";

/** Which part of a service's history. */
export interface HistoryQuery {
  /** Changes from this number on downwards; from the newest where absent. */
  readonly from?: number | undefined;
  /** How many changes, and on the first page how many of the newest samples of each process: at most 500. Default 100. */
  readonly limit?: number | undefined;
}

const maxLimit = 500;
/** Processes whose samples are shown: a page of 100 holds half a megabyte of them. */
const maxProcesses = 100;

/**
 * Reads what a service's swarms were: samples from the records, on the first page, and changes from the events. Undefined where the log has
 * neither.
 */
export async function readSwarmHistory(
  ctx: Context,
  log: Pick<Log, "listRecords" | "readStreamPage">,
  service: string,
  { from, limit = 100 }: HistoryQuery,
): Promise<SwarmHistory | undefined> {
  const bounded = Math.max(1, Math.min(limit, maxLimit));
  const page = await log.readStreamPage(ctx, swarmStream(service), {
    direction: "backward",
    limit: bounded,
    ...(from !== undefined && { fromVersion: from }),
  });
  const listed =
    from === undefined
      ? await log.listRecords(ctx, servicePrefix(service), { limit: maxProcesses })
      : { records: [], isEnd: true };
  const processes = listed.records.flatMap(({ value }) => {
    const record = fromHealthRecord(value);
    if (record === undefined) return [];
    const { state, view, samples } = record;
    const status = state === "living" ? view.status : state === "left" ? ("stopped" as const) : ("lost" as const);
    return [{ processId: view.processId, status, samples: samples.slice(-bounded).map(fromStoredSample) }];
  });
  const last = page.events.at(-1)?.version ?? 1;
  if (from === undefined && processes.length === 0 && page.events.length === 0) return undefined;
  return {
    service,
    processes,
    ...(!listed.isEnd && { isPartial: true }),
    changes: page.events.map(toChange),
    ...(last > 1 && { next: last - 1 }),
  };
}

function toChange({ version, data }: StoredEvent): SwarmHealthChange {
  const change = data as unknown as SwarmHealthChangeData;
  return { ...change, number: version, measuredAt: new Date(change.measuredAt).toISOString() };
}
