import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import { authorize } from "@viable/security";
import type { AgentContext, AgentDefinition, Catalogue } from "@viable/swarm";
import { agent } from "@viable/swarm";
import { z } from "zod";
import { callerGrant } from "./caller-grant.ts";

const namespace = "chat";
/** What is remembered of a conversation, in turns: as much as a person scrolls back. Whoever answers is told both sides of each. */
const maxTurns = 25;
/** A conversation is forgotten so long after its last turn, in milliseconds. */
const keptMs = 30 * 24 * 3_600_000;
/** Commands told to whoever answers; an answer out of more would be a guess. */
const maxCommands = 200;

/** The capability of whoever can hold a conversation; the config decides who that is. */
const conversation = "conversation";

type Turn = { readonly executionId: string; readonly message: string; readonly reply: string };

const answer = z.object({ reply: z.string(), origin: z.string() });

/** `chat`: a conversation with the system's agents, which goes on under the id that the first answer gives. */
export function chatCommand(catalogue: () => Catalogue): AgentDefinition {
  return agent({
    name: "chat",
    capability: "chat",
    description: "Talks with the system: say what you want, and it names the command or, with run, has it done",
    input: z.strictObject({
      message: z.string().min(1).max(10_000),
      conversation: z
        .string()
        .min(1)
        .max(100)
        .optional()
        .describe("Goes on with one that was begun; a new one where absent"),
      run: z.stringbool().or(z.boolean()).default(false).describe("Have the command done that the message asks for"),
    }),
    risk: "low",
    async handle(ctx, { message, conversation: given, run }) {
      const id = given ?? ctx.executionId;
      const key = `${ctx.principal}/${id}`;
      const kept = await ctx.memory.get(key, namespace);
      if (given !== undefined && kept === undefined) {
        throw new ViableError("chat.unknown_conversation", `There is no conversation "${given}" of yours.`, {
          next: "Leave it out to begin a new one; conversations are forgotten after 30 days.",
        });
      }
      const turns = ((kept?.value ?? []) as Turn[]).filter((turn) => turn.executionId !== ctx.executionId);
      const outcome = await ctx.delegate(
        conversation,
        {
          message,
          history: turns.flatMap((turn) => [
            { role: "user", text: turn.message },
            { role: "assistant", text: turn.reply },
          ]),
          commands: commandsFor(ctx, catalogue()),
          run,
        },
        { key: ctx.executionId },
      );
      if (!outcome.ok) {
        throw new ViableError("chat.nobody_answers", `Nobody answered: ${outcome.error.message}`, {
          retryable: outcome.error.retryable,
          next: `Start a service that offers "${conversation}", such as the reference system's Interface; help lists the commands without one.`,
        });
      }
      const { reply, origin } = answer.parse(outcome.result);
      const now: Turn[] = [...turns, { executionId: ctx.executionId, message, reply }].slice(-maxTurns);
      await ctx.memory.set(key, now, { namespace, expiresInMs: keptMs });
      return { ...(outcome.result as object), reply, origin, conversation: id, turns: now.length } as JsonValue;
    },
  });
}

/** What the caller may have done, so that nothing else is proposed. */
function commandsFor(ctx: AgentContext, catalogue: Catalogue): { capability: string; description: string }[] {
  const grant = callerGrant(ctx);
  const now = ctx.runtime.clock.now();
  return catalogue
    .commands()
    .filter((command) => command !== "chat" && command !== conversation)
    .flatMap((capability) => {
      const found = catalogue.find(capability)[0]?.agent;
      if (found === undefined) return [];
      const { risk, description } = found;
      const request = {
        subject: capability,
        operation: "write",
        risk,
        sessionId: grant.sessionId,
        tenant: ctx.tenant,
      } as const;
      return authorize(grant, request, now).decision === "granted" ? [{ capability, description }] : [];
    })
    .slice(0, maxCommands);
}
