import { ViableError } from "@viable/kernel";
import type { CommandDescriptor } from "@viable/protocol";
import type { Registry } from "@viable/registry";
import type { Policies } from "@viable/security";
import type { Catalogue } from "@viable/swarm";
import { z } from "zod";

/** A command as a tenant's clients are told of it: what it does, takes and risks, who offers it to them, and whether anybody does now (W11). */
export function describeCommand(
  catalogue: Catalogue,
  registry: Registry,
  policies: Policies,
  command: string,
  tenant: string,
): CommandDescriptor {
  const offers = catalogue.find(command, tenant);
  const [first] = offers;
  if (first === undefined) throw new ViableError("intake.unknown_command", `There is no command "${command}".`);
  const { agent } = first;
  const { risk, asks } = policies.of(command, agent.risk);
  return {
    command,
    description: agent.description,
    services: [...new Set(offers.map((offer) => offer.service))],
    risk,
    ...(asks !== undefined && { needsApproval: true }),
    input: z.toJSONSchema(agent.input, { io: "input", unrepresentable: "any" }) as CommandDescriptor["input"],
    timeoutMs: agent.timeoutMs,
    joinable: agent.joinable,
    ...(agent.rememberMs !== undefined && { rememberMs: agent.rememberMs }),
    available: registry.discover(command, { tenant }).swarms.length > 0,
  };
}

/** All that a tenant may know of. */
export const describeCommands = (
  catalogue: Catalogue,
  registry: Registry,
  policies: Policies,
  tenant: string,
): CommandDescriptor[] =>
  catalogue.commands(tenant).map((command) => describeCommand(catalogue, registry, policies, command, tenant));
