// What a step costs late in a long run, beside what one costs early in the same run.
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row, Series } from "../harness/row.ts";
import { toRow } from "../harness/row.ts";
import type { RunSample } from "./bare-run.ts";
import type { LongRun } from "./long-run.ts";
import type { Started } from "./start-subjects.ts";
import { checkCompleted, dbos, limit, restate, startSubjects, viable } from "./start-subjects.ts";
import { toRows } from "./to-rows.ts";

/**
 * LangGraph is left out: its step does not wait for its checkpoint, so the time from one to the next holds nothing that is durable.
 */
export async function measureHistory(options: BenchOptions): Promise<Row[]> {
  const plan = options.quick ? { rounds: 2, steps: 1_000 } : { rounds: 5, steps: 10_000 };
  await using subjects = await startSubjects([limit, viable, dbos, restate]);
  const [, ours] = subjects.all as [Started, Started];
  const rounds = new Map(subjects.all.map(({ name }) => [name, [] as LongRun[]]));
  const { steps } = plan;
  const sample = await ours.child.ask<RunSample>({ ask: "sampleElements", reactor: "long", count: steps });
  ours.completedRuns += 1;
  // Round 0 is not counted: a run of full length for each, so that all are as warm.
  for (let round = 0; round <= plan.rounds; round++) {
    for (const subject of inTurn(subjects.all, round)) {
      options.note(`reactors: history of ${steps} steps, round ${round} of ${plan.rounds}, ${subject.name}`);
      const given = subject.name === limit.name ? { sample } : {};
      const measured = await subject.child.ask<LongRun>({ ask: "longRun", steps, ...given });
      subject.completedRuns += 1;
      if (round > 0) rounds.get(subject.name)?.push(measured);
    }
  }
  await checkCompleted(subjects.all);

  const early = "step 100";
  const late = `step ${steps.toLocaleString("en")}`;
  const time = { unit: "ms/step", higherIsBetter: false, compared: true };
  const growth = [...rounds].map(
    ([subject, each]): Series => ({
      bench: "reactors",
      case: `history, ${late}`,
      subject,
      unit: `× ${early}`,
      higherIsBetter: false,
      values: each.map(({ earlyMs, lateMs }) => lateMs / earlyMs),
    }),
  );
  return [
    ...toRows(rounds, { ...time, case: `history, ${early}`, value: ({ earlyMs }) => earlyMs }),
    ...toRows(rounds, { ...time, case: `history, ${late}`, value: ({ lateMs }) => lateMs }),
    ...growth.map(toRow),
  ];
}
