import { nearestNames, ViableError } from "@viable/kernel";
import type { PolicyName } from "./policies/policies.ts";
import { policyNames } from "./policies/policies.ts";
import type { RoutingRule } from "./routing-rules.ts";
import { parseVersionRange } from "./version-range.ts";

/** Where tasks may go, as a config declares it. The first rule that a task meets is the one that it goes by. */
export interface RoutingRuleSettings {
  /** Lower case words joined by `-`: told in every decision that it makes. */
  readonly name: string;
  /** Which tasks it is for: all that is named must hold. Every task of the config's services where nothing is. */
  readonly when?: {
    /** A capability, or a group of them: `storage.*`. Or several. */
    readonly capability?: string | readonly string[];
    readonly tenant?: string | readonly string[];
  };
  /** Who may take it, of those that offer it: all that is named must hold. */
  readonly to?: {
    readonly service?: string | readonly string[];
    /** A range as npm writes it: `^1.4`. */
    readonly version?: string;
    readonly subsystem?: string;
    /** Each must be among the swarm's own. */
    readonly tags?: readonly string[];
  };
  /** How one of them is chosen. Default `least-loaded`. */
  readonly policy?: PolicyName;
  /** For `weighted`: shares by service. One that is not named gets none. */
  readonly weights?: { readonly [service: string]: number };
  /** Why nobody may take it: then it is refused with this. */
  readonly refuse?: string;
}

/** Rules that a config may have: each is looked at by a person, and those of one capability by every task that asks for it. */
const maxRules = 256;

const maxReasonChars = 500;
/** Shares say how tasks are parted: a millionth is none. */
const maxShare = 1_000_000;

/** What a config's rules may name. */
export interface RoutingNames {
  readonly services: readonly string[];
  readonly capabilities: readonly string[];
}

/** Checks a config's rules. Throws `config.invalid` with the path and the reason where one does not fit, or could never be met. */
export function checkRoutingRules(
  settings: readonly RoutingRuleSettings[],
  names: RoutingNames,
): readonly RoutingRule[] {
  if (settings.length > maxRules)
    throw invalid("routing", `there may be ${maxRules} rules, and there are ${settings.length}`);
  const known = new Set<string>();
  return Object.freeze(
    settings.map((each, index) => {
      const rule = checkRule(each, `routing.${index}`, names);
      if (known.has(rule.name)) throw invalid(`routing.${index}.name`, `the rule "${rule.name}" is given twice`);
      known.add(rule.name);
      const met = settings
        .slice(0, index)
        .find(({ when }) => when?.capability === undefined && when?.tenant === undefined);
      if (met !== undefined)
        throw invalid(`routing.${index}`, `"${met.name}" before it is for every task, so it is never met`);
      return rule;
    }),
  );
}

