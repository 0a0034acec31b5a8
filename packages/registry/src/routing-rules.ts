import type { Candidate, LeftOut } from "./candidate.ts";
import { leaveOut } from "./candidate.ts";
import type { PolicyName } from "./policies/policies.ts";
import { parseVersionRange } from "./version-range.ts";

/** A routing rule as it was checked, with the capabilities that it is for. */
export interface RoutingRule {
  readonly name: string;
  readonly capabilities: readonly string[];
  /** All tenants where absent. */
  readonly tenants?: readonly string[];
  readonly to: {
    readonly services?: readonly string[];
    readonly version?: string;
    readonly subsystem?: string;
    readonly tags: readonly string[];
  };
  readonly policy: PolicyName;
  readonly weights: { readonly [service: string]: number };
  readonly refuse?: string;
}

/** Rules by what they are for, to be found without looking through all of them. */
export function indexRules(rules: readonly RoutingRule[]): (capability: string, tenant: string | undefined) => Ruling {
  const byCapability = new Map<string, Ruling[]>();
  for (const rule of rules) {
    const ruling = toRuling(rule);
    for (const capability of rule.capabilities) {
      const same = byCapability.get(capability);
      if (same === undefined) byCapability.set(capability, [ruling]);
      else same.push(ruling);
    }
  }
  return (capability, tenant) =>
    byCapability
      .get(capability)
      ?.find(({ rule }) => rule?.tenants === undefined || (tenant !== undefined && rule.tenants.includes(tenant))) ??
    unruled;
}

/** What a task goes by: a rule, or none. */
export interface Ruling {
  readonly rule: RoutingRule | undefined;
  /** Why a candidate may not take it; undefined where it may. */
  objection(candidate: Candidate): string | undefined;
}

const unruled: Ruling = { rule: undefined, objection: () => undefined };

function toRuling(rule: RoutingRule): Ruling {
  const { services, version, subsystem, tags } = rule.to;
  const isIn = version === undefined ? undefined : parseVersionRange(version);
  return {
    rule,
    objection({ registration: known }) {
      if (services?.includes(known.service) === false) return `it is not ${services.join(" or ")}`;
      if (isIn?.(known.version) === false) return `its version ${known.version} is not within ${version}`;
      if (subsystem !== undefined && known.subsystem !== subsystem)
        return `it is ${known.subsystem === undefined ? "of no subsystem" : `of ${known.subsystem}`}, not of ${subsystem}`;
      const missing = tags.find((tag) => !known.tags.includes(tag));
      if (missing !== undefined) return `it has no tag ${missing}`;
      if (rule.policy === "weighted" && rule.weights[known.service] === undefined) return "it has no share";
      return undefined;
    },
  };
}

/** Parts candidates into those that may take a task and those that may not, each with the reason. Pure. */
export function applyRuling(
  { rule, objection }: Ruling,
  candidates: readonly Candidate[],
): { readonly allowed: readonly Candidate[]; readonly leftOut: readonly LeftOut[] } {
  if (rule === undefined) return { allowed: candidates, leftOut: [] };
  const allowed: Candidate[] = [];
  const leftOut: LeftOut[] = [];
  for (const candidate of candidates) {
    const reason = objection(candidate);
    if (reason === undefined) allowed.push(candidate);
    else leftOut.push(leaveOut(candidate, `rule ${rule.name}: ${reason}`));
  }
  return { allowed, leftOut };
}
