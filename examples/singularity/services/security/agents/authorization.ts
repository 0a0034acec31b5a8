import { agent } from "viable";
import { z } from "zod";

/** Commands that one question may name. */
const maxCommands = 50;

/** What the system's `help` says of one command, or of none where it does not know it. */
const known = z.object({
  command: z.string(),
  risk: z.string(),
  allowed: z.boolean(),
  reasons: z.array(z.string()).default([]),
});
const unknown = z.object({ near: z.array(z.string()).default([]) });

/** Says whether the caller may give commands, as the intake would decide it, without giving them. */
export const authorization = agent({
  name: "authorization",
  capability: "authorization",
  description: "Whether you may give certain commands, and why not, decided as it would be if you gave them",
  input: z.strictObject({
    commands: z
      .union([z.string().transform((text) => text.split(",").map((each) => each.trim())), z.array(z.string())])
      .pipe(z.array(z.string().min(1).max(200)).min(1).max(maxCommands))
      .describe("Commands, separated by commas: memory.set,swarm.restart"),
  }),
  risk: "low",
  async handle(ctx, { commands }) {
    const decisions = await Promise.all(
      [...new Set(commands)].map(async (command) => {
        const outcome = await ctx.delegate("help", { about: command, all: true }, { key: ctx.executionId });
        // What cannot be decided is not allowed.
        if (!outcome.ok) return { command, decision: "denied", reasons: [outcome.error.message] };
        const found = known.safeParse(outcome.result);
        if (found.success) {
          const { risk, allowed, reasons } = found.data;
          return { command, risk, decision: allowed ? "granted" : "denied", reasons };
        }
        const near = unknown.safeParse(outcome.result).data?.near ?? [];
        return { command, decision: "unknown", reasons: near.length === 0 ? [] : [`Did you mean ${near.join(", ")}?`] };
      }),
    );
    return { principal: ctx.principal, isGranted: decisions.every((each) => each.decision === "granted"), decisions };
  },
});
