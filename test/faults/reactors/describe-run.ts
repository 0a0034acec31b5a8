import type { Runs } from "./check-runs.ts";
import { claimsOf } from "./check-runs.ts";
import type { SinkCall } from "./sink-lines.ts";
import type { Told } from "./worker-process.ts";

/** All that is known of a run, for whoever looks for what went wrong with it: its events, what it did outside, and who wrote it. */
export function describeRun(runId: string, runs: Runs, calls: readonly SinkCall[], told: Told): string {
  const events = runs.get(runId) ?? [];
  const inner = [...runs].filter(
    ([, [first]]) => (first?.data.parent as { runId?: string } | undefined)?.runId === runId,
  );
  return [
    `${runId}, held by ${claimsOf(events).map(({ life, version }) => `${life} from ${version}`)}`,
    ...events.map(({ type, data }, index) => `  ${index + 1} ${type} ${JSON.stringify(data)}`),
    ...told.wrote.filter((each) => each.runId === runId).map((each) => `  wrote ${JSON.stringify(each)}`),
    ...told.refused.filter((each) => each.runId === runId).map((each) => `  refused ${JSON.stringify(each)}`),
    ...calls.flatMap(({ run, step, op, outcome, by, claim }, nr) =>
      run === runId ? [`  outside ${nr}: ${op} ${step} by ${by}, claim ${claim}: ${outcome}`] : [],
    ),
    ...inner.map(([id]) => describeRun(id, runs, calls, told)),
  ].join("\n");
}
