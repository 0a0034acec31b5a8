import { ViableError } from "@viable/kernel";
import type { CommitResult, EncodedAppend } from "@viable/log";
import { storeRefused } from "@viable/log";
import type { KnownHeads } from "./known-heads.ts";
import type { Answer, Param, Row, Statement } from "./session.ts";
import { appendBatch, appendBatchParams, toCommitResult } from "./statements/append-batch.ts";
import { appendEvents, appendEventsParams, isEventsAlone, toEventsResult } from "./statements/append-events.ts";
import { appendKnownTo, toKnownResult } from "./statements/append-known.ts";

type Send = (statement: Statement, params: readonly Param[]) => Promise<Answer>;

/**
 * Commits a batch in one statement. The shortest way where it is of events alone and their streams' versions are known here, the next where
 * nothing stands against it, else the one that can answer everything; a way that turns out to be too short has written nothing.
 */
export async function commitAlone(
  send: Send,
  batch: readonly EncodedAppend[],
  now: number,
  heads: KnownHeads,
): Promise<CommitResult> {
  try {
    if (isEventsAlone(batch)) {
      const known = await commitKnown(send, batch, heads);
      if (known !== undefined) return known;
      const row = (await orIndex(send(appendEvents, appendEventsParams(batch))))?.rows[0];
      const result = toEventsResult(batch, row);
      if (result !== undefined) return learnt(heads, batch, result, row);
    }
    const { rows } = await send(appendBatch, appendBatchParams(batch, now));
    return learnt(heads, batch, toCommitResult(batch, rows), rows[0]);
  } catch (error) {
    // It may have happened, and been followed by others' on a server that we have not seen.
    heads.forget();
    throw error;
  }
}

function learnt(
  heads: KnownHeads,
  batch: readonly EncodedAppend[],
  result: CommitResult,
  row: Row | undefined,
): CommitResult {
  heads.learn(batch, result.outcomes, nameOf(row));
  return result;
}

/** A pooler that has wiped a connection leaves an empty name. */
const nameOf = (row: Row | undefined): string | undefined =>
  typeof row?.connection === "string" && row.connection !== "" ? row.connection : undefined;

const uniqueViolation = "23505";

async function commitKnown(
  send: Send,
  batch: readonly EncodedAppend[],
  heads: KnownHeads,
): Promise<CommitResult | undefined> {
  const { connection, ordinal } = heads;
  const versions = heads.versionsFor(batch);
  if (versions === undefined || connection === undefined) return undefined;
  const { statement, params } = appendKnownTo(batch, versions, connection, ordinal);
  const answer = await orIndex(send(statement, params));
  if (answer === undefined || answer.touched === 0) {
    heads.forget();
    return undefined;
  }
  const result = toKnownResult(batch, versions, ordinal);
  heads.learn(batch, result.outcomes, connection);
  return result;
}

/**
 * Nothing where a unique index refused: a stream that was taken for new is there, or an append has happened already, at whatever version it
 * is expected now. What it is shows when it is looked for.
 */
async function orIndex(answer: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    const isRefusedByIndex =
      error instanceof ViableError && error.code === storeRefused && error.details?.sqlState === uniqueViolation;
    if (isRefusedByIndex) return undefined;
    throw error;
  }
}
