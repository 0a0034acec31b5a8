import { createHash } from "node:crypto";
import type { Context, JsonValue } from "@viable/kernel";
import { canonicalJson, codeOf, idFromDigest, invariant, isId, ViableError, withContext } from "@viable/kernel";
import type { Log, Position } from "@viable/log";
import { isEndedRun, reviewDecision } from "@viable/protocol";
import type { ApprovalStep, Begun, Directed, Reactors } from "@viable/reactors";
import { findDecision, isReservedKey, originOfRun, readRunView, runNotFound } from "@viable/reactors";
import type { AgentContext, AgentDefinition } from "@viable/swarm";
import { agent, contextOf, executionStream } from "@viable/swarm";
import { z } from "zod";
import type { CommandApprovalSources } from "./command-approvals.ts";
import { decideCommand } from "./command-approvals.ts";

/** What the commands about runs need to know of the system; asked when a command runs, since the system is put together after them. */
export interface ReactorSources {
  log(): Log;
  reactors(): Reactors;
  /** What to decide on of commands that wait for a person. */
  readonly approvals: CommandApprovalSources;
}

/** How long before its own deadline a command that waits for a run answers how that stands, in milliseconds. */
const answerBeforeMs = 500;
/** How many commands may wait for runs at the same time in a process: each holds a worker of the built-in swarm, and those that help runs on need one. */
const maxWaiting = 2;
/** A run may come to as much as a command may answer (4 MiB, in characters of JSON), and an answer says more than that: this much is left for it. */
const maxAnsweredResultChars = 4 * 1024 * 1024 - 1_000;

const runId = z.string().min(1).max(100).describe("The run");
const why = z.string().min(1).max(500);

/**
 * Commands that begin runs of reactors, end them, take them back, and help them on. Whoever has a session's own token orders what its views
 * show of runs: those of its session. Any other run it is told of as one that is not there.
 */
