import type { EffectArrival } from "./ledger-lines.ts";
import type { WorkResult } from "./thirteen/work.ts";

/** An event of an execution's stream, in its order, as the log has it. */
export interface Step {
  readonly type: string;
  readonly atMs: number;
  readonly data: { readonly [key: string]: unknown };
}

export type Executions = ReadonlyMap<string, readonly Step[]>;

/** What an execution is asked to come to. */
export type Wish = "complete" | "fail" | "cancel" | "time out";

/** A command, and all that its client was answered. */
export interface ToldCommand {
  readonly key: string;
  readonly command: string;
  readonly wish: Wish;
  /** The execution that each answer named: the same in all of them. */
  readonly acknowledged: readonly string[];
  /** The outcome that was answered last, where one was. */
  readonly status?: string | undefined;
  readonly result?: unknown;
  /** The order to cancel it was answered. */
  readonly cancelAcknowledged?: boolean | undefined;
}

export interface Violation {
  /**
   * `lost`: acknowledged, and not in the log, or not so. `open`: accepted, and without an outcome. `unexplained`: it failed and does not say
   * why, or ended as nobody had asked for. `again`: a second outcome, a second execution under one key, or an effect that counts twice.
   * `missing`: completed, and its effect was not done. `unasked`: executions and effects nobody had asked for. `superseded`: by who had not
   * the claim any more, or never had. `early`: timed out before its deadline.
   */
  readonly kind: "lost" | "open" | "unexplained" | "again" | "missing" | "unasked" | "superseded" | "early";
  readonly text: string;
}

/** Everything that is known of a run, from three sides that know nothing of each other. */
export interface Accounting {
  readonly executions: Executions;
  readonly arrivals: readonly EffectArrival[];
  readonly told: readonly ToldCommand[];
}

interface ClaimStep {
  readonly processId: string;
  readonly epoch: number;
  readonly attempt: number;
  readonly atMs: number;
}

const outcomeTypes: ReadonlySet<string> = new Set([
  "execution.completed",
  "execution.failed",
  "execution.cancelled",
  "execution.timed_out",
]);

const isOutcomeStep = ({ type }: Step): boolean => outcomeTypes.has(type);
export const outcomeOf = (steps: readonly Step[]): Step | undefined => steps.find(isOutcomeStep);
export const acceptanceOf = (steps: readonly Step[]): Step | undefined =>
  steps[0]?.type === "execution.accepted" ? steps[0] : undefined;
export const parentOf = (steps: readonly Step[]): string | undefined =>
  acceptanceOf(steps)?.data.parentId as string | undefined;
const workOf = (outcome: Step | undefined): WorkResult | undefined =>
  outcome?.type === "execution.completed" ? (outcome.data.result as WorkResult) : undefined;

/** Who has claimed an execution, in order. */
export function claimsOf(steps: readonly Step[]): ClaimStep[] {
  return steps.flatMap((step) => {
    const claim = step.type === "execution.claimed" ? step.data : (step.data.claim ?? step.data.assigned);
    if (claim === undefined || (step.type !== "execution.claimed" && step.type !== "execution.accepted")) return [];
    return [{ ...(claim as Omit<ClaimStep, "atMs">), atMs: step.atMs }];
  });
}

/** The claim that counted when the outcome was appended; undefined where it had been given back, or nobody had it. */
function claimAtOutcome(steps: readonly Step[]): ClaimStep | undefined {
  const until = steps.slice(0, steps.findIndex(isOutcomeStep));
  const released = until.findLastIndex(({ type }) => type === "execution.released");
  return claimsOf(until.slice(Math.max(released, 0))).at(-1);
}

/**
 * Holds the log, the ledger and what clients were answered against each other. Pure. Every command that was acknowledged is in the log,
 * every execution that is in the log was asked for and has one outcome with a reason, who completed one had its claim, and what was
 * completed was done outside, once.
 */
export function judgeAccounting(accounting: Accounting): Violation[] {
  const violations: Violation[] = [];
  const say = (kind: Violation["kind"], text: string) => void violations.push({ kind, text });
  judgeAnswers(accounting, say);
  judgeOutcomes(accounting, say);
  judgeEffects(accounting, say);
  return violations;
}

