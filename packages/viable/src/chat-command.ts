import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Policies } from "@viable/security";
import type { AgentContext, AgentDefinition, Catalogue } from "@viable/swarm";
import { agent } from "@viable/swarm";
import { z } from "zod";
import { mayCall } from "./may-call.ts";

const namespace = "chat";
/** What is remembered of a conversation, in turns: as much as a person scrolls back. Whoever answers is told both sides of each. */
const maxTurns = 25;
/** A conversation is forgotten so long after its last turn, in milliseconds. */
const keptMs = 30 * 24 * 3_600_000;
/** Characters of either side of a turn: whoever answers is told no longer ones. */
const maxTurnChars = 10_000;
/** Characters of JSON remembered of a conversation, half of what an entry of the memory holds. Past it the oldest turns go. */
const maxKeptChars = 512 * 1024;
/** Each try that is lost was won by another turn of the same conversation; so many at once nobody has. */
const maxTries = 10;
/** Commands told to whoever answers; an answer out of more would be a guess. */
const maxCommands = 200;
const maxDescriptionChars = 1_000;
/** What is asked for may be done within a conversation, and has limits of its own; the command line waits no longer either. */
const timeoutMs = 30 * 60_000;

/** The capability of whoever can hold a conversation; the config decides who that is. */
const conversation = "conversation";

type Turn = { readonly executionId: string; readonly message: string; readonly reply: string };

const answer = z.object({ reply: z.string(), origin: z.string() });

/** `chat`: a conversation with the system's agents, which goes on under the id that the first answer gives. */
export function chatCommand(catalogue: () => Catalogue, policies: Policies): AgentDefinition {
  return agent({
    name: "chat",
    capability: "chat",
    description: "Talks with the system: say what you want, and it names the command or, with run, has it done",
    input: z.strictObject({
      message: z.string().min(1).max(maxTurnChars),
      conversation: z
        .string()
        .min(1)
        .max(100)
        .optional()
        .describe("Goes on with one that was begun; a new one where absent"),
      run: z.boolean().default(false).describe("Have the command done that the message asks for"),
    }),
    risk: "low",
    timeoutMs,
    async handle(ctx, { message, conversation: given, run }) {
      const id = given ?? ctx.executionId;
      const turns = await readTurns(ctx, id);
      if (given !== undefined && turns === undefined) {
        throw new ViableError("chat.unknown_conversation", `There is no conversation "${given}" of yours.`, {
          next: "Leave it out to begin a new one; conversations are forgotten after 30 days.",
        });
      }
      const outcome = await ctx.delegate(
        conversation,
        {
          message,
          history: before(ctx, turns).flatMap((turn) => [
            { role: "user", text: turn.message },
            { role: "assistant", text: turn.reply },
          ]),
          commands: commandsFor(ctx, catalogue(), policies),
          run,
        },
        { key: ctx.executionId },
      );
      if (!outcome.ok) {
        throw new ViableError("chat.nobody_answers", `Nobody answered: ${outcome.error.message}`, {
          retryable: outcome.error.retryable,
          next:
            outcome.status === "refused"
              ? `Start a service that offers "${conversation}", such as the reference system's Interface; help lists the commands without one.`
              : `viable executions show ${outcome.executionId} tells what became of it; help lists the commands.`,
        });
      }
      const said = answer.safeParse(outcome.result);
      if (!said.success) {
        throw new ViableError(
          "chat.no_answer",
          `Whoever offers "${conversation}" answered without a reply or its origin.`,
          {
            next: `Let it answer { reply, origin }, both text; viable executions show ${outcome.executionId} tells what it said.`,
          },
        );
      }
      const { reply, origin } = said.data;
      const count = await addTurn(ctx, id, { executionId: ctx.executionId, message, reply: cutTurn(reply) });
      return { ...(outcome.result as object), reply, origin, conversation: id, turns: count } as JsonValue;
    },
  });
}

type Conversation = { readonly turns: readonly Turn[]; readonly version: number };

/** A conversation is the principal's own. */
const keyOf = (ctx: AgentContext, id: string): string => `${ctx.principal}/${id}`;

async function readTurns(ctx: AgentContext, id: string): Promise<Conversation | undefined> {
  const kept = await ctx.memory.get(keyOf(ctx, id), namespace);
  return kept && { turns: kept.value as readonly Turn[], version: kept.version };
}

/** The turns before this one, which a process that died may have left among them. */
const before = (ctx: AgentContext, known: Conversation | undefined): readonly Turn[] =>
  (known?.turns ?? []).filter((turn) => turn.executionId !== ctx.executionId);

/** Adds a turn behind those that others have added in the meantime, and answers how many are remembered. */
async function addTurn(ctx: AgentContext, id: string, turn: Turn): Promise<number> {
  for (let tries = 0; tries < maxTries; tries++) {
    const known = await readTurns(ctx, id);
    let turns = [...before(ctx, known), turn].slice(-maxTurns);
    while (turns.length > 1 && JSON.stringify(turns).length > maxKeptChars) turns = turns.slice(1);
    const options = { namespace, expected: known?.version ?? 0, expiresInMs: keptMs };
    if ((await ctx.memory.set(keyOf(ctx, id), turns, options)).ok) return turns.length;
  }
  throw new ViableError("chat.busy", `Too many others speak in conversation "${id}" at this moment.`, {
    retryable: true,
    next: "Say it again, or in a conversation of your own.",
  });
}

const cutTurn = (text: string): string =>
  text.length <= maxTurnChars ? text : `${text.slice(0, maxTurnChars - 1).toWellFormed()}…`;

/** What the caller may have done, so that nothing else is proposed. */
function commandsFor(
  ctx: AgentContext,
  catalogue: Catalogue,
  policies: Policies,
): { capability: string; description: string }[] {
  return catalogue
    .commands(ctx.tenant)
    .filter((command) => command !== "chat" && command !== conversation)
    .flatMap((capability) => {
      const found = catalogue.find(capability, ctx.tenant)[0]?.agent;
      if (found === undefined) return [];
      return mayCall(ctx, capability, found, policies).decision !== "denied"
        ? [{ capability, description: found.description.slice(0, maxDescriptionChars) }]
        : [];
    })
    .slice(0, maxCommands);
}
