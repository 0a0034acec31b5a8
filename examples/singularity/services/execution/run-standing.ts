import { isEndedRun, type RunWaitView, runView } from "@viable/protocol";
import type { JsonObject, JsonValue } from "viable";
import { z } from "zod";

/** Waits named in the progress: it is one line. */
const maxNamed = 3;
/** Characters of a title or a reason in the progress. */
const maxWordsChars = 120;

/** What `reactor.start` answers of a run: which it is, and where it waited, how it stands. */
export const startAnswer = z.object({
  runId: z.string(),
  status: runView.shape.status.optional(),
  result: z.json().optional(),
  /** There where the result is too large for that answer. */
  omitted: z.array(z.literal("result")).optional(),
  error: runView.shape.error,
  waitsFor: runView.shape.waitsFor.optional(),
  review: runView.shape.review,
  parked: runView.shape.parked,
  counts: runView.shape.counts.optional(),
});

/** How a run stands, as far as the last turn told. */
export type RunStanding = z.output<typeof startAnswer>;

/** Whether the run has its outcome. */
export const hasEnded = ({ status }: RunStanding): boolean => status !== undefined && isEndedRun(status);

/** How a run that goes on stands, as an answer holds it. */
export function standingOf({ status, waitsFor, review, parked }: RunStanding): JsonObject {
  return {
    ...(status !== undefined && { status }),
    ...(waitsFor !== undefined && { waitsFor: waitsFor as unknown as JsonValue }),
    ...(review !== undefined && { review: review as unknown as JsonValue }),
    ...(parked !== undefined && { parked }),
  };
}

const openStatuses: ReadonlySet<string> = new Set(["running", "waiting", "retrying", "needs_review"]);

/**
 * How far a run is: a percentage, and a line of what it waits for. The percentage is of the steps that were heard of, of which one at least is
 * taken to be ahead: how many are to come nobody knows.
 */
export function describeStanding({ runId, status, waitsFor = [], review, parked, counts = {} }: RunStanding): {
  readonly percent: number;
  readonly message: string;
} {
  const sum = (of: (status: string) => boolean) =>
    Object.entries(counts).reduce((total, [each, count]) => total + (of(each) ? count : 0), 0);
  const open = sum((each) => openStatuses.has(each));
  const behind = sum((each) => !openStatuses.has(each));
  const named = waitsFor.slice(0, maxNamed).map(({ step, wait }) => `${step} ${describeWait(wait)}`);
  const more = waitsFor.length > maxNamed ? [`${waitsFor.length - maxNamed} more wait`] : [];
  const needed =
    review === undefined ? [] : [`${review.step} needs a person (${review.during}): ${shorten(review.reason)}`];
  const held = parked === undefined ? [] : [`parked: ${shorten(parked)}`];
  return {
    percent: Math.floor((99 * behind) / (behind + Math.max(1, open))),
    message: [`${runId} ${status ?? "has begun"}`, `steps done: ${behind}`, ...needed, ...held, ...named, ...more].join(
      "; ",
    ),
  };
}

function describeWait(wait: RunWaitView): string {
  switch (wait.for) {
    case "time":
      return `sleeps until ${wait.untilAt}`;
    case "event":
      return `waits for the event "${shorten(wait.event)}" (${shorten(wait.key)})`;
    case "approval":
      return `asks for ${wait.approvalId}: ${shorten(wait.title)}`;
    case "run":
      return `waits for ${wait.runId}`;
  }
}

const shorten = (words: string): string => (words.length > maxWordsChars ? `${words.slice(0, maxWordsChars)}…` : words);
