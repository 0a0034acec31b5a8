import type { Client } from "@viable/client";
import type { JsonValue, Runtime } from "@viable/kernel";
import { rootContext, sleep, ViableError } from "@viable/kernel";
import type { EventView, RunView } from "@viable/protocol";
import { isAbsent } from "./look-up.ts";
import { toPlainLine } from "./plain-text.ts";
import { tellCause, tellError } from "./tell-error.ts";

export interface FollowRunOptions {
  readonly runId: string;
  /** Ends the following, not the run. */
  readonly signal: AbortSignal;
  /** Told of each event of the run. */
  onEvent?(event: EventView): void;
  /** Told where a person is asked for, or may be and nobody can tell, in the run or in what it is composed of; of each place once. */
  onNeeded(line: string): void;
}

/**
 * What composed runs ask for is not among the events of the run around them, nor that only persons are left: it is found by looking
 * this often, in milliseconds.
 */
const lookEveryMs = 1_000;
/** How deep composed runs are looked into. */
const maxDepth = 16;

/**
 * Follows a run, as `watchRun` does it, to its end or until the signal. With `untilNeeded`, also until nothing is known to go on without a
 * person: what may be done twice leaves no trace until it has an outcome, so a step may be at work beside what the run waits for. Answers why
 * it has stopped. Whether the gateway is lost is the feed's to say; a look that fails is made up for by the next. Where a run cannot be looked at
 * and that does not pass, as one whose events cannot be read, `onNeeded` is told so, and it is taken to go on; where there is none
 * of that id, this fails as the gateway does.
 */
export async function followRun(
  runtime: Runtime,
  client: Client,
  { untilNeeded = false, ...options }: FollowRunOptions & { readonly untilNeeded?: boolean },
): Promise<"ended" | "interrupted" | "needs_person"> {
  const { runId } = options;
  const done = new AbortController();
  const signal = AbortSignal.any([options.signal, done.signal]);
  const told = new Set<string>();
  const look = async (): Promise<boolean> => {
    const needed = await findNeeded(client, runId).catch((error) => {
      if (passes(error)) return undefined;
      throw error;
    });
    if (needed === undefined || signal.aborted) return false;
    for (const line of needed.lines) {
      if (!told.has(line)) options.onNeeded(line);
      told.add(line);
    }
    return untilNeeded && needed.isAll;
  };
  const lookAgain = async (): Promise<"interrupted" | "needs_person"> => {
    const ctx = rootContext(runtime, { signal });
    while (!signal.aborted) {
      if (await look()) return "needs_person";
      await sleep(ctx, lookEveryMs).catch(() => undefined);
    }
    return "interrupted";
  };
  const readFeed = async (): Promise<"ended" | "interrupted" | "needs_person"> => {
    for await (const event of client.watchRun(runId, { signal })) {
      options.onEvent?.(event);
      if (mayNeedSomebody(event) && (await look())) return "needs_person";
    }
    return signal.aborted ? "interrupted" : "ended";
  };
  try {
    return await Promise.race([readFeed(), lookAgain()]);
  } finally {
    done.abort();
  }
}

/** Where a person is asked for, in a run or in what it is composed of; and whether nothing is known to go on without one. */
interface Needed {
  readonly lines: readonly string[];
  readonly isAll: boolean;
}

/** Whether what a look failed with may be gone at the next. */
const passes = (error: unknown): boolean => error instanceof ViableError && error.retryable;

/** Whether a step begins to wait for a person, or for a run in which one may be asked; or the run stands still. */
function mayNeedSomebody({ type, data }: EventView): boolean {
  if (type === "run.needs_review" || type === "run.parked") return true;
  const wait = type === "step.waiting" ? (data.wait as { readonly for?: JsonValue } | undefined) : undefined;
  return wait?.for === "approval" || wait?.for === "run";
}

async function findNeeded(client: Client, id: string, depth = 0): Promise<Needed> {
  let view: RunView;
  try {
    view = await client.run(id);
  } catch (error) {
    const isNone = depth === 0 && isAbsent(error);
    if (!(error instanceof ViableError) || passes(error) || isNone) throw error;
    const why = toPlainLine(`${error.message} [${error.code}]`);
    return { lines: [`Whether ${id} needs a person cannot be told: ${why}`], isAll: false };
  }
  const { runId, status, review, parked, cause, waitsFor } = view;
  if (status === "needs_review" && review !== undefined) {
    const answer = `viable reactors resume ${runId} --review-version ${review.version} --decision retry|done|failed`;
    const error = review.error === undefined ? "" : `: ${tellError(review.error)}`;
    const lines = [
      `${runId} needs a person at ${review.step}: ${review.reason}${error}`,
      ...(cause === undefined ? [] : [`It is undone, since ${tellCause(cause)}`]),
      `Say how it goes on: ${answer}`,
    ];
    return { lines: [lines.map(toPlainLine).join("\n")], isAll: true };
  }
  if (status === "parked")
    return {
      lines: [`${runId} is parked: ${toPlainLine(parked ?? "")}\nIt goes on once that is mended.`],
      isAll: true,
    };
  if (status !== "waiting") return { lines: [], isAll: false };
  const found = await Promise.all(
    waitsFor.map(async ({ step, wait }): Promise<Needed> => {
      if (wait.for === "approval") {
        const next = `Decide: viable approvals decide ${wait.approvalId} yes|no`;
        const asked = toPlainLine(`${runId} waits for a person at ${step}: ${wait.title}`);
        return { lines: [`${asked}\n${next}`], isAll: true };
      }
      if (wait.for !== "run" || depth >= maxDepth) return { lines: [], isAll: false };
      return await findNeeded(client, wait.runId, depth + 1);
    }),
  );
  return { lines: found.flatMap(({ lines }) => lines), isAll: found.length > 0 && found.every(({ isAll }) => isAll) };
}
