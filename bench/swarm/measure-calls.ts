import type { Child, Question } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import type { CallLoad, CallsDriven } from "./call-load.ts";
import { toRows } from "./to-rows.ts";

/** Whom calls are measured of: a process that calls, and those that have part in the answer. */
export interface CallSubject {
  readonly name: string;
  readonly calling: Child;
  readonly others: readonly Child[];
  /** What the calling process is asked to do with a load. */
  readonly question: Question;
}

type Round = CallsDriven & { readonly cpuMs: number };

/** Every right answer, by subject: for whoever asks their databases whether it is true. */
export type AnswerCounts = Map<string, number>;

/** Measures calls by so many callers, of all subjects in turns: throughput, latencies, and processor time of all their processes. */
export async function measureCalls(
  { quick, note }: BenchOptions,
  about: string,
  subjects: readonly CallSubject[],
  callers: readonly number[],
  what: { readonly one: string; readonly many: string },
): Promise<{ rows: Row[]; answers: AnswerCounts }> {
  const plan = quick
    ? { rounds: 2, firstMs: 500, warmUpMs: 100, measuredMs: 400 }
    : { rounds: 5, firstMs: 3_000, warmUpMs: 500, measuredMs: 3_000 };
  const answers: AnswerCounts = new Map(subjects.map(({ name }) => [name, 0]));
  const run = async (subject: CallSubject, load: CallLoad): Promise<CallsDriven> => {
    const driven = await subject.calling.ask<CallsDriven>({ ...subject.question, load });
    answers.set(subject.name, (answers.get(subject.name) ?? 0) + driven.answers);
    return driven;
  };

  for (const subject of subjects) {
    note(`swarm: ${about}, warming up ${subject.name}`);
    await run(subject, { concurrent: 64, warmUpMs: 0, measuredMs: plan.firstMs });
  }
  const rows: Row[] = [];
  for (const concurrent of callers) {
    const at = `${about}, ${concurrent === 1 ? "1 caller" : `${concurrent} callers`}`;
    const rounds = new Map(subjects.map(({ name }) => [name, [] as Round[]]));
    for (let round = 1; round <= plan.rounds; round++) {
      for (const subject of inTurn(subjects, round)) {
        note(`swarm: ${at}, round ${round} of ${plan.rounds}, ${subject.name}`);
        const all = [subject.calling, ...subject.others];
        for (const child of all) await child.ask({ ask: "watch" });
        const driven = await run(subject, { concurrent, warmUpMs: plan.warmUpMs, measuredMs: plan.measuredMs });
        let cpuMs = 0;
        for (const child of all) cpuMs += (await child.ask<ProcessUse>({ ask: "use" })).cpuMs;
        rounds.get(subject.name)?.push({ ...driven, cpuMs });
      }
    }
    const lower = { higherIsBetter: false };
    rows.push(
      ...toRows(rounds, {
        case: `${at}, throughput`,
        unit: `${what.many}/s`,
        higherIsBetter: true,
        compared: true,
        value: ({ perSecond }) => perSecond,
      }),
      ...toRows(rounds, {
        ...lower,
        case: `${at}, latency p50`,
        unit: "ms",
        compared: false,
        value: ({ p50Ms }) => p50Ms,
      }),
      ...toRows(rounds, {
        ...lower,
        case: `${at}, latency p99`,
        unit: "ms",
        compared: false,
        value: ({ p99Ms }) => p99Ms,
      }),
      ...toRows(rounds, {
        ...lower,
        case: `${at}, cpu of all its processes`,
        unit: `µs/${what.one}`,
        compared: true,
        value: (round) => (round.cpuMs * 1_000) / round.answers,
      }),
    );
  }
  return { rows, answers };
}
