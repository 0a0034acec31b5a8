/**
 * Makes rows of executions: what was known when one was accepted, and how long it then took. So a model of how long a task will
 * take can be learnt from the system's own records.
 */
import { byText } from "../../source/by-text.ts";

/** An execution as the system lists it; only these members are read. */
export interface ExecutionRecord {
  readonly command: string;
  /** Times as ISO 8601. */
  readonly acceptedAt: string;
  readonly endedAt?: string | undefined;
}

/** Commands that get a feature of their own, the commonest; the others are alike to the model. */
const maxCommands = 20;

interface Span {
  readonly command: string;
  readonly from: number;
  readonly to: number;
}

/** How many ended and how long they took, together. */
interface Ended {
  count: number;
  ms: number;
}

/** Rows in the order in which executions were accepted. Those without an end, or with one before the beginning, are left out. */
export function toRows(executions: readonly ExecutionRecord[]): {
  readonly featureNames: string[];
  readonly features: number[][];
  /** How long each took, in milliseconds. */
  readonly labels: number[];
} {
  const spans = executions.flatMap(toSpan).sort((a, b) => a.from - b.from);
  const byEnd = [...spans].sort((a, b) => a.to - b.to);
  const commands = commonest(spans);
  const all: Ended = { count: 0, ms: 0 };
  const byCommand = new Map<string, Ended>();
  const features = spans.map(({ command, from }, accepted) => {
    // Only what had ended before is known; what has ended had been accepted.
    for (let next = byEnd[all.count]; next !== undefined && next.to < from; next = byEnd[all.count]) {
      const same = byCommand.get(next.command) ?? { count: 0, ms: 0 };
      byCommand.set(next.command, same);
      for (const sum of [all, same]) {
        sum.count += 1;
        sum.ms += next.to - next.from;
      }
    }
    const known = byCommand.get(command) ?? all;
    const typicalMs = known.count === 0 ? 0 : known.ms / known.count;
    return [...commands.map((each) => Number(each === command)), accepted - all.count, typicalMs];
  });
  const featureNames = [...commands.map((command) => `command:${command}`), "underWay", "typicalMs"];
  return { featureNames, features, labels: spans.map(({ from, to }) => to - from) };
}

function toSpan({ command, acceptedAt, endedAt }: ExecutionRecord): Span[] {
  const [from, to] = [Date.parse(acceptedAt), endedAt === undefined ? Number.NaN : Date.parse(endedAt)];
  return to >= from ? [{ command, from, to }] : [];
}

function commonest(spans: readonly Span[]): string[] {
  const counts = new Map<string, number>();
  for (const { command } of spans) counts.set(command, (counts.get(command) ?? 0) + 1);
  const ordered = [...counts].sort((a, b) => b[1] - a[1] || byText(a[0], b[0]));
  return ordered.slice(0, maxCommands).map(([command]) => command);
}
