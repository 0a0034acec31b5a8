import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Registry } from "@viable/registry";
import { isOpenTo } from "@viable/registry/define";
import type { AgentContext, ExecutionState, Executions, ServiceDefinition } from "@viable/swarm";
import { contextOf } from "@viable/swarm";
import { compareAnswers } from "./compare-answers.ts";
import type { Comparison } from "./migration-tally.ts";
import { keepComparison } from "./migration-tally.ts";

/** What comparing needs to know of the system. */
export interface ComparisonSources {
  /** Those that the config declares. */
  readonly services: readonly ServiceDefinition[];
  registry(): Registry;
  executions(): Executions;
}

/** The two services of a comparison, and which of them has answered already. */
interface Sides {
  readonly service: string;
  readonly legacy: string;
  readonly done: "service" | "legacy";
}

/**
 * Has the other side of a migration do what an execution did, compares the answers and counts that. Only where doing it again does no
 * harm: the agent's risk is low. It is the answers that are compared, not the moments: what has changed in between is a difference too.
 *
 * Throws `migration.unknown_execution` and `migration.not_comparable`. That the other side did not answer is a value.
 */
export async function compareExecution(
  sources: ComparisonSources,
  ctx: AgentContext,
  executionId: string,
): Promise<JsonValue> {
  const executions = sources.executions();
  const readCtx = contextOf(ctx);
  const first = await executions.get(readCtx, executionId);
  // A session sees its own executions; whoever is bound to none sees the tenant's.
  if (first === undefined || (ctx.authority.sessionId ?? first.session) !== first.session) {
    throw new ViableError("migration.unknown_execution", `There is no execution ${executionId}.`, {
      next: "Name one of this session.",
    });
  }
  const { service, legacy, done } = findSides(sources, first);
  const { command: capability, args } = first.accepted;
  const outcome = await ctx.delegate(capability, args, { service: done === "service" ? legacy : service });
  const { executionId: comparedWith } = outcome;
  const second = comparedWith === undefined ? undefined : await executions.get(readCtx, comparedWith);
  const by = { comparisonId: ctx.executionId, at: new Date(ctx.runtime.clock.now()).toISOString() };
  const count = (comparison: Comparison) => keepComparison(ctx.globalMemory, { service, capability }, comparison, by);
  const about = { capability, service, legacy };
  if (second === undefined || !isAnswered(second)) {
    const reason = outcome.ok ? "Its answer cannot be read." : outcome.error.message;
    const comparison = { status: "unanswered", executionId, comparedWith, reason } as const;
    await count(comparison);
    return { ...about, ...comparison };
  }
  const [ofService, ofLegacy] = done === "service" ? [first, second] : [second, first];
  const { differences, more } = compareAnswers(answerOf(ofService), answerOf(ofLegacy));
  const status = differences.length === 0 ? "equal" : "different";
  const ms = { service: durationMs(ofService), legacy: durationMs(ofLegacy) };
  await count({ status, executionId, comparedWith, paths: differences.map(({ path }) => path), more, ms });
  return { ...about, status, executionId, comparedWith, differences: [...differences], more, ms };
}

/** Who answered and who is to. Throws where an execution cannot be compared, with the reason. */
function findSides(
  { services, registry }: ComparisonSources,
  { status, joinedTo, accepted, tenant }: ExecutionState,
): Sides {
  const { command, service: by, route } = accepted;
  if (status !== "completed" && status !== "failed")
    throw notComparable(`It is ${status}`, "Compare an execution that has completed or failed.");
  if (joinedTo !== undefined)
    throw notComparable(`It has the answer of ${joinedTo}, which it had joined`, "Compare that one.");
  if (accepted.approval !== undefined)
    throw notComparable("A person was asked for it", "Compare one that nobody had to approve.");
  const offering = services.filter((each) => each.capabilities.includes(command) && isOpenTo(each, tenant));
  const risk = offering[0]?.agents.find((agent) => agent.capability === command)?.risk;
  const ruled = new Set(
    registry()
      .migrations()
      .map((rule) => rule.service),
  );
  const moving = offering.filter((each) => !each.legacy && ruled.has(each.name)).map((each) => each.name);
  const legacies = offering.filter((each) => each.legacy).map((each) => each.name);
  const done = legacies.includes(by) ? "legacy" : "service";
  // What the legacy one did is held against the service whose task it was.
  const owner = done === "service" ? by : (route.migration?.service ?? moving[0]);
  const service = moving.find((name) => name === owner);
  const legacy = done === "legacy" ? by : legacies[0];
  if (service === undefined)
    throw notComparable(`No service with a migration rule offers "${command}"`, "Set one: migration.set.");
  if (legacy === undefined)
    throw notComparable(`No legacy service offers "${command}"`, "Compare what both offer: migration.status lists it.");
  if (risk !== "low")
    throw notComparable(`"${command}" has a ${risk} risk, so it is not done twice`, "Compare the two by hand.");
  return { service, legacy, done };
}

const notComparable = (what: string, next: string): ViableError =>
  new ViableError("migration.not_comparable", `${what}.`, { next });

const isAnswered = ({ status }: ExecutionState): boolean => status === "completed" || status === "failed";

/** What is held against the other side's: the result, or the code of the failure, whose words may name what differs by right. */
const answerOf = ({ status, result, error }: ExecutionState): JsonValue =>
  status === "completed" ? { result: result ?? null } : { error: { code: error?.code ?? "internal" } };

const durationMs = ({ acceptedAt, startedAt, endedAt }: ExecutionState): number =>
  (endedAt ?? acceptedAt) - (startedAt ?? acceptedAt);
