import { rootContext, sleep } from "@viable/kernel";
import type { AgentContext, JsonObject, JsonValue } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { delegateOnce, type TaskError, type TaskOutcome, withoutCause } from "../delegate-once.ts";
import { createResultRoom } from "../result-room.ts";
import { describeStanding, hasEnded, type RunStanding, standingOf, startAnswer } from "../run-standing.ts";

/** In milliseconds: a run may take days; who asks for it is told before that how it stands, and can follow it. */
const timeoutMs = 2 * 3_600_000;
/** The first turn, in milliseconds: a short run is answered soon, and of a long one soon is told what it waits for. Each next takes twice as long. */
const firstTurnMs = 2_000;
/** The longest turn, in milliseconds: as long as the command that waits may take. */
const longestTurnMs = 60_000;
/** Each turn is an execution of its own in the log. Enough for `timeoutMs`, also where a caller gives more time. */
const maxTurns = 150;
/** How long before its own deadline it answers, in milliseconds: the last turn must be recorded before. */
const answerBeforeMs = 1_000;
/** A shorter turn hears nothing, in milliseconds. */
const shortestTurnMs = 1_000;

const runInput = z.strictObject({
  reactor: z.string().min(1).max(200).describe("The reactor, by its name"),
  input: z.json().default({}).describe("What its input schema asks for"),
});

/** Begins a run of a reactor and waits for it in turns, between which it tells how the run stands. */
export const reactorRunner = agent({
  name: "reactor-runner",
  capability: "reactor_execution",
  description: "Runs a reactor of the system, tells what its run waits for, and answers its result, or how it goes on",
  input: runInput,
  timeoutMs,
  async handle(ctx, { reactor, input }) {
    const begun = await startOrFollow(ctx, { reactor, input }, { key: "begin", wait: false });
    // One that has no outcome in time may have begun the run: the first turn finds it, or begins it.
    if (begun.error !== undefined && begun.status !== "timed_out") return refusedBy(reactor, begun.error);
    let standing = heardFrom(begun);
    tell(ctx, standing, begun.error);
    for (let turn = 1; turn <= maxTurns; turn++) {
      const leftMs = ctx.deadline - answerBeforeMs - ctx.runtime.clock.now();
      if (leftMs < shortestTurnMs) return goesOn(reactor, standing, "no time is left");
      const turnMs = Math.min(firstTurnMs * 2 ** (turn - 1), longestTurnMs, leftMs);
      const beganMs = ctx.runtime.clock.monotonicMs();
      // After a crash turns are made anew: what an earlier one heard is old by then. The run is found by its key.
      const key = `attempt ${ctx.attempt} turn ${turn}`;
      const outcome = await startOrFollow(ctx, { reactor, input }, { key, wait: true, timeoutMs: turnMs });
      if (outcome.error !== undefined && !mayPass(outcome))
        return standing === undefined
          ? refusedBy(reactor, outcome.error)
          : goesOn(reactor, standing, "it cannot be followed from here", outcome.error);
      const heard = heardFrom(outcome);
      if (heard !== undefined && hasEnded(heard)) return endedAs(reactor, heard);
      standing = heard ?? standing;
      tell(ctx, standing, outcome.error);
      await restOfTurn(ctx, turnMs, ctx.runtime.clock.monotonicMs() - beganMs);
    }
    return goesOn(reactor, standing, `it has looked ${maxTurns} times`);
  },
});

/** Begins the run, or finds the one that was begun: its key is this execution's, whichever attempt asks. */
async function startOrFollow(
  ctx: AgentContext,
  { reactor, input }: z.output<typeof runInput>,
  { wait, ...settings }: { readonly key: string; readonly wait: boolean; readonly timeoutMs?: number },
): Promise<TaskOutcome> {
  const args = { reactor, input: input as JsonValue, key: `reactor-runner ${ctx.executionId}`, wait };
  return await delegateOnce(ctx, "reactor.start", args, settings);
}

/** How the run stands by what a turn came to; undefined where nothing was heard. */
const heardFrom = ({ error, result }: TaskOutcome): RunStanding | undefined =>
  error === undefined ? startAnswer.parse(result) : undefined;

/** Tells how the run stands, as far as is known, and why it could not be looked at now. */
function tell(ctx: AgentContext, standing: RunStanding | undefined, error: TaskError | undefined): void {
  const { percent, message } =
    standing === undefined ? { percent: 0, message: "Nothing is known of a run yet" } : describeStanding(standing);
  ctx.progress(percent, error === undefined ? message : `${message} (not looked at now: ${error.message})`);
}

/** Whether the next turn may hear what this one did not. */
const mayPass = ({ status, error }: TaskOutcome): boolean => status === "timed_out" || error?.retryable === true;

/** Where too many wait for runs, or nobody can be asked, a turn is over at once: it takes its time all the same, so that turns stay few. */
async function restOfTurn(ctx: AgentContext, turnMs: number, tookMs: number): Promise<void> {
  if (tookMs >= turnMs / 2) return;
  await sleep(rootContext(ctx.runtime, { tenant: ctx.tenant, signal: ctx.signal }), turnMs - tookMs);
}

/** The answer where the run has its outcome. */
function endedAs(reactor: string, { runId, status, result, omitted, error }: RunStanding): JsonObject {
  const { truncated, place } = createResultRoom();
  return {
    reactor,
    ok: status === "completed",
    ...place({
      runId,
      ...(status !== undefined && { status }),
      ...(result !== undefined && { result: result as JsonValue }),
      ...(error !== undefined && { error: withoutCause(error) }),
    }),
    truncated: omitted === undefined ? truncated : { ...truncated, results: 1 },
  };
}

/** The answer where no run has begun, or nothing is known of one. */
const refusedBy = (reactor: string, error: TaskError): JsonObject => ({ reactor, ok: false, error, truncated: {} });

/** The answer where the run outlives its being waited for. */
function goesOn(reactor: string, standing: RunStanding | undefined, ended: string, error?: TaskError): JsonObject {
  return {
    reactor,
    ok: false,
    ...(standing !== undefined && { runId: standing.runId, ...standingOf(standing) }),
    ...(error !== undefined && { error }),
    ended,
    next: nextStep(reactor, standing, error),
    truncated: {},
  };
}

function nextStep(reactor: string, standing: RunStanding | undefined, error: TaskError | undefined): string {
  if (standing === undefined)
    return `Whether a run has begun is not known. Look: viable reactors runs --reactor ${reactor}`;
  // What cannot be followed may have ended.
  if (error !== undefined) return `Look how it stands: viable reactors show ${standing.runId}`;
  return `The run goes on. Follow it: viable reactors watch ${standing.runId}`;
}
