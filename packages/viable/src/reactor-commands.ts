import { createHash } from "node:crypto";
import type { Context, JsonValue } from "@viable/kernel";
import { canonicalJson, codeOf, rootContext, ViableError, withContext, writeBase32 } from "@viable/kernel";
import type { Log } from "@viable/log";
import { isEndedRun, reviewDecision } from "@viable/protocol";
import type { Begun, Directed, Reactors } from "@viable/reactors";
import { findApproval, readRunView } from "@viable/reactors";
import type { AgentContext, AgentDefinition } from "@viable/swarm";
import { agent } from "@viable/swarm";
import { z } from "zod";

/** What the commands about runs need to know of the system; asked when a command runs, since the system is put together after them. */
export interface ReactorSources {
  log(): Log;
  reactors(): Reactors;
}

/** How long before its own deadline a command that waits for a run answers how that stands, in milliseconds. */
const answerBeforeMs = 500;
/** How many commands may wait for runs at the same time: each holds a worker of the built-in swarm, and those that help runs on need one. */
const maxWaiting = 2;
/** A run may come to as much as a command may answer (4 MiB, in characters of JSON), and an answer says more than that: this much is left for it. */
const maxAnsweredResultChars = 4 * 1024 * 1024 - 1_000;

const runId = z.string().min(1).max(100).describe("The run");
const why = z.string().min(1).max(500);

/** Commands that begin runs of reactors, end them, take them back, and help them on. */
export function reactorCommands({ log, reactors }: ReactorSources): AgentDefinition[] {
  let waiting = 0;
  const waitForEnd = async (ctx: AgentContext, run: string): Promise<void> => {
    if (waiting >= maxWaiting) return;
    waiting += 1;
    const deadline = Math.max(ctx.runtime.clock.now(), ctx.deadline - answerBeforeMs);
    try {
      await reactors().whenEnded(withContext(contextOf(ctx), { deadline }), run);
    } catch (error) {
      if (codeOf(error) !== "context.deadline_exceeded") throw error;
    } finally {
      waiting -= 1;
    }
  };
  return [
    agent({
      name: "reactor-start",
      capability: "reactor.start",
      description: "Begins a run of a reactor; with `wait`, also waits for its end, as long as the command may take.",
      input: z.strictObject({
        reactor: z.string().min(1).max(200).describe("The reactor, by its name"),
        input: z.json().default({}).describe("What its input schema asks for"),
        key: z.string().min(1).max(200).optional().describe("Another start under the same key finds this run"),
        wait: z.boolean().default(false).describe("Answer when it has ended, or how it stands when the time is up"),
      }),
      handle: async (ctx, { reactor, input, key, wait }) => {
        // Without a key it is the command's: begun anew after a crash, the command finds the run that it had begun.
        const options = { ...causeOf(ctx), key: key ?? ctx.executionId };
        const begun = orThrow(await reactors().begin(contextOf(ctx), reactor, input, options));
        const answer = { runId: begun.runId, repeated: key !== undefined && begun.repeated };
        if (!wait) return answer;
        await waitForEnd(ctx, begun.runId);
        return { ...answer, ...(await outcomeOf(contextOf(ctx), log(), begun.runId)) };
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
        const options = { ...causeOf(ctx), from, key: ctx.executionId, ...(input !== undefined && { input }) };
        return { runId: orThrow(await reactors().fork(contextOf(ctx), id, options)).runId };
      },
    }),
    agent({
      name: "reactor-cancel",
      capability: "reactor.cancel",
      description: "Ends a run that has not ended, and undoes what it did.",
      input: z.strictObject({ runId, reason: why }),
      handle: async (ctx, { runId: id, reason }) => directed(id, await reactors().cancel(contextOf(ctx), id, reason)),
    }),
    agent({
      name: "reactor-undo",
      capability: "reactor.undo",
      description: "Undoes a run that has completed, where its reactor is reversible.",
      // It takes back what others may rely on by now.
      risk: "high",
      input: z.strictObject({ runId, reason: why }),
      handle: async (ctx, { runId: id, reason }) => directed(id, await reactors().undo(contextOf(ctx), id, reason)),
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
      }),
      handle: async (ctx, { runId: id, decision, result, reason }) => {
        const review = {
          decision,
          ...(result !== undefined && { result: result as JsonValue }),
          ...(reason !== undefined && { reason }),
        };
        return directed(id, await reactors().review(contextOf(ctx), id, review));
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
        const scope = [ctx.tenant, event, key, id ?? ctx.executionId];
        await reactors().send(contextOf(ctx), event, key, payload as JsonValue, { id: eventIdFor(scope) });
        return { event, key };
      },
    }),
    agent({
      name: "approval-decide",
      capability: "approval.decide",
      description: "Decides what a step of a run asks a person for.",
      input: z.strictObject({
        approvalId: z.string().min(1).max(100).describe("The approval"),
        decision: z.enum(["approved", "rejected"]),
        reason: why.optional(),
      }),
      handle: async (ctx, { approvalId, decision, reason }) => {
        if (ctx.authority.clientType === "agent")
          throw new ViableError("approval.not_a_person", "An agent decides no approval: a person is asked for.", {
            next: "Let a client decide it: viable approvals decide.",
          });
        const callCtx = contextOf(ctx);
        const asked = await findApproval(callCtx, log(), reactors().openRuns(callCtx), approvalId);
        if (asked === undefined) throw notAsked(approvalId);
        const said = { decision, ...(reason !== undefined && { reason }) };
        const outcome = await reactors().decide(callCtx, approvalId, said);
        if (!outcome.ok) throw notAsked(approvalId);
        return { approvalId, decision, runId: asked.runId, step: asked.step };
      },
    }),
  ];
}

