import { matchesAddress } from "./capability/address.ts";

/** How much harm something can do, the least first. */
const risks = ["low", "medium", "high"] as const;
type Risk = (typeof risks)[number];

/** What the system's owner lays down for commands, whoever sends them and by whichever token. */
export interface CommandPolicy {
  /**
   * `block`: nobody may. `ask`: it waits until a person has approved it, who is another than the one that sends it. Default `allow`: whoever's token
   * allows it.
   */
  readonly mode?: "allow" | "ask" | "block";
  /**
   * With `ask`: how long it may wait to be decided, in milliseconds, 1,000 to 604,800,000 (a week: what nobody has looked at by then nobody will). Default
   * 86,400,000, a day: somebody has been at work by then.
   */
  readonly approvalTimeoutMs?: number;
  /** With `ask`: who alone may decide, by principals such as `owner` and `user:ada`. Default: whoever's token lets them send `approval.decide`. */
  readonly approvers?: readonly string[];
  /** At least this risk, whatever the agent says of itself. */
  readonly risk?: Risk;
  /** How many of these commands together each principal may send an hour, in each process. */
  readonly commandsPerHour?: number;
}

/** What holds for one command: the strictest of all policies that mean it. */
export interface HeldPolicy {
  /** The patterns that mean it. */
  readonly patterns: readonly string[];
  /** The first pattern that blocks it; undefined where none does. */
  readonly blockedBy: string | undefined;
  /** A person is to be asked; undefined where nobody is. */
  readonly asks: Asks | undefined;
  readonly risk: Risk;
  readonly limits: readonly { readonly pattern: string; readonly commandsPerHour: number }[];
}

/** How a person is asked before a command is begun: the shortest time, and whom every one of the asking policies allows. */
export interface Asks {
  /** The first pattern that asks. */
  readonly pattern: string;
  readonly timeoutMs: number;
  /** Undefined where no policy names any. */
  readonly approvers: readonly string[] | undefined;
}

export interface Policies {
  /** For a command of this name whose agent says that its risk is this. */
  of(command: string, risk: Risk): HeldPolicy;
}

/** A day, and a week. */
const defaultApprovalTimeoutMs = 24 * 3_600_000;
export const maxApprovalTimeoutMs = 7 * 24 * 3_600_000;
/** The command that decides is never asked for itself: nobody could ever say yes. */
export const decidingCommand = "approval.decide";

/** Commands whose policy was put together: there are as many as the config has. Others have none, and are not kept. */
const maxKept = 10_000;

/**
 * Policies by patterns of addresses, as capabilities have them. All that mean a command hold: one that blocks is stronger than any that asks, and that than any that allows; the highest
 * risk counts, and every limit. Pure but for what it remembers.
 */
export function createPolicies(rules: Readonly<Record<string, CommandPolicy>>): Policies {
  const all = Object.entries(rules);
  const kept = new Map<string, HeldPolicy>();

  const hold = (command: string, risk: Risk): HeldPolicy => {
    const address = `command/${command}`;
    const meant = all.filter(([pattern]) => matchesAddress(pattern, address));
    return {
      patterns: meant.map(([pattern]) => pattern),
      asks: command === decidingCommand ? undefined : asksOf(meant.filter(([, { mode }]) => mode === "ask")),
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

function asksOf(asking: readonly (readonly [string, CommandPolicy])[]): Asks | undefined {
  const [first] = asking;
  if (first === undefined) return undefined;
  const lists = asking.flatMap(([, { approvers }]) => (approvers === undefined ? [] : [approvers]));
  return {
    pattern: first[0],
    timeoutMs: Math.min(...asking.map(([, policy]) => policy.approvalTimeoutMs ?? defaultApprovalTimeoutMs)),
    approvers: lists[0]?.filter((each) => lists.every((list) => list.includes(each))),
  };
}

const higher = (one: Risk, other: Risk | undefined): Risk =>
  other === undefined || risks.indexOf(one) >= risks.indexOf(other) ? one : other;
