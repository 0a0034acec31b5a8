import type { JsonValue } from "@viable/kernel";
import { nearestNames } from "@viable/kernel";
import type { Registry } from "@viable/registry";
import type { Policies } from "@viable/security";
import type { AgentContext, AgentDefinition, Catalogue } from "@viable/swarm";
import { agent } from "@viable/swarm";
import { z } from "zod";
import { describeCommand } from "./describe-command.ts";
import { mayCall } from "./may-call.ts";

/** Commands that `help` lists; a page of more is searched, not read. */
const maxListed = 200;

/** What `help` needs to know of the system. */
export interface HelpSources {
  catalogue(): Catalogue;
  registry(): Registry;
  readonly policies: Policies;
}

/** `help`: what may I do here? Only what the caller's authority allows is listed, unless it asks for all. */
export function helpCommand({ catalogue, registry, policies }: HelpSources): AgentDefinition {
  return agent({
    name: "help",
    capability: "help",
    description: "What you may do here: all commands that your authority allows, or one in full",
    input: z.strictObject({
      about: z
        .string()
        .min(1)
        .max(200)
        .optional()
        .describe("A command, for all about it, or a word that its description holds"),
      all: z.boolean().default(false).describe("Also what you may not do, with the reason"),
    }),
    risk: "low",
    handle(ctx, { about, all }) {
      const known = catalogue();
      if (about !== undefined && known.find(about, ctx.tenant).length > 0)
        return explainCommand(ctx, known, registry(), policies, about);
      const commands = known.commands(ctx.tenant);
      const found = commands.filter((command) => about === undefined || tellsOf(ctx, known, command, about));
      const list = (names: readonly string[]) =>
        names.map((name) => listCommand(ctx, known, registry(), policies, name)).filter((each) => all || each.allowed);
      const shown = list(found);
      return {
        ...(about !== undefined && { about }),
        commands: shown.slice(0, maxListed),
        more: Math.max(0, shown.length - maxListed),
        ...(shown.length === 0 &&
          about !== undefined && { near: list(nearestNames(about, commands)).map(({ command }) => command) }),
        next: "help --about COMMAND tells what one takes; viable exec COMMAND --help shows the same. help --all also lists what you may not do.",
      } as unknown as JsonValue;
    },
  });
}

function listCommand(ctx: AgentContext, catalogue: Catalogue, registry: Registry, policies: Policies, command: string) {
  const { description, risk, available } = describeCommand(catalogue, registry, policies, command, ctx.tenant);
  return { command, description, risk, available, ...tellWhether(ctx, catalogue, policies, command) };
}

function explainCommand(
  ctx: AgentContext,
  catalogue: Catalogue,
  registry: Registry,
  policies: Policies,
  command: string,
): JsonValue {
  const described = describeCommand(catalogue, registry, policies, command, ctx.tenant);
  return { ...described, ...tellWhether(ctx, catalogue, policies, command) } as unknown as JsonValue;
}

function tellWhether(
  ctx: AgentContext,
  catalogue: Catalogue,
  policies: Policies,
  command: string,
): { allowed: boolean; reasons?: string[] } {
  const agent = catalogue.find(command, ctx.tenant)[0]?.agent ?? { risk: "high" };
  const decision = mayCall(ctx, command, agent, policies);
  const allowed = decision.decision !== "denied";
  return decision.decision === "granted" ? { allowed } : { allowed, reasons: [...decision.reasons] };
}

function tellsOf(ctx: AgentContext, catalogue: Catalogue, command: string, word: string): boolean {
  const text = `${command} ${catalogue.find(command, ctx.tenant)[0]?.agent.description ?? ""}`.toLowerCase();
  return text.includes(word.toLowerCase());
}
