// One run with many steps at once, and what they come to joined.
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import type { RunSample } from "./bare-run.ts";
import type { Started } from "./start-subjects.ts";
import { checkCompleted, dbos, langgraph, limit, restate, startSubjects, viable } from "./start-subjects.ts";
import { toRows } from "./to-rows.ts";

/** Its graph: the elements, and what joins them. */
const langgraphSteps = 2;

export async function measureFanOut({ quick, note }: BenchOptions): Promise<Row[]> {
  // Runs of a round that is not counted: code that has not run yet is slow code.
  const plan = quick
    ? { rounds: 2, steps: 1_000, firstRuns: 1, runs: 1 }
    : { rounds: 5, steps: 1_000, firstRuns: 5, runs: 5 };
  await using subjects = await startSubjects([limit, viable, dbos, restate, langgraph(langgraphSteps)]);
  const [, ours] = subjects.all as [Started, Started];
  const sample = await ours.child.ask<RunSample>({ ask: "sampleElements", reactor: "fan", count: plan.steps });
  ours.completedRuns += 1;

  const rounds = new Map(subjects.all.map(({ name }) => [name, [] as number[]]));
  for (let round = 0; round <= plan.rounds; round++) {
    for (const subject of inTurn(subjects.all, round)) {
      note(`reactors: fan-out over ${plan.steps} steps, round ${round} of ${plan.rounds}, ${subject.name}`);
      const given = subject.name === limit.name ? { sample } : {};
      const timesMs: number[] = [];
      for (let runs = 0; runs < (round === 0 ? plan.firstRuns : plan.runs); runs++) {
        timesMs.push(await subject.child.ask<number>({ ask: "fanOut", count: plan.steps, ...given }));
        subject.completedRuns += 1;
      }
      timesMs.sort((a, b) => a - b);
      if (round > 0) rounds.get(subject.name)?.push(timesMs[Math.floor(timesMs.length / 2)] as number);
    }
  }
  await checkCompleted(subjects.all);
  return [
    ...toRows(rounds, {
      case: `fan-out over ${plan.steps.toLocaleString("en")} steps, joined`,
      unit: "ms",
      higherIsBetter: false,
      compared: true,
      value: (ms) => ms,
    }),
  ];
}