type Say = (kind: Violation["kind"], text: string) => void;

function judgeAnswers({ executions, told }: Accounting, say: Say): void {
  const acknowledged = new Set<string>();
  for (const { key, command, wish, acknowledged: ids, status, result, cancelAcknowledged } of told) {
    const [executionId] = ids;
    if (executionId === undefined) {
      say("lost", `${key} was never answered`);
      continue;
    }
    if (new Set(ids).size > 1) say("again", `${key} is ${[...new Set(ids)].join(" and ")}`);
    if (acknowledged.has(executionId)) say("again", `${executionId} is the answer to two keys, one of them ${key}`);
    acknowledged.add(executionId);
    const steps = executions.get(executionId);
    const accepted = steps && acceptanceOf(steps);
    if (steps === undefined || accepted === undefined) {
      say("lost", `${executionId} was acknowledged (${key}) and is not in the log`);
      continue;
    }
    if (accepted.data.command !== command) say("lost", `${executionId} is another command than ${key} was`);
    const outcome = outcomeOf(steps);
    if (status !== undefined && outcome?.type !== `execution.${status}`)
      say("lost", `${executionId} was answered as ${status}, and the log says ${outcome?.type ?? "nothing"}`);
    if (status === "completed" && JSON.stringify(outcome?.data.result) !== JSON.stringify(result))
      say("lost", `${executionId} was answered with another result than the log has`);
    if (cancelAcknowledged === true && outcome === undefined)
      say("lost", `${executionId} was ordered to be cancelled, and goes on`);
    const comesTo = endingsOf(wish);
    if (outcome !== undefined && !comesTo.has(outcome.type) && !isExhausted(steps, outcome) && !isForWant(outcome))
      say("unexplained", `${executionId}, which was to ${wish}, ended as ${outcome.type}: ${reasonOf(outcome)}`);
  }
  for (const [executionId, steps] of executions) {
    if (parentOf(steps) === undefined && !acknowledged.has(executionId))
      say("unasked", `${executionId} is in the log, and no client was told of it`);
  }
}

const endingsOf = (wish: Wish): ReadonlySet<string> => {
  switch (wish) {
    case "complete":
      return new Set(["execution.completed"]);
    case "fail":
      return new Set(["execution.failed"]);
    // It may have been done before the order came.
    case "cancel":
      return new Set(["execution.cancelled", "execution.completed"]);
    case "time out":
      return new Set(["execution.timed_out"]);
  }
};

/** Its processes died under it as often as it may be begun: that is a reason. */
const isExhausted = (steps: readonly Step[], outcome: Step): boolean =>
  codeOf(outcome) === "swarm.attempts_exhausted" &&
  claimsOf(steps).length >= (acceptanceOf(steps)?.data.maxAttempts as number);

/** Its agent met a database that was away, and said so. */
const isForWant = (outcome: Step): boolean => wantOfDatabase.has(codeOf(outcome) ?? "");
const wantOfDatabase: ReadonlySet<string> = new Set(["log.store_unavailable", "log.unavailable"]);

const codeOf = ({ data }: Step): string | undefined =>
  (data.error as { readonly code?: string } | undefined)?.code || undefined;
const reasonOf = (outcome: Step): string | undefined => {
  const { data, type } = outcome;
  const error = data.error as { readonly message?: string } | undefined;
  if (type === "execution.failed")
    return codeOf(outcome) && error?.message ? `${codeOf(outcome)}: ${error.message}` : "";
  if (type === "execution.cancelled") return (data.reason as string | undefined) ?? "";
  return type;
};

