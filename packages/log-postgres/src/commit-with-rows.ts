import { codeOf, type ViableError } from "@viable/kernel";
import type { CommitOutcome, CommitResult, EncodedAppend, RowRefusal, RowWrite } from "@viable/log";
import { storeRefused } from "@viable/log";
import type { Connection, Session } from "./session.ts";
import { appendBatch, appendBatchParams, toCommitResult } from "./statements/append-batch.ts";
import { head } from "./statements/head.ts";

/** A row was refused, so its append does not happen. */
class RowRefused extends Error {
  readonly refusal: RowRefusal;

  constructor(refusal: RowRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/**
 * Commits a batch some of whose appends bring rows of other tables, in one transaction and so in one flush. First as if all went well;
 * where a row is refused, all is taken back and done again append by append, so that only the one with that row does not happen.
 */
export async function commitWithRows(
  session: Session,
  batch: readonly EncodedAppend[],
  now: number,
): Promise<CommitResult> {
  try {
    return await session.transaction((connection) => commitTogether(connection, batch, now));
  } catch (error) {
    if (!(error instanceof RowRefused)) throw error;
    return await session.transaction((connection) => commitOneByOne(connection, batch, now));
  }
}

async function commitTogether(
  connection: Connection,
  batch: readonly EncodedAppend[],
  now: number,
): Promise<CommitResult> {
  const result = toCommitResult(batch, await connection.query(appendBatch.text, appendBatchParams(batch, now)));
  for (const [index, append] of batch.entries()) {
    const outcome = result.outcomes[index];
    if (outcome?.kind === "appended" && !outcome.repeated) await writeRows(connection, append.with ?? []);
  }
  return result;
}

async function commitOneByOne(
  connection: Connection,
  batch: readonly EncodedAppend[],
  now: number,
): Promise<CommitResult> {
  const outcomes: CommitOutcome[] = [];
  for (const append of batch) {
    await connection.script("SAVEPOINT viable_append");
    try {
      const result = await commitTogether(connection, [append], now);
      outcomes.push(...result.outcomes);
      await connection.script("RELEASE SAVEPOINT viable_append");
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      await connection.script("ROLLBACK TO SAVEPOINT viable_append");
      outcomes.push({ kind: "row_refused", refusal: error.refusal });
    }
  }
  const [after] = await connection.query(head.text);
  return { outcomes, lastChange: Number(after?.change) };
}

async function writeRows(connection: Connection, writes: readonly RowWrite[]): Promise<void> {
  for (const [index, write] of writes.entries()) {
    if (!("sql" in write))
      throw new RowRefused({ write: index, message: "a database takes statements, not functions" });
    const touched = await connection.execute(write.sql, write.params).catch((error: unknown) => {
      throw codeOf(error) === storeRefused ? new RowRefused(toRefusal(index, error as ViableError)) : error;
    });
    if (write.rows !== undefined && touched !== write.rows)
      throw new RowRefused({ write: index, message: `it touched ${touched} rows, and was to touch ${write.rows}` });
  }
}

function toRefusal(write: number, error: ViableError): RowRefusal {
  const { sqlState, constraint } = error.details ?? {};
  return {
    write,
    message: error.cause instanceof Error ? error.cause.message : error.message,
    ...(typeof sqlState === "string" && { sqlState }),
    ...(typeof constraint === "string" && { constraint }),
  };
}
