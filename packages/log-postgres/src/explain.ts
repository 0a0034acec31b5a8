import type { JsonObject, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { ExplainedIndex, ExplainedRelation, ExplainRequest, Explanation } from "@viable/log";
import { textArray } from "./array-literal.ts";
import { notExplained, unknownStatement } from "./errors.ts";
import type { Connection, Param, Row } from "./session.ts";
import { describeRelations, explainable, sample } from "./statements/explain.ts";

/**
 * How long planning, or running one of the store's own statements, may take, in milliseconds. PGlite, which has no timers, does not
 * keep it; its thread is given up after a minute.
 */
const timeoutMs = 5_000;
/** A query that a person would look at. */
const maxSqlChars = 10_000;
/** The same for a plan: what is constant in a query is computed by the planner, and stands in it. */
const maxPlanChars = 1_000_000;
const syntaxError = "42601";

/**
 * Has the database explain a query, in a transaction that may only read and is rolled back.
 *
 * What somebody hands in is never run. It is judged by the server's own parser: sent as one statement, as what a cursor is to be
 * declared for, which takes a SELECT alone, without anything in it that writes. But to estimate, the planner computes what is stable in it,
 * functions that read tables among that: so of what fails there no text is passed on, since it may hold what they read.
 */
export async function explainOver(connection: Connection, request: ExplainRequest): Promise<Explanation> {
  await connection.script("BEGIN READ ONLY");
  let explanation: Explanation;
  try {
    await connection.script(`SET LOCAL statement_timeout = ${timeoutMs}`);
    explanation =
      "sql" in request ? await explainSql(connection, request.sql) : await explainOwn(connection, request.statement);
  } catch (error) {
    // Where the connection goes on, the database is there and this is its answer.
    await connection.script("ROLLBACK").catch(() => {
      throw error;
    });
    await forgetPrepared(connection);
    throw error instanceof ViableError && error.code === "log.unknown_statement" ? error : notExplained(error as Error);
  }
  await connection.script("ROLLBACK");
  await forgetPrepared(connection);
  return explanation;
}

/** What was prepared outlives its transaction. There may be nothing. */
const forgetPrepared = (connection: Connection): Promise<void> =>
  connection.script("DEALLOCATE viable_explained").catch(() => {});

async function explainSql(connection: Connection, sql: string): Promise<Explanation> {
  if (sql.length > maxSqlChars)
    throw new Error(`it has ${sql.length} characters, and ${maxSqlChars} are read at most.`);
  // As it would be planned for anybody else: for the store's own statements reading a table from end to end is ruled out.
  await connection.script("SET LOCAL enable_seqscan = on");
  // Read and not planned: what is wrong with it by itself is told in the server's words.
  await connection.query(`PREPARE viable_explained AS ${sql}`);
  const plan = await planOf(connection, sql);
  return {
    origin: "estimated",
    query: sql,
    parameters: [],
    plan,
    relations: await readRelations(connection, plan),
  };
}

async function planOf(connection: Connection, sql: string): Promise<JsonObject> {
  try {
    await connection.query(`EXPLAIN DECLARE viable_explained NO SCROLL CURSOR FOR ${sql}`);
    const plan = toPlan(await connection.query(`EXPLAIN (VERBOSE, FORMAT JSON) ${sql}`));
    if (JSON.stringify(plan).length <= maxPlanChars) return plan;
  } catch (error) {
    const sqlState = error instanceof ViableError ? error.details?.sqlState : undefined;
    if (typeof sqlState !== "string") throw error;
    throw new Error(
      sqlState === syntaxError
        ? "it is no single SELECT that only reads."
        : `it cannot be planned (SQLSTATE ${sqlState}); why is not told, since that may hold what it would have read.`,
    );
  }
  throw new Error(`its plan is longer than ${maxPlanChars} characters.`);
}

async function explainOwn(connection: Connection, name: string): Promise<Explanation> {
  const [found] = await connection.query(sample.text);
  const own = explainable(found ?? {});
  const query = own.get(name);
  if (query === undefined) throw unknownStatement(name, [...own.keys()]);
  const { statement, params } = query;
  const plan = toPlan(
    await connection.query(`EXPLAIN (ANALYZE, BUFFERS, VERBOSE, FORMAT JSON) ${statement.text}`, params),
  );
  return {
    origin: "measured",
    query: statement.text.replaceAll(/\s+/g, " "),
    parameters: params.map(toText),
    plan,
    relations: await readRelations(connection, plan),
  };
}

const toText = (param: Param): string => param ?? "NULL";

/** One driver hands JSON over parsed, another may not. */
function toPlan(rows: readonly Row[]): JsonObject {
  const answer: unknown = rows[0]?.["QUERY PLAN"];
  const [plan] = (typeof answer === "string" ? JSON.parse(answer) : answer) as JsonObject[];
  return plan as JsonObject;
}

async function readRelations(connection: Connection, plan: JsonObject): Promise<ExplainedRelation[]> {
  const tables = [...tablesOf(plan.Plan)];
  if (tables.length === 0) return [];
  const rows = await connection.query(describeRelations.text, [
    textArray(tables.map((table) => table.schema)),
    textArray(tables.map((table) => table.name)),
  ]);
  return rows.map(toRelation);
}

function toRelation(row: Row): ExplainedRelation {
  return {
    schema: row.schema as string,
    name: row.name as string,
    rows: Number(row.rows) < 0 ? null : Number(row.rows),
    bytes: Number(row.bytes),
    columnsWithStatistics: JSON.parse(row.statistics as string) as string[],
    indexes: JSON.parse(row.indexes as string) as ExplainedIndex[],
  };
}

/** The tables that a node and those below it read, each once. */
function* tablesOf(
  node: JsonValue | undefined,
  seen = new Set<string>(),
): Generator<{ readonly schema: string; readonly name: string }> {
  if (typeof node !== "object" || node === null || Array.isArray(node)) return;
  const { Schema: schema, "Relation Name": name, Plans: plans } = node as JsonObject;
  if (typeof schema === "string" && typeof name === "string" && !seen.has(`${schema}.${name}`)) {
    seen.add(`${schema}.${name}`);
    yield { schema, name };
  }
  for (const child of Array.isArray(plans) ? plans : []) yield* tablesOf(child, seen);
}