export function reactorCommands({ log, reactors, approvals }: ReactorSources): AgentDefinition[] {
  let waiting = 0;
  /** Whether there was room to wait; not, whether it has ended. */
  const waitForEnd = async (ctx: AgentContext, run: string): Promise<boolean> => {
    if (waiting >= maxWaiting) return false;
    waiting += 1;
    const deadline = Math.max(ctx.runtime.clock.now(), ctx.deadline - answerBeforeMs);
    try {
      await reactors().whenEnded(withContext(contextOf(ctx), { deadline }), run);
    } catch (error) {
      if (codeOf(error) !== "context.deadline_exceeded") throw error;
    } finally {
      waiting -= 1;
    }
    return true;
  };
  const mayOrder = async (ctx: AgentContext, run: string): Promise<boolean> => {
    const { isSessionToken, sessionId } = ctx.authority;
    if (isSessionToken !== true) return true;
    const origin = await originOfRun(contextOf(ctx), log(), run);
    return origin !== undefined && origin.session === sessionId;
  };
  const requireRun = async (ctx: AgentContext, run: string): Promise<void> => {
    if (!(await mayOrder(ctx, run))) throw runNotFound(run);
  };
  return [
    agent({
      name: "reactor-start",
      capability: "reactor.start",
      description: `Begins a run of a reactor; with \`wait\`, also waits for its end, as long as the command may take. ${maxWaiting} wait in a process at a time; any further one is answered at once, with \`waited: false\`.`,
      input: z.strictObject({
        reactor: z.string().min(1).max(200).describe("The reactor, by its name"),
        input: z.json().default({}).describe("What its input schema asks for"),
        key: z.string().min(1).max(200).optional().describe("Another start under the same key finds this run"),
        wait: z
          .boolean()
          .default(false)
          .describe("Answer when it has ended, or how it stands when the time is up, or too many wait here"),
      }),
      handle: async (ctx, { reactor, input, key, wait }) => {
        if (key !== undefined && isReservedKey(key))
          throw new ViableError(
            "reactor.key_reserved",
            `Runs under "${key}" are a schedule's, a process manager's or a task's.`,
            {
              next: "Take another key: one that does not begin with schedule:, process: or task:.",
            },
          );
        // Without a key it is the command's. Begun anew after a crash, the command finds the run that it had begun by its cause.
        const options = { ...causeOf(ctx), key: key ?? ctx.executionId };
        const outcome = await reactors().begin(contextOf(ctx), reactor, input, options);
        // Of another session's run it is not told either whether the input is the same.
        const first = outcome.ok ? (outcome.repeated ? outcome.runId : undefined) : outcome.first?.runId;
        if (first !== undefined && !(await mayOrder(ctx, first)))
          throw new ViableError("reactor.key_taken", "This key was used for a run of another session.", {
            next: "Take another key, or begin it with a token that opens both sessions.",
          });
        const begun = orThrow(outcome);
        const answer = { runId: begun.runId, repeated: begun.repeated };
        if (!wait) return answer;
        const waited = await waitForEnd(ctx, begun.runId);
        return { ...answer, ...(!waited && { waited }), ...(await outcomeOf(contextOf(ctx), log(), begun.runId)) };
      },
    }),
    agent({
      name: "reactor-fork",
      capability: "reactor.fork",
      description: "Begins a run that repeats one that has ended from one of its outermost steps on.",
      input: z.strictObject({
        runId,
        from: z.string().min(1).max(100).describe("The step that is done again, with all that comes after it"),
        input: z.json().optional().describe("Another input; else the run's own"),
      }),
      handle: async (ctx, { runId: id, from, input }) => {
        await requireRun(ctx, id);
        const options = { ...causeOf(ctx), from, key: ctx.executionId, ...(input !== undefined && { input }) };
        return { runId: orThrow(await reactors().fork(contextOf(ctx), id, options)).runId };
      },
    }),
    agent({
      name: "reactor-cancel",
      capability: "reactor.cancel",
      description: "Ends a run that has not ended, and undoes what it did.",
      input: z.strictObject({ runId, reason: why }),
      handle: async (ctx, { runId: id, reason }) => {
        await requireRun(ctx, id);
        return directed(id, await reactors().cancel(contextOf(ctx), id, reason, orderOf(ctx, id)));
      },
    }),
    agent({
      name: "reactor-undo",
      capability: "reactor.undo",
      description: "Undoes a run that has completed, where its reactor is reversible.",
      // It takes back what others may rely on by now.
      risk: "high",
      input: z.strictObject({ runId, reason: why }),
      handle: async (ctx, { runId: id, reason }) => {
        await requireRun(ctx, id);
        return directed(id, await reactors().undo(contextOf(ctx), id, reason, orderOf(ctx, id)));
      },
    }),
    agent({
      name: "reactor-resume",
      capability: "reactor.resume",
      description:
        "Says how a run goes on that needs a person: do the step again, take it as done, or take it as failed (of an undo: leave it).",
      // What it says is believed, and nobody can find out whether it is so.
      risk: "high",
      input: z.strictObject({
        runId,
        decision: reviewDecision,
        result: z.json().optional().describe("What the step came to, where it is taken as done"),
        reason: why.optional(),
        step: z.string().min(1).max(1_000).optional().describe("Only if it asks about this step"),
        reviewVersion: z.int().min(1).optional().describe("Only if it asks by this event, as its view says"),
      }),
      handle: async (ctx, { runId: id, decision, result, reason, step, reviewVersion }) => {
        requirePerson(ctx, "reactor.not_a_person", "An agent says how no run goes on", "viable reactors resume");
        await requireRun(ctx, id);
        const review = {
          decision,
          ...(result !== undefined && { result }),
          ...(reason !== undefined && { reason }),
          ...(step !== undefined && { step }),
          ...(reviewVersion !== undefined && { reviewVersion }),
        };
        return directed(id, await reactors().review(contextOf(ctx), id, review, orderOf(ctx, id)));
      },
    }),
    agent({
      name: "reactor-send",
      capability: "reactor.send",
      description: "Hands something over to the runs that wait for this event and key, now or later.",
      input: z.strictObject({
        event: z.string().min(1).max(100),
        key: z.string().min(1).max(200),
        payload: z.json().default(null),
        id: z.string().min(1).max(200).optional().describe("A second send under the same id is the first"),
      }),
      handle: async (ctx, { event, key, payload, id }) => {
        // A step that waits under no key of its own waits under its run's id: that is the run's alone. Other keys are the tenant's.
        if (isId("run", key)) await requireRun(ctx, key);
        const scope = [ctx.tenant, event, key, id ?? ctx.executionId];
        await reactors().send(contextOf(ctx), event, key, payload, { id: eventIdFor(scope) });
        return { event, key };
      },
    }),
    agent({
      name: "approval-decide",
      capability: "approval.decide",
      description:
        "Decides what a person is asked for: by a step of a run, or by a command that waits for an approval.",
      input: z.strictObject({
        approvalId: z.string().min(1).max(100).describe("The approval"),
        decision: z.enum(["approved", "rejected"]),
        reason: why.optional(),
      }),
      handle: async (ctx, { approvalId, decision, reason }) => {
        requirePerson(ctx, "approval.not_a_person", "An agent decides no approval", "viable approvals decide");
        const callCtx = contextOf(ctx);
        const command = await decideCommand(ctx, approvals, approvalId, { decision, reason });
        if (command !== undefined) return command;
        const asking = reactors().runAskingFor(callCtx, approvalId);
        const said = { decision, ...(reason !== undefined && { reason }) };
        const order = orderOf(ctx, approvalId);
        const answer = ({ runId: id, step }: ApprovalStep): JsonValue => ({ approvalId, decision, runId: id, step });
        let refusal = notAsked(approvalId);
        if (asking !== undefined && (await mayOrder(ctx, asking))) {
          const outcome = await reactors().decide(callCtx, approvalId, said, order);
          if (outcome.ok) return answer(outcome);
          refusal = orderRefused(asking, outcome.reason);
        }
        // It may be refused since this very command has decided it, before a crash.
        const since = await acceptedAt(callCtx, log(), ctx.executionId);
        const decided = await findDecision(callCtx, log(), approvalId, { ...order, since });
        if (decided === undefined) throw refusal;
        return answer(decided);
      },
    }),
  ];
}

