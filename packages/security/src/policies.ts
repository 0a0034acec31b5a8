import { matchesAddress } from "./capability/address.ts";

/** How much harm something can do, the least first. */
const risks = ["low", "medium", "high"] as const;
type Risk = (typeof risks)[number];

/** What the system's owner lays down for commands, whoever sends them and by whichever token. */
export interface CommandPolicy {
  /** `block`: nobody may. Default `allow`: whoever's token allows it. */
  readonly mode?: "allow" | "block";
  /** At least this risk, whatever the agent says of itself. */
  readonly risk?: Risk;
  /** How many of these commands together each principal may send an hour, in each process. */
  readonly commandsPerHour?: number;
}

/** What holds for one command: the strictest of all policies that mean it. */
export interface HeldPolicy {
  /** The first pattern that blocks it; undefined where none does. */
  readonly blockedBy: string | undefined;
  readonly risk: Risk;
  readonly limits: readonly { readonly pattern: string; readonly commandsPerHour: number }[];
}

export interface Policies {
  /** For a command of this name whose agent says that its risk is this. */
  of(command: string, risk: Risk): HeldPolicy;
}

/** Commands whose policy was put together: there are as many as the config has. Others have none, and are not kept. */
const maxKept = 10_000;

/**
 * Policies by patterns of addresses, as capabilities have them. All that mean a command hold: one that blocks is stronger than any that allows, the highest
 * risk counts, and every limit. Pure but for what it remembers.
 */
export function createPolicies(rules: Readonly<Record<string, CommandPolicy>>): Policies {
  const all = Object.entries(rules);
  const kept = new Map<string, HeldPolicy>();

  const hold = (command: string, risk: Risk): HeldPolicy => {
    const address = `command/${command}`;
    const meant = all.filter(([pattern]) => matchesAddress(pattern, address));
    return {
      blockedBy: meant.find(([, { mode }]) => mode === "block")?.[0],
      risk: meant.reduce<Risk>((highest, [, policy]) => higher(highest, policy.risk), risk),
      limits: meant.flatMap(([pattern, { commandsPerHour }]) =>
        commandsPerHour === undefined ? [] : [{ pattern, commandsPerHour }],
      ),
    };
  };

  return {
    of(command, risk) {
      const key = `${risk} ${command}`;
      const known = kept.get(key);
      if (known !== undefined) return known;
      const held = hold(command, risk);
      if (kept.size < maxKept) kept.set(key, held);
      return held;
    },
  };
}

const higher = (one: Risk, other: Risk | undefined): Risk =>
  other === undefined || risks.indexOf(one) >= risks.indexOf(other) ? one : other;
