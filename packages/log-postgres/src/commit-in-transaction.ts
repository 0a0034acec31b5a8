import type { Clock } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type {
  CommitOutcome,
  CommitReader,
  CommitResult,
  EncodedAppend,
  Follow,
  FollowedAppend,
  RowRefusal,
  RowWrite,
} from "@viable/log";
import { storeRefused } from "@viable/log";
import { textArray } from "./array-literal.ts";
import { readPage } from "./read-page.ts";
import type { Connection, Session } from "./session.ts";
import { appendBatch, appendBatchParams, toCommitResult } from "./statements/append-batch.ts";
import { head } from "./statements/head.ts";
import { readAll } from "./statements/read-all.ts";
import { getRecords, toRecord } from "./statements/records.ts";

/** A row was refused, so its append does not happen. */
class RowRefused extends Error {
  readonly refusal: RowRefusal;

  constructor(refusal: RowRefusal) {
    super(refusal.message);
    this.refusal = refusal;
  }
}

/**
 * Commits a batch in one transaction, and so in one flush, where some of its appends bring rows of other tables or something follows
 * them. First as if all went well; where a row is refused, all is taken back and done again append by append, so that only the one
 * with that row does not happen.
 */
export async function commitInTransaction(
  session: Session,
  batch: readonly EncodedAppend[],
  now: number,
  follow: Follow | undefined,
  clock: Clock,
): Promise<CommitResult> {
  const endsMs = clock.monotonicMs() + flushRowsMs;
  const writing: Writing = { now, leftMs: () => endsMs - clock.monotonicMs() };
  const commit = (apply: typeof commitTogether) =>
    session.transaction(async (connection) => {
      const result = await apply(connection, batch, writing);
      return follow === undefined ? result : await commitWhatFollows(connection, result, writing, follow);
    });
  try {
    return await commit(commitTogether);
  } catch (error) {
    if (error instanceof RowRefused) return await commit(commitOneByOne);
    throw error;
  }
}

/** What a flush is written with: the time it is of, and how long its rows may still take, in milliseconds. */
interface Writing {
  readonly now: number;
  leftMs(): number;
}

async function commitTogether(
  connection: Connection,
  batch: readonly EncodedAppend[],
  writing: Writing,
): Promise<CommitResult> {
  // The way that can answer everything: a shorter one that fails would leave the transaction of no use.
  const result = toCommitResult(batch, await connection.query(appendBatch.text, appendBatchParams(batch, writing.now)));
  for (const [index, append] of batch.entries()) {
    if (append.with !== undefined && isNew(result.outcomes[index])) await writeRows(connection, append.with, writing);
  }
  return result;
}

async function commitOneByOne(
  connection: Connection,
  batch: readonly EncodedAppend[],
  writing: Writing,
): Promise<CommitResult> {
  const outcomes: CommitOutcome[] = [];
  for (const append of batch) outcomes.push(await commitBehindSavepoint(connection, append, writing));
  return { outcomes, lastChange: await readLastChange(connection) };
}

async function commitWhatFollows(
  connection: Connection,
  result: CommitResult,
  writing: Writing,
  follow: Follow,
): Promise<CommitResult> {
  if (!result.outcomes.some(isNew)) return result;
  const followed: FollowedAppend[] = [];
  for (const append of await follow(readerOver(connection, writing.now))) {
    followed.push({ append, outcome: await commitBehindSavepoint(connection, append, writing) });
  }
  return { outcomes: result.outcomes, followed, lastChange: await readLastChange(connection) };
}

/** One append, which harms nothing else where it is refused. */
async function commitBehindSavepoint(
  connection: Connection,
  append: EncodedAppend,
  writing: Writing,
): Promise<CommitOutcome> {
  await connection.script("SAVEPOINT viable_append");
  try {
    const { outcomes } = await commitTogether(connection, [append], writing);
    await connection.script("RELEASE SAVEPOINT viable_append");
    return outcomes[0] as CommitOutcome;
  } catch (error) {
    if (!(error instanceof RowRefused)) throw error;
    await connection.script("ROLLBACK TO SAVEPOINT viable_append");
    return { kind: "row_refused", refusal: error.refusal };
  }
}

/** What the transaction sees. */
const readerOver = (connection: Connection, now: number): CommitReader => ({
  async head() {
    const [row] = await connection.query(head.text);
    return Number(row?.ordinal);
  },
  async getRecords(keys) {
    return (await connection.query(getRecords.text, [textArray(keys), String(now)])).map(toRecord);
  },
  async readAll(after, limit, filter) {
    const query = readAll(after, limit, "forward", filter);
    if (query === undefined) return { events: [], isEnd: true };
    return await readPage((statement, params) => connection.query(statement.text, params), query, limit);
  },
});

async function readLastChange(connection: Connection): Promise<number> {
  const [row] = await connection.query(head.text);
  return Number(row?.change);
}

const isNew = (outcome: CommitOutcome | undefined): boolean => outcome?.kind === "appended" && !outcome.repeated;

/**
 * How long a row's statement may compute, or wait for a lock, in milliseconds: everybody's commits wait for it. PGlite, which has no
 * timers, does not keep it.
 */
const rowTimeoutMs = 3_000;
/** The same for all rows of a flush together, tried again append by append included. Who comes after that is refused with what they hold. */
const flushRowsMs = 6_000;
const tooMuch = `the rows that it came with had taken ${flushRowsMs} ms already`;
const cancelled = "57014";
/** What stopped a statement that took longer. */
const tookTooLong = new Set([cancelled, "55P03"]);

async function writeRows(
  connection: Connection,
  writes: readonly RowWrite[],
  { leftMs }: Pick<Writing, "leftMs">,
): Promise<void> {
  for (const [index, write] of writes.entries()) {
    const timeoutMs = Math.min(rowTimeoutMs, Math.ceil(leftMs()));
    if (timeoutMs <= 0) throw new RowRefused({ write: index, message: tooMuch, sqlState: cancelled });
    if (index === 0 || timeoutMs < rowTimeoutMs)
      await connection.script(`SET LOCAL statement_timeout = ${timeoutMs}; SET LOCAL lock_timeout = ${timeoutMs}`);
    if (!("sql" in write))
      throw new RowRefused({ write: index, message: "a database takes statements, not functions" });
    const touched = await connection.execute(write.sql, write.params).catch(refuse(index));
    if (write.rows !== undefined && touched !== write.rows)
      throw new RowRefused({ write: index, message: `it touched ${touched} rows, and was to touch ${write.rows}` });
  }
  // What a table checks only at the end must not refuse those who share the flush.
  // And what follows in this transaction has as long as ever.
  await connection
    .script("SET CONSTRAINTS ALL IMMEDIATE; SET LOCAL statement_timeout TO DEFAULT; SET LOCAL lock_timeout TO DEFAULT")
    .catch(refuse(writes.length - 1));
}

const refuse =
  (write: number) =>
  (error: unknown): never => {
    if (!(error instanceof ViableError)) throw error;
    const isAnswer = error.code === storeRefused || tookTooLong.has(String(error.details?.sqlState));
    throw isAnswer ? new RowRefused(toRefusal(write, error)) : error;
  };

function toRefusal(write: number, error: ViableError): RowRefusal {
  const { sqlState, constraint } = error.details ?? {};
  return {
    write,
    message: error.cause instanceof Error ? error.cause.message : error.message,
    ...(typeof sqlState === "string" && { sqlState }),
    ...(typeof constraint === "string" && { constraint }),
  };
}