/** What a person is asked for, no agent answers, in whosever name it acts. */
function requirePerson({ authority }: AgentContext, code: string, what: string, verb: string): void {
  if (authority.clientType === "agent")
    throw new ViableError(code, `${what}: a person is asked for.`, { next: `Let a client say it: ${verb}.` });
}

function directed(id: string, outcome: Directed): JsonValue {
  if (outcome.ok) return { runId: id };
  throw orderRefused(id, outcome.reason);
}

const orderRefused = (id: string, reason: string): ViableError =>
  new ViableError("reactor.order_refused", `${id} does not take this: ${reason}`, {
    next: `Look how it stands: viable reactors show ${id}`,
  });

const notAsked = (approvalId: string): ViableError =>
  new ViableError(
    "approval.not_found",
    `Nobody waits for ${approvalId}: it was decided, its time is up, or its run has ended.`,
    {
      next: "Look what is asked for: viable approvals list",
    },
  );

async function outcomeOf(ctx: Context, log: Log, id: string): Promise<{ [name: string]: JsonValue }> {
  const view = await readRunView(ctx, log, id);
  if (view === undefined) throw runNotFound(id);
  const { status, result, error, waitsFor, review, parked, counts } = view;
  if (isEndedRun(status))
    return {
      status,
      ...(result !== undefined && (fitsAnswer(result) ? { result } : { omitted: ["result"] })),
      ...(error !== undefined && { error }),
    };
  return {
    status,
    counts,
    ...(waitsFor.length > 0 && { waitsFor }),
    ...(review !== undefined && { review }),
    ...(parked !== undefined && { parked }),
  };
}

/** A result that is left out of an answer is still with its run. */
const fitsAnswer = (result: JsonValue): boolean => JSON.stringify(result).length <= maxAnsweredResultChars;

/** An event's id that follows from what it is of, and from whose it is: no tenant meets another's. */
const eventIdFor = (scope: JsonValue): string =>
  idFromDigest("evt", createHash("sha256").update(canonicalJson(scope)).digest());

/** A command gives one order: done again after a crash, the command gives the same, which counts once. */
const orderOf = ({ tenant, executionId }: AgentContext, to: string) => ({ id: eventIdFor([tenant, to, executionId]) });

/** Where in the log a command was accepted: all that it has done stands after that. */
async function acceptedAt(ctx: Context, log: Log, executionId: string): Promise<Position> {
  const [accepted] = await log.readStream(ctx, executionStream(executionId), { limit: 1, decoding: "none" });
  invariant(accepted !== undefined, "W1", `${executionId} is done and was not accepted`);
  return accepted.position;
}

/** In whose name a run is begun is noted with its first event: what it may have done follows from it. */
const causeOf = (ctx: AgentContext) => ({ causation: ctx.executionId, session: ctx.authority.sessionId });

/** What a command fails with where no run begins. */
const refusals = {
  mismatch: { code: "reactor.mismatch", next: "Take another key, or the input that this one was used with." },
  overloaded: { code: "reactor.overloaded", next: "Send it again a little later." },
  not_ended: { code: "reactor.not_ended", next: "Fork it when it has ended, or cancel it first." },
  unknown_definition: {
    code: "reactor.unknown_definition",
    next: "List that definition in the config again, beside the newer one.",
  },
} as const;

function orThrow(begun: Begun): Begun & { ok: true } {
  if (begun.ok) return begun;
  const { code, next } = refusals[begun.reason];
  throw new ViableError(code, begun.message, { retryable: begun.retryAfterMs !== undefined, next });
}
