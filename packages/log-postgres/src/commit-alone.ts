import type { CommitResult, EncodedAppend } from "@viable/log";
import type { Param, Row, Statement } from "./session.ts";
import { appendBatch, appendBatchParams, toCommitResult } from "./statements/append-batch.ts";
import { appendEvents, appendEventsParams, isEventsAlone, toEventsResult } from "./statements/append-events.ts";

/** The short way where a batch is of events alone and nothing stands against it; else the one that can answer everything. */
export async function commitAlone(
  send: (statement: Statement, params: readonly Param[]) => Promise<Row[]>,
  batch: readonly EncodedAppend[],
  now: number,
): Promise<CommitResult> {
  if (isEventsAlone(batch)) {
    const [row] = await send(appendEvents, appendEventsParams(batch));
    const result = toEventsResult(batch, row);
    if (result !== undefined) return result;
  }
  return toCommitResult(batch, await send(appendBatch, appendBatchParams(batch, now)));
}
