import type { JsonValue } from "@viable/kernel";
import { sleep, untilSettled, ViableError } from "@viable/kernel";
import type { AgentContext } from "../agent.ts";
import { contextOf } from "../context-of.ts";
import type { DelegateOutcome } from "../delegation.ts";
import type { DecideNext, MemberState, PlanDefinition, PlanMember } from "./plan.ts";
import { mistakeOf, toResult } from "./plan-outcome.ts";

/** So much of its time a plan keeps back from its members, to say what came of one that takes all it is given. In milliseconds. */
const maxReserveMs = 1_000;
/** How often a member is asked for again while the database is away, in milliseconds. */
const askAgainMs = 1_000;

/**
 * Carries out a plan within an agent's task: asks `decideNext`, delegates what is to begin, and ends as that says.
 *
 * It keeps nothing: begun again after a crash it asks for the same members, of which each has the outcome that was recorded, or goes on.
 * What is under way when it ends is cancelled with the end of its task, by the intake, as all that a task leaves behind.
 */
export async function carryOutPlan<Plan extends PlanDefinition>(
  plan: Plan,
  decideNext: DecideNext<Plan>,
  ctx: AgentContext,
  input: unknown,
): Promise<JsonValue> {
  const { clock } = ctx.runtime;
  const members: MemberState[] = plan.members.map(() => "unbegun");
  let over = false;
  let failure: { readonly error: unknown } | undefined;
  let begunMs = clock.monotonicMs();
  let wake = () => {};

  const begin = (index: number): void => {
    const member = plan.members[index] as PlanMember;
    const args = argsOf(plan, members, index, input);
    members[index] = "begun";
    begunMs = clock.monotonicMs();
    delegateTo(ctx, member, index, args, () => over).then(
      (outcome) => {
        members[index] = outcome;
        wake();
      },
      (error) => {
        failure ??= { error };
        wake();
      },
    );
  };
  const decide = () => {
    try {
      return decideNext(plan, { input, members, sinceBegunMs: clock.monotonicMs() - begunMs });
    } catch (error) {
      throw mistakeOf(plan, members, "what combines or settles the results", error);
    }
  };

  try {
    for (;;) {
      if (failure !== undefined) throw failure.error;
      const decision = decide();
      if (decision.end !== undefined) return toResult(plan, members, decision.end);
      for (const index of decision.begin) begin(index);
      if (decision.begin.length > 0) continue;
      await untilSettled(contextOf(ctx), (resolve) => {
        wake = resolve;
        const { lookAgainMs } = decision;
        const timer =
          lookAgainMs === undefined ? undefined : clock.setTimer(resolve, lookAgainMs, { background: true });
        return () => timer?.cancel();
      });
    }
  } finally {
    over = true;
  }
}

/** Has one member do its part. The database may be away for a while: asked again, it is the same task. */
async function delegateTo(
  ctx: AgentContext,
  { capability, service, timeoutMs }: PlanMember,
  index: number,
  args: JsonValue,
  isOver: () => boolean,
): Promise<DelegateOutcome> {
  for (;;) {
    const leftMs = ctx.deadline - ctx.runtime.clock.now();
    const options = {
      key: `plan/${index}`,
      timeoutMs: Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, leftMs - Math.min(maxReserveMs, leftMs / 10)),
      ...(service !== undefined && { service }),
    };
    try {
      return await ctx.delegate(capability, args, options);
    } catch (error) {
      if (ctx.signal.aborted || !(error instanceof ViableError && error.retryable)) throw error;
      await sleep(contextOf(ctx), askAgainMs);
      // The plan may have ended without it.
      if (isOver()) throw error;
    }
  }
}

/** What a member is asked: what its function says, or in a sequence what the one before it returned, or the plan's input. */
function argsOf(plan: PlanDefinition, members: readonly MemberState[], index: number, input: unknown): JsonValue {
  const results = plan.kind === "sequence" ? members.slice(0, index).map(resultOf) : [];
  const { name, args } = plan.members[index] as PlanMember;
  if (args === undefined) return results.length > 0 ? (results.at(-1) ?? null) : (input as JsonValue);
  try {
    return args(input as never, results);
  } catch (error) {
    throw mistakeOf(plan, members, `what makes the arguments of ${name}`, error);
  }
}

const resultOf = (state: MemberState): JsonValue => (typeof state === "object" && state.ok ? state.result : null);