function judgeOutcomes({ executions }: Accounting, say: Say): void {
  for (const [executionId, steps] of executions) {
    const accepted = acceptanceOf(steps);
    if (accepted === undefined) {
      say("lost", `${executionId} has no acceptance`);
      continue;
    }
    const outcomes = steps.filter(isOutcomeStep);
    const [outcome] = outcomes;
    if (outcomes.length > 1) say("again", `${executionId} has ${outcomes.length} outcomes`);
    if (outcome === undefined) {
      say("open", `${executionId} has no outcome after ${steps.at(-1)?.type}`);
      continue;
    }
    if (steps.at(-1) !== outcome && outcomes.length === 1)
      say("again", `${executionId} goes on after its outcome: ${steps.at(-1)?.type}`);
    if (!reasonOf(outcome)) say("unexplained", `${executionId} ended as ${outcome.type} and does not say why`);
    if (outcome.type === "execution.timed_out" && outcome.atMs < (accepted.data.deadline as number))
      say("early", `${executionId} timed out ${(accepted.data.deadline as number) - outcome.atMs} ms early`);
    judgeAttempts(executionId, steps, say);
    for (const { executionId: childId, status } of workOf(outcome)?.asked ?? []) {
      if (childId === undefined) continue;
      const child = executions.get(childId);
      if (child === undefined) say("lost", `${childId}, which ${executionId} had asked for, is not in the log`);
      else if (outcomeOf(child)?.type !== `execution.${status}`)
        say("lost", `${executionId} was told that ${childId} had ended as ${status}, and the log says otherwise`);
    }
    const parentId = parentOf(steps);
    if (parentId !== undefined && !executions.has(parentId))
      say("lost", `${parentId}, which had asked for ${executionId}, is not in the log`);
  }
}

/** Claims follow each other as attempts do, and who completed it had the last one. */
function judgeAttempts(executionId: string, steps: readonly Step[], say: Say): void {
  const outcome = outcomeOf(steps);
  const result = workOf(outcome);
  if (result === undefined) return;
  const claim = claimAtOutcome(steps);
  if (claim === undefined)
    say("superseded", `${executionId} was completed by attempt ${result.attempt}, and nobody had it`);
  else if (claim.attempt !== result.attempt)
    say(
      "superseded",
      `${executionId} was completed by attempt ${result.attempt}, when attempt ${claim.attempt} had it`,
    );
}

/** Which process, as the log names it, each process of the machine is; told by what was completed. */
export function processesOf(executions: Executions): Map<number, Set<string>> {
  const processes = new Map<number, Set<string>>();
  for (const steps of executions.values()) {
    const result = workOf(outcomeOf(steps));
    const claim = result && claimAtOutcome(steps);
    if (result === undefined || claim === undefined) continue;
    processes.set(result.pid, (processes.get(result.pid) ?? new Set()).add(claim.processId));
  }
  return processes;
}

function judgeEffects({ executions, arrivals }: Accounting, say: Say): void {
  const processes = processesOf(executions);
  for (const [pid, ids] of processes)
    if (ids.size > 1) say("superseded", `process ${pid} completed what ${[...ids].join(" and ")} had claimed`);
  const counted = new Map<string, EffectArrival>();
  const newest = new Map<string, number>();
  for (const arrival of arrivals) {
    const { key, execution, attempt, pid, nr, outcome, receipt } = arrival;
    const steps = executions.get(execution);
    if (steps === undefined) {
      say("unasked", `arrival ${nr} is for ${execution}, which is not in the log`);
      continue;
    }
    const ids = processes.get(pid);
    const claim = claimsOf(steps).find((each) => each.attempt === attempt && (ids?.has(each.processId) ?? true));
    if (claim === undefined)
      say("superseded", `arrival ${nr} is of attempt ${attempt} at ${execution} by process ${pid}, which never had it`);
    const first = counted.get(key);
    if (outcome === "counted") {
      if (first !== undefined) say("again", `the effect of ${execution} counts twice: arrivals ${first.nr} and ${nr}`);
      else counted.set(key, arrival);
      if (attempt < (newest.get(key) ?? 0))
        say(
          "superseded",
          `arrival ${nr}, of attempt ${attempt} at ${execution}, counts after attempt ${newest.get(key)}`,
        );
    } else if (first?.nr !== receipt) say("again", `arrival ${nr} was absorbed by one that is not there`);
    newest.set(key, Math.max(newest.get(key) ?? 0, attempt));
  }
  for (const [executionId, steps] of executions) {
    const result = workOf(outcomeOf(steps));
    if (result === undefined) continue;
    const done = counted.get(executionId);
    if (done === undefined) say("missing", `${executionId} was completed, and its effect was not done`);
    else if (done.nr !== result.receipt)
      say("missing", `${executionId} says that its effect is arrival ${result.receipt}, and it is ${done.nr}`);
  }
}
