import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { z } from "zod";
import type { AgentDefinition, InlineAgentSettings } from "../agent.ts";
import { agent } from "../agent.ts";
import { carryOutPlan } from "./carry-out-plan.ts";
import type { DecideNext, PlanDefinition, PlanMember } from "./plan.ts";

/** Members of a plan: their outcomes are all held until it ends, and what is told of each must fit one event. */
const maxMembers = 32;
const maxNameChars = 64;
const maxCapabilityChars = 100;
/**
 * How often a plan is begun in all when its worker or process dies under it. More than other agents are: it does nothing itself, and
 * begun again it finds what its members have come to.
 */
export const defaultMaxAttempts = 10;

/** What every plan has, like an agent but for what does the work. */
export type PlanSettings<Input extends z.ZodType> = Omit<InlineAgentSettings<Input>, "handle">;

export interface PlanMemberSettings<Input> {
  /** Tells it apart in outcomes. Default: its service or capability, with a number where several have that. */
  readonly name?: string;
  /** In this service, or anybody's. */
  readonly capability: string;
  /** The one service that may do it, whatever the others offer. */
  readonly service?: string;
  /** How long it may take, in milliseconds, where the plan has more left. */
  readonly timeoutMs?: number;
  /** What it is asked, out of the plan's input. Pure: after a crash it is called again, and must ask for the same. */
  readonly args?: (input: Input) => JsonValue;
}

/** Of any kind of plan. */
type GivenMember = Omit<PlanMemberSettings<never>, "args"> & {
  readonly args?: (input: never, results: readonly JsonValue[]) => JsonValue;
};

/** An agent whose work a plan does. Stands among a service's agents like any other. */
export interface PlanAgent extends AgentDefinition {
  readonly plan: PlanDefinition;
}

/** Puts an agent around a plan, which its kind decides about. Throws `config.invalid`. */
export function planAgent<Input extends z.ZodType, Plan extends PlanDefinition>(
  settings: PlanSettings<Input> & { readonly members: readonly GivenMember[] },
  toPlan: (members: readonly PlanMember[]) => Plan,
  decideNext: DecideNext<Plan>,
): PlanAgent {
  const { members: given } = settings;
  const members = given.map((member, index): PlanMember => {
    const { capability, service, timeoutMs, args } = member;
    const base = service ?? capability;
    const isOnly = given.every((each, at) => at === index || (each.service ?? each.capability) !== base);
    return Object.freeze({
      name: member.name ?? (isOnly ? base : `${base}#${index + 1}`),
      capability,
      service,
      timeoutMs,
      args,
    });
  });
  checkMembers(settings, members);
  const plan: Plan = Object.freeze(toPlan(Object.freeze(members)));
  const carrier = agent({
    ...settings,
    maxAttempts: settings.maxAttempts ?? defaultMaxAttempts,
    handle: (ctx, input) => carryOutPlan(plan, decideNext, ctx, input),
  });
  return Object.freeze({ ...carrier, plan });
}

function checkMembers({ name, capability: own }: PlanSettings<z.ZodType>, members: readonly PlanMember[]): void {
  const fail = (reason: string): never => {
    throw invalidPlan(name, "members", reason);
  };
  if (members.length === 0 || members.length > maxMembers) fail(`must be 1 to ${maxMembers}`);
  const names = new Set<string>();
  for (const member of members) {
    if (names.has(member.name)) fail(`names "${member.name}" twice`);
    names.add(member.name);
    if (member.name.length === 0 || member.name.length > maxNameChars)
      fail(`have names of 1 to ${maxNameChars} characters`);
    if (member.capability.length === 0 || member.capability.length > maxCapabilityChars)
      fail(`ask for capabilities of 1 to ${maxCapabilityChars} characters`);
    if (member.capability === own) fail(`ask for "${own}", which the plan itself is: it would go round in a circle`);
    if (member.timeoutMs !== undefined && !(member.timeoutMs > 0 && Number.isFinite(member.timeoutMs)))
      fail(`have a timeoutMs of more than 0 milliseconds ("${member.name}" has ${member.timeoutMs})`);
  }
}

/** `config.invalid`: a plan that cannot be carried out. */
export const invalidPlan = (name: string, field: string, reason: string): ViableError =>
  new ViableError("config.invalid", `plan "${name}": ${field} ${reason}.`, {
    details: { path: `agent.${name}.${field}` },
  });
