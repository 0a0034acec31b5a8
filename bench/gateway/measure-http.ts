import { performance } from "node:perf_hooks";
import type { Child } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { Load, Measured } from "../harness/load-generator.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import { toRows } from "./to-rows.ts";

/** A server that answers the same requests as the others, each in a body of its own. */
export interface HttpSubject {
  readonly name: string;
  readonly child: Child;
  readonly target: Pick<Load, "url" | "path" | "headers" | "body" | "wanted">;
  /** How many requests its database holds as done, where they are to be durable. */
  stored?(): Promise<number>;
}

interface Round extends Measured, ProcessUse {
  /** What the load generator took of its core meanwhile, in percent: near 100 it is what was measured. */
  readonly generatorBusy: number;
}

/** Connections that are kept, each waiting for its answer before it sends the next. */
const clients = 64;

/** All subjects round by round in turns, over as many connections, each answer checked and, where it is durable, counted in the database. */
export async function measureHttp(
  { quick, note }: BenchOptions,
  generator: Child,
  subjects: readonly HttpSubject[],
  about: { readonly case: string; readonly noun: string },
): Promise<Row[]> {
  const plan = quick
    ? { rounds: 2, warmUpMs: 500, durationMs: 1_500 }
    : { rounds: 5, warmUpMs: 1_000, durationMs: 3_000 };
  const measured = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
  for (const { name, target } of subjects) {
    note(`gateway: ${about.case}, warming up ${name}`);
    await generator.ask({ ask: "load", load: { ...target, clients, warmUpMs: 0, durationMs: 3_000 } });
  }
  for (let round = 0; round < plan.rounds; round++) {
    for (const { name, child, target, stored } of inTurn(subjects, round)) {
      note(`gateway: ${about.case}, round ${round + 1} of ${plan.rounds}, ${name}`);
      const before = await stored?.();
      await Promise.all([child.ask({ ask: "watch" }), generator.ask({ ask: "watch" })]);
      const beganMs = performance.now();
      const load = await generator.ask<Measured>({ ask: "load", load: { ...plan, ...target, clients } });
      const tookMs = performance.now() - beganMs;
      const [use, generatorUse] = [
        await child.ask<ProcessUse>({ ask: "use" }),
        await generator.ask<ProcessUse>({ ask: "use" }),
      ];
      if (load.errors > 0) throw new Error(`${name}: ${load.errors} wrong answers, the first: ${load.firstError}`);
      if (load.answers === 0) throw new Error(`${name} answered nothing.`);
      const written = before === undefined ? load.answers : ((await stored?.()) ?? 0) - before;
      if (written !== load.answers)
        throw new Error(`${name}: ${load.answers} were answered, and the database holds ${written}.`);
      measured.get(name)?.push({ ...load, ...use, generatorBusy: (generatorUse.cpuMs / tookMs) * 100 });
    }
  }
  const rowsOf = (what: string, unit: string, compared: boolean, value: (round: Round) => number) => {
    const higherIsBetter = unit === `${about.noun}/s`;
    return toRows(measured, { case: `${about.case}, ${what}`, unit, higherIsBetter, compared, value });
  };
  return [
    ...rowsOf("throughput", `${about.noun}/s`, true, ({ perSecond }) => perSecond),
    ...rowsOf("cpu", `µs of ${about.noun}`, true, ({ cpuMs, answers }) => (cpuMs * 1_000) / answers),
    ...rowsOf(
      "cpu, main thread",
      `µs of ${about.noun}`,
      false,
      (each) => (each.mainThreadCpuMs * 1_000) / each.answers,
    ),
    ...rowsOf("latency p50", "ms", false, ({ p50Ms }) => p50Ms),
    ...rowsOf("latency p99", "ms", false, ({ p99Ms }) => p99Ms),
    ...rowsOf("load generator", "% of a core", false, ({ generatorBusy }) => generatorBusy),
  ];
}
