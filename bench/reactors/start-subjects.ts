import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Place } from "../harness/bare-database.ts";
import { connectBare } from "../harness/bare-database.ts";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import type { BenchOptions } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { RunLoad, RunsDriven } from "./run-load.ts";

/** Whom a benchmark of this folder can be about. */
export interface Subject {
  readonly name: string;
  readonly module: URL;
  /** In SQL, how many runs are complete; undefined where its database is not PostgreSQL, and it is asked itself. */
  readonly completed: string | undefined;
}

const moduleOf = (file: string): URL => new URL(file, import.meta.url);

export const viable: Subject = {
  name: "viable",
  module: moduleOf("./viable-subject.ts"),
  completed: "SELECT count(*)::int AS runs FROM viable.events WHERE type = 'run.completed'",
};
export const limit: Subject = {
  name: "limit",
  module: moduleOf("./limit-subject.ts"),
  completed: "SELECT count(*)::int AS runs FROM events WHERE type = 'run.completed'",
};
export const dbos: Subject = {
  name: "@dbos-inc/dbos-sdk",
  module: moduleOf("./dbos-subject.ts"),
  completed: "SELECT count(*)::int AS runs FROM dbos.workflow_status WHERE status = 'SUCCESS'",
};
export const restate: Subject = {
  name: "restate",
  module: moduleOf("./restate-subject.ts"),
  completed: undefined,
};
/** Its checkpoints do not say that a run is over: that is the one with the number of the graph's last step. */
export const langgraph = (lastStep: number): Subject => ({
  name: "@langchain/langgraph",
  module: moduleOf("./langgraph-subject.ts"),
  completed: `SELECT count(DISTINCT thread_id)::int AS runs FROM checkpoints WHERE (metadata->>'step')::int = ${lastStep}`,
});

/** A subject with its process, its database, and how many runs it has said are complete. */
export interface Started extends Subject {
  readonly child: Child;
  readonly place: Place;
  completedRuns: number;
}

/** Starts subjects that stay up together; only the one whose turn it is has anything to do. All of PostgreSQL's are on one server. */
export async function startSubjects(subjects: readonly Subject[]) {
  const stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "viable-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  try {
    const server = stack.use(await startDurable());
    const all: Started[] = [];
    for (const subject of subjects) {
      const place = { stateDir: join(folder, subject.name), databaseUrl: await server.createDatabase() };
      const child = stack.use(await startChild(subject.module, place));
      all.push({ ...subject, child, place, completedRuns: 0 });
    }
    return { all, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

export async function run(subject: Started, load: RunLoad): Promise<RunsDriven> {
  const driven = await subject.child.ask<RunsDriven>({ ask: "run", load });
  subject.completedRuns += driven.completed;
  return driven;
}

/** Before anything is measured: code that has not run yet is slow code, and a long way has more of it. */
export async function warmUp(
  { quick, note }: BenchOptions,
  about: string,
  subjects: readonly Started[],
  steps: number,
) {
  for (const subject of subjects) {
    note(`reactors: ${about}, warming up ${subject.name}`);
    await run(subject, { steps, concurrent: 64, warmUpMs: 0, measuredMs: quick ? 500 : 3_000 });
  }
}

/** Asks the databases, and nobody who wrote to them, how many runs are complete. Throws where that is not what was answered. */
export async function checkCompleted(subjects: readonly Started[]): Promise<void> {
  for (const { name, child, place, completed, completedRuns } of subjects) {
    const found =
      completed === undefined
        ? await child.ask<number>({ ask: "countCompleted" })
        : await countIn(place.databaseUrl as string, completed);
    if (found !== completedRuns) {
      throw new Error(`${name} answered that ${completedRuns} runs are complete, and ${found} are.`);
    }
  }
}

export async function countIn(databaseUrl: string, sql: string): Promise<number> {
  const client = await connectBare(databaseUrl);
  const { rows } = await client.query<{ runs: number }>(sql);
  await client.end();
  return rows[0]?.runs ?? 0;
}
