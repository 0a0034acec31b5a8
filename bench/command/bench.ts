// A command that does nothing, through the whole walk over HTTP: two durable events for each. Beside it the limit, which does
// the same two durable writes by hand behind a bare echo, and Moleculer with its gateway, which writes nothing down.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child } from "../harness/child.ts";
import { startChild } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { Load, Measured } from "../harness/load-generator.ts";
import type { BenchOptions, Row, Series } from "../harness/row.ts";
import { compare, toRow } from "../harness/row.ts";
import { startDurable } from "../harness/start-durable.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import type { EventSample } from "./two-events.ts";

const clientCounts = [1, 64, 256];

interface Subject {
  readonly name: string;
  readonly child: Child;
  readonly target: Pick<Load, "url" | "path" | "headers">;
}

type Round = Measured & ProcessUse;

/** Measures all subjects on both databases, round by round in turns. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  const plan = options.quick
    ? { rounds: 2, warmUpMs: 500, durationMs: 1_500 }
    : { rounds: 5, warmUpMs: 1_000, durationMs: 3_000 };
  await using generator = await startChild(new URL("../harness/load-generator.ts", import.meta.url), {});
  const rows: Row[] = [];
  for (const database of ["pglite", "postgres"] as const) {
    await using subjects = await startSubjects(database);
    for (const { name, target } of subjects.all) {
      options.note(`command: ${database}, warming up ${name}`);
      await generator.ask({ ask: "load", load: { ...firstLoad, ...target } });
    }
    rows.push(...(await measure(options, generator, database, subjects.all, plan)));
  }
  return rows;
}

async function measure(
  { note }: BenchOptions,
  generator: Child,
  database: string,
  subjects: readonly Subject[],
  plan: { readonly rounds: number; readonly warmUpMs: number; readonly durationMs: number },
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const clients of clientCounts) {
    const perSubject = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
    for (let round = 0; round < plan.rounds; round++) {
      for (const subject of inTurn(subjects, round)) {
        note(`command: ${database}, ${clients} clients, round ${round + 1} of ${plan.rounds}, ${subject.name}`);
        const load = { ...plan, ...subject.target, clients, body: requestBody, wanted: '"completed"' };
        await subject.child.ask({ ask: "watch" });
        const measured = await generator.ask<Measured>({ ask: "load", load });
        if (measured.errors > 0) {
          throw new Error(`${subject.name}: ${measured.errors} wrong answers, the first: ${measured.firstError}`);
        }
        const use = await subject.child.ask<ProcessUse>({ ask: "use" });
        perSubject.get(subject.name)?.push({ ...measured, ...use });
      }
    }
    const seriesOf = (name: string, what: string, unit: string, value: (m: Round) => number): Series => ({
      bench: "command",
      case: `${database}, ${clients} clients, ${what}`,
      subject: name,
      unit,
      higherIsBetter: unit === "commands/s",
      values: (perSubject.get(name) ?? []).map(value),
    });
    const limitOf = (all: readonly Series[]) => all.find(({ subject }) => subject === "limit") as Series;
    const compareAll = (all: readonly Series[]) =>
      all.filter(({ subject }) => subject !== "limit").map((series) => compare(series, limitOf(all)));
    const rates = subjects.map(({ name }) => seriesOf(name, "throughput", "commands/s", (m) => m.perSecond));
    const costs = subjects.map(({ name }) => seriesOf(name, "cpu", "µs/command", (m) => (m.cpuMs * 1_000) / m.answers));
    rows.push(...rates.map(toRow), ...compareAll(rates), ...costs.map(toRow), ...compareAll(costs));
    for (const [what, unit, value] of [
      ["cpu, main thread", "µs/command", (m) => (m.mainThreadCpuMs * 1_000) / m.answers],
      ["latency p50", "ms", (m) => m.p50Ms],
      ["latency p99", "ms", (m) => m.p99Ms],
      ["loop delay p99", "ms", (m) => m.loopDelayP99Ms],
    ] as const satisfies readonly (readonly [string, string, (m: Round) => number])[]) {
      rows.push(...subjects.map(({ name }) => toRow(seriesOf(name, what, unit, value))));
    }
  }
  return rows;
}

/** No two commands are equal, so that none is joined to another. */
const requestBody = '{"command":"no_op","args":{"n":%n},"mode":"sync"}';

/** Served before anything is measured: code that has run a few thousand times is another than code that has not. */
const firstLoad = { clients: 64, warmUpMs: 0, durationMs: 3_000, body: requestBody, wanted: '"completed"' };

/** Starts all subjects for one database. They stay up together; only the one whose turn it is has anything to do. */
async function startSubjects(database: "pglite" | "postgres") {
  const stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "viable-bench-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  try {
    const server = database === "postgres" ? stack.use(await startDurable()) : undefined;
    const place = async (name: string) => ({
      stateDir: join(folder, name),
      databaseUrl: await server?.createDatabase(),
    });

    const viable = stack.use(await startChild(new URL("./viable-server.ts", import.meta.url), await place("viable")));
    const viableTarget = await openSession(viable);
    const samples = await takeSamples(viable, viableTarget);

    const limit = stack.use(
      await startChild(new URL("./limit-server.ts", import.meta.url), { ...(await place("limit")), samples }),
    );
    const moleculer = stack.use(await startChild(new URL("./moleculer-server.ts", import.meta.url), {}));
    const plainTarget = async (child: Child) => ({
      url: (await child.ask<{ url: string }>({ ask: "ready" })).url,
      path: "/commands",
      headers: {},
    });
    const all: readonly Subject[] = [
      { name: "limit", child: limit, target: await plainTarget(limit) },
      { name: "viable", child: viable, target: viableTarget },
      { name: "moleculer", child: moleculer, target: await plainTarget(moleculer) },
    ];
    return { all, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function openSession(viable: Child): Promise<Subject["target"]> {
  const { url, token } = await viable.ask<{ url: string; token: string }>({ ask: "ready" });
  const session = await post(`${url}/v1/sessions`, token, { clientType: "api" });
  return {
    url,
    path: `/v1/sessions/${session.sessionId}/commands`,
    headers: { Authorization: `Bearer ${session.token}` },
  };
}

/** Sends one command and takes what was written for it: the limit writes events of the same sizes. */
async function takeSamples(viable: Child, { url, path, headers }: Subject["target"]): Promise<EventSample[]> {
  const token = headers.Authorization?.slice("Bearer ".length) ?? "";
  const answer = await post(url + path, token, JSON.parse(requestBody.replace("%n", "1000000")));
  const samples = await viable.ask<EventSample[]>({ ask: "sample", executionId: answer.executionId });
  if (samples.length !== 2) throw new Error(`A command was to cost two events and cost ${samples.length}.`);
  return samples;
}

async function post(url: string, token: string, body: object): Promise<Record<string, string>> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, string>;
}