function checkRule(given: RoutingRuleSettings, path: string, names: RoutingNames): RoutingRule {
  const { name, when = {}, to, policy, weights, refuse } = checkMembers(given, path, members.rule);
  if (typeof name !== "string" || !/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
    throw invalid(`${path}.name`, "must be lower case words joined by -");
  checkMembers(when, `${path}.when`, members.when);
  checkWords(when.capability, `${path}.when.capability`);
  checkWords(when.tenant, `${path}.when.tenant`);
  if (to !== undefined) {
    const { service, version, subsystem, tags } = checkMembers(to, `${path}.to`, members.to);
    checkWords(service, `${path}.to.service`);
    checkWords(subsystem, `${path}.to.subsystem`);
    checkWords(tags, `${path}.to.tags`);
    if (version !== undefined && (typeof version !== "string" || parseVersionRange(version) === undefined))
      throw invalid(`${path}.to.version`, "must be a range of versions, such as ^1.4");
  }
  if (policy !== undefined && !policyNames.includes(policy))
    throw invalid(`${path}.policy`, `must be one of ${policyNames.join(", ")}`);
  for (const [service, share] of Object.entries(checkMembers(weights ?? {}, `${path}.weights`, undefined))) {
    if (!(typeof share === "number" && share > 0 && share <= maxShare))
      throw invalid(`${path}.weights.${service}`, `must be a number above 0 and at most ${maxShare}`);
  }
  if (refuse !== undefined && (typeof refuse !== "string" || refuse === "" || refuse.length > maxReasonChars))
    throw invalid(`${path}.refuse`, `must say why, in at most ${maxReasonChars} characters`);
  if (to === undefined && policy === undefined && refuse === undefined)
    throw invalid(path, `"${name}" says nothing: give it \`to\`, a policy or \`refuse\``);
  if (refuse !== undefined && (to !== undefined || policy !== undefined || weights !== undefined))
    throw invalid(`${path}.refuse`, "what is refused goes nowhere: leave out `to`, the policy and the weights");
  if ((policy === "weighted") !== (weights !== undefined))
    throw invalid(`${path}.weights`, "weights and the policy `weighted` go together");
  const services = to?.service === undefined ? undefined : toList(to.service);
  for (const service of [...(services ?? []), ...Object.keys(weights ?? {})]) {
    if (!names.services.includes(service))
      throw invalid(`${path}.to.service`, `there is no service "${service}"${nearBy(service, names.services)}`);
  }
  const unmet = Object.keys(weights ?? {}).find((service) => services?.includes(service) === false);
  if (unmet !== undefined) throw invalid(`${path}.weights.${unmet}`, "it has a share, and `to` leaves it out");
  return Object.freeze({
    name,
    capabilities: Object.freeze(capabilitiesOf(when.capability, `${path}.when.capability`, names)),
    ...(when.tenant !== undefined && { tenants: Object.freeze(toList(when.tenant)) }),
    to: Object.freeze({
      ...(services !== undefined && { services: Object.freeze(services) }),
      ...(to?.version !== undefined && { version: to.version }),
      ...(to?.subsystem !== undefined && { subsystem: to.subsystem }),
      tags: Object.freeze(to?.tags ?? []),
    }),
    policy: policy ?? "least-loaded",
    weights: Object.freeze({ ...weights }),
    ...(refuse !== undefined && { refuse }),
  });
}

/** The capabilities that are meant, by name or by group; all of them where none is named. */
function capabilitiesOf(named: Words | undefined, path: string, { capabilities }: RoutingNames): string[] {
  if (named === undefined) return [...capabilities];
  const meant = toList(named).flatMap((each) => {
    const group = each.endsWith(".*") ? each.slice(0, -1) : undefined;
    const found = capabilities.filter((capability) => (group ? capability.startsWith(group) : capability === each));
    if (found.length === 0)
      throw invalid(path, `no service of the config offers "${each}"${nearBy(each, capabilities)}`);
    return found;
  });
  return [...new Set(meant)];
}

const members = {
  rule: ["name", "when", "to", "policy", "weights", "refuse"],
  when: ["capability", "tenant"],
  to: ["service", "version", "subsystem", "tags"],
} as const;

/** A config may come from anywhere: an object of these members, and of no others. */
function checkMembers<T extends object>(given: T, path: string, known: readonly string[] | undefined): T {
  if (typeof given !== "object" || given === null || Array.isArray(given)) throw invalid(path, "must be an object");
  const odd = known && Object.keys(given).find((member) => !known.includes(member));
  if (odd !== undefined) throw invalid(`${path}.${odd}`, `is not known; there are ${known?.join(", ")}`);
  return given;
}

type Words = string | readonly string[];

function checkWords(given: Words | undefined, path: string): void {
  if (given === undefined) return;
  const words: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (words.length === 0 || words.some((word) => typeof word !== "string" || word === ""))
    throw invalid(path, "must be a word, or a list of them that is not empty");
}

const toList = (given: Words): string[] => (typeof given === "string" ? [given] : [...given]);

function nearBy(name: string, known: readonly string[]): string {
  const near = nearestNames(name, known);
  return near.length === 0 ? "" : `; near to it: ${near.join(", ")}`;
}

const invalid = (path: string, reason: string): ViableError =>
  new ViableError("config.invalid", `${path}: ${reason}.`, { details: { path } });