const contextOf = ({ runtime, tenant, principal, signal }: AgentContext): Context =>
  rootContext(runtime, { tenant, principal, signal });

function directed(id: string, outcome: Directed): JsonValue {
  if (outcome.ok) return { runId: id };
  throw new ViableError("reactor.order_refused", `${id} does not take this: ${outcome.reason}`, {
    next: `Look how it stands: viable reactors show ${id}`,
  });
}

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
  if (view === undefined) throw new ViableError("reactor.run_not_found", `There is no run ${id}.`);
  const { status, result, error, waitsFor, review, parked, counts } = view;
  if (isEndedRun(status))
    return {
      status,
      ...(result !== undefined && (fitsAnswer(result) ? { result } : { omitted: ["result"] })),
      ...(error !== undefined && { error: error as unknown as JsonValue }),
    };
  return {
    status,
    counts: counts as { [name: string]: JsonValue },
    ...(waitsFor.length > 0 && { waitsFor: waitsFor as unknown as JsonValue }),
    ...(review !== undefined && { review: review as unknown as JsonValue }),
    ...(parked !== undefined && { parked }),
  };
}

/** A result that is left out of an answer is still with its run. */
const fitsAnswer = (result: JsonValue): boolean => JSON.stringify(result).length <= maxAnsweredResultChars;

/** An event's id that follows from what it is of, and from whose it is: no tenant meets another's. */
function eventIdFor(scope: JsonValue): string {
  const digest = createHash("sha256").update(canonicalJson(scope)).digest();
  const word = (index: number) => digest.readUInt32BE(index * 4);
  return `evt_${writeBase32([word(0), word(1), word(2), word(3)])}`;
}

/** In whose name a run is begun is noted with its first event: what it may have done follows from it. */
const causeOf = (ctx: AgentContext) => ({ causation: ctx.executionId, session: ctx.authority.sessionId });

function orThrow(begun: Begun): Begun & { ok: true } {
  if (begun.ok) return begun;
  throw new ViableError(`reactor.${begun.reason}`, begun.message, { retryable: begun.retryAfterMs !== undefined });
}
