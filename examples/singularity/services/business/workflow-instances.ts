/**
 * Running workflows, kept in the service's memory by id. An instance holds its workflow, so that what it may do cannot change under
 * it. Each move is one write at the version that was read: of two events on one instance one is kept, and the other is told so.
 */
import type { AgentContext, JsonValue, MemoryEntry } from "viable";
import { ViableError } from "viable";
import type { Workflow } from "./workflow-definition.ts";

type InstanceContext = Pick<AgentContext, "memory" | "runtime" | "executionId">;

export type Move = {
  readonly event: string;
  readonly from: string;
  readonly to: string;
  readonly at: string;
  /** The execution that made it: the same one asking again, after a crash, finds what it did. */
  readonly by: string;
};

export type Instance = {
  readonly id: string;
  /** 1 at the start, one more with each move. */
  readonly version: number;
  readonly state: string;
  readonly workflow: Workflow;
  readonly startedAt: string;
  readonly startedBy: string;
  /** The latest moves. */
  readonly history: readonly Move[];
};

const namespace = "workflow-instances";
/** Moves that are remembered; the log has all of them. */
const maxHistory = 100;
/** Half of what a memory value holds: the rest is for the history. */
const maxWorkflowChars = 500_000;

/** How long an instance that has come to an end can still be looked at, in milliseconds. */
const endedMs = 90 * 24 * 3_600_000;

/** Begins an instance in the workflow's initial state. Throws `workflow.exists` where another execution has begun one of this id. */
export async function startInstance(ctx: InstanceContext, id: string, workflow: Workflow): Promise<Instance> {
  const { length } = JSON.stringify(workflow);
  if (length > maxWorkflowChars) {
    throw new ViableError("workflow.too_large", `It has ${length} characters of JSON; ${maxWorkflowChars} are kept.`, {
      next: "Put long values into the facts.",
    });
  }
  const instance: Instance = {
    id,
    version: 1,
    state: workflow.initial,
    workflow,
    startedAt: timeOf(ctx),
    startedBy: ctx.executionId,
    history: [],
  };
  const options = { namespace, expected: 0, ...lifeIn(workflow, workflow.initial) };
  const written = await ctx.memory.set(id, instance as unknown as JsonValue, options);
  if (written.ok) return instance;
  const { instance: there } = await findInstance(ctx, id);
  if (there.startedBy === ctx.executionId) return there;
  throw new ViableError("workflow.exists", `An instance "${id}" is there already, in the state "${there.state}".`, {
    next: "Send it events, or start one under another id.",
  });
}

/** Throws `workflow.not_found`. */
export async function findInstance(
  ctx: Pick<InstanceContext, "memory">,
  id: string,
): Promise<{ readonly entry: MemoryEntry; readonly instance: Instance }> {
  const entry = await ctx.memory.get(id, namespace);
  if (entry !== undefined) return { entry, instance: entry.value as unknown as Instance };
  throw new ViableError("workflow.not_found", `There is no instance "${id}".`, { next: "Start one first." });
}

/** Writes a move; undefined when somebody else has written since the entry was read. */
export async function moveInstance(
  ctx: InstanceContext,
  { entry, instance }: { readonly entry: MemoryEntry; readonly instance: Instance },
  event: string,
  to: string,
): Promise<Instance | undefined> {
  const move: Move = { event, from: instance.state, to, at: timeOf(ctx), by: ctx.executionId };
  const moved: Instance = {
    ...instance,
    version: instance.version + 1,
    state: to,
    history: [...instance.history, move].slice(-maxHistory),
  };
  const options = { namespace, expected: entry.version, ...lifeIn(instance.workflow, to) };
  const written = await ctx.memory.set(instance.id, moved as unknown as JsonValue, options);
  return written.ok ? moved : undefined;
}

/** One that can still move is kept until it does; one that cannot is forgotten some day. */
const lifeIn = ({ transitions }: Workflow, state: string): { expiresInMs?: number } =>
  transitions.some(({ from }) => from === state) ? {} : { expiresInMs: endedMs };

const timeOf = (ctx: InstanceContext): string => new Date(ctx.runtime.clock.now()).toISOString();
