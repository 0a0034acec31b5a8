import type { Context } from "@viable/kernel";
import { backoffMs, seededRandom } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { ReviewDuring, RunEvent, RunEventData } from "@viable/protocol";
import { isToClear } from "./driver/clear-up.ts";
import { nextToUndo } from "./driver/undo-walk.ts";
import type { OpenNode } from "./open-node.ts";
import type { Progress } from "./progress.ts";
import { crashLoopBackoff, maxTakeoversWithoutOutcome, takeoversAtOnce } from "./run-bounds.ts";

/** How many steps a question to a person names, beside the one that it is about. */
const maxNamed = 10;

/**
 * The takeovers of a run since anything came of it. A step that takes its process down, as one that needs more memory than there is, leaves
 * nothing behind but these: the claims themselves are the count, and no try costs an append of its own.
 */
export class Takeovers {
  /** When each was, wall time in milliseconds; no more of them than are counted. */
  #claimedMs: number[] = [];

  /** Takes the run's next event into account. */
  note({ type }: RunEvent, timeMs: number): void {
    if (type === "run.claimed") {
      this.#claimedMs.push(timeMs);
      if (this.#claimedMs.length > maxTakeoversWithoutOutcome) this.#claimedMs.shift();
    }
    // That it was parked, or that something begins, is not what comes of it.
    else if (type !== "run.parked" && type !== "step.started") this.#claimedMs = [];
  }

  /** How many there were from that time on. */
  since(ms: number): number {
    return this.#claimedMs.filter((each) => each >= ms).length;
  }

  /** When the latest was: not always the last, since each process has a clock of its own. */
  get latestMs(): number {
    return Math.max(0, ...this.#claimedMs);
  }
}

/** What takeovers that nothing came of mean for the next one. */
export interface Suspicion {
  /** Before then (wall time in milliseconds) it is not to be taken. */
  readonly heldBackUntilMs: number;
  /** What a person is to be asked once it is taken, before anything of it is begun. */
  readonly review: RunEventData<"run.needs_review"> | undefined;
}

/** Something of a run whose function may be called, and from when on: wall time in milliseconds. */
interface Callable extends Pick<RunEventData<"run.needs_review">, "step" | "during" | "of"> {
  readonly fromMs: number;
}

/**
 * Whether a run may be one that takes down each process that has it; undefined where nothing says so. Only takeovers count at which something
 * of it could be called: one that waits for a time, an event, a person or another run is taken by any number of processes, and nothing
 * comes of that.
 */
export async function suspicionOf(
  ctx: Context,
  log: Log,
  progress: Progress,
  leftBehind: ReadonlySet<string>,
  takeovers: Takeovers,
): Promise<Suspicion | undefined> {
  if (takeovers.since(0) < takeoversAtOnce || progress.review !== undefined) return undefined;
  const { phase, deadline = Number.POSITIVE_INFINITY } = progress;
  const goesOn = phase === "going" && ctx.runtime.clock.now() < deadline;
  const callable = phase === "undoing" ? await undoOf(ctx, log, progress) : callableSteps(progress, goesOn, leftBehind);
  const earliestMs = callable.reduce((min, { fromMs }) => Math.min(min, fromMs), Number.POSITIVE_INFINITY);
  const count = takeovers.since(earliestMs);
  if (count < takeoversAtOnce) return undefined;
  // The next one is counted with those that were.
  const isLast = count + 1 >= maxTakeoversWithoutOutcome;
  if (isLast)
    return { heldBackUntilMs: 0, review: question(callable.filter(({ fromMs }) => fromMs <= takeovers.latestMs)) };
  const random = seededRandom(seedOf(progress.runId, progress.claim?.attempt ?? 0));
  const waitMs = backoffMs(crashLoopBackoff, count - takeoversAtOnce + 1, random) ?? 0;
  const untilMs = takeovers.latestMs + waitMs;
  // Once its time is up it begins nothing more, whoever takes it.
  return { heldBackUntilMs: goesOn ? Math.min(untilMs, deadline) : untilMs, review: undefined };
}

/** What of a run's steps may be called by whoever takes it: where it goes no further, only what is cleared up after. */
function callableSteps(progress: Progress, goesOn: boolean, leftBehind: ReadonlySet<string>): Callable[] {
  const callable: Callable[] = [];
  for (const node of progress.open.values()) {
    const during = calledDuring(node);
    if (during === undefined) continue;
    if (goesOn || isToClear({ leftBehind }, node))
      callable.push({ step: node.path, during, fromMs: node.retryAt ?? 0 });
  }
  return callable;
}

/** As what a function of a step is called next; undefined where none is, since it waits, or what is done about it calls none. */
function calledDuring({ todo, plan: { node } }: OpenNode): ReviewDuring | undefined {
  if (todo === "compensate") return "compensate";
  if (todo === "choose" || todo === "turn") return "run";
  return todo === "run" && (node.kind === "step" || node.kind === "task") ? "run" : undefined;
}

/** The undo that is next, where it is a function of a step: a composed run is undone by whoever has that. */
async function undoOf(ctx: Context, log: Log, progress: Progress): Promise<Callable[]> {
  const target = await nextToUndo(ctx, log, progress);
  if (target === undefined || target.plan.node.kind !== "step") return [];
  return [{ step: target.step, during: "undo", of: target.of, fromMs: progress.undo.retryAt ?? 0 }];
}

/** What a person is asked: about the first that could be called, since which of them it was left no trace. */
function question(callable: readonly Callable[]): RunEventData<"run.needs_review"> | undefined {
  const [first, ...others] = callable;
  if (first === undefined) return undefined;
  const { fromMs: _, ...asked } = first;
  const named = others
    .slice(0, maxNamed)
    .map(({ step }) => step)
    .join(", ");
  const more = others.length > maxNamed ? ` and ${others.length - maxNamed} more` : "";
  const beside = others.length === 0 ? "" : `; ${named}${more} could have been called too`;
  const times = `${maxTakeoversWithoutOutcome} times in a row`;
  const reason = `it was taken over ${times} and nothing came of it: it may be what takes its process down${beside}`;
  return { ...asked, reason };
}

/** One for all processes, so that none takes a run which the others leave alone, and another for each run and each takeover. */
function seedOf(runId: string, attempt: number): number {
  let seed = attempt;
  for (let at = 0; at < runId.length; at++) seed = (Math.imul(seed, 31) + runId.charCodeAt(at)) | 0;
  return seed;
}
