import type { JsonValue, Runtime } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Operation } from "@viable/protocol";
import type { ResourceClaim, ResourceClaimOutcome } from "@viable/registry";
import type { z } from "zod";
import type { DelegateOptions, DelegateOutcome } from "./delegation.ts";
import type { Memory } from "./memory.ts";
import type { ProjectionReader } from "./projection-reader.ts";
import type { TaskRunOutcome } from "./task-run.ts";

/** How dangerous a command is. What follows from it (audit, approval) is policy; unknown is never low. */
export type Risk = "low" | "medium" | "high";

/** The caller's authority as it was when the task was accepted. */
export interface AgentAuthority {
  readonly operations: readonly Operation[];
  /** What kind of client began it all: `cli`, `web`, `api`; `agent` where the task was delegated. */
  readonly clientType: string;
  readonly sessionId: string | undefined;
  /** It began with that session's own token, which opens no other. Absent where a token that opens more acts in the session. */
  readonly isSessionToken?: true;
  /** What may not be asked for in its name either, as patterns of addresses. */
  readonly denied?: readonly string[];
  /** What could be asked for at the door, one of each list. It does not bind what is done for it; who tells the caller what it may do goes by it. */
  readonly resources?: readonly (readonly string[])[];
  /** The capability that was shown for it, its links' ids, the root first. Absent where none was: it is done for the system. */
  readonly capabilities?: readonly string[];
}

/** What an agent may use while it works on one task. */
export interface AgentContext {
  readonly executionId: string;
  readonly service: string;
  readonly agent: string;
  readonly tenant: string;
  readonly principal: string;
  /** The caller's W3C trace context, where there is one: carried on to what this task delegates and writes. */
  readonly traceparent?: string | undefined;
  /** What the caller may have done in its name; what this task delegates is done under it, or under less. */
  readonly authority: AgentAuthority;
  /** 1 for the first try, 2 for the next after a crash … */
  readonly attempt: number;
  /** Wall time in milliseconds by which the outcome must be there. */
  readonly deadline: number;
  /** Aborts when the task is cancelled, its deadline passes or its worker is stopped. Honour it in every wait. */
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
  /**
   * Tells everyone who watches how far the work is: 0 to 100 and a sentence. At most five a second are kept; of those in
   * between the latest wins. Never fails and never waits: metadata that cannot be kept, or is longer than 16,384 characters of
   * JSON, is left out, and why stands in its place.
   */
  progress(percent: number, message: string, metadata?: { readonly [key: string]: JsonValue }): void;
  /**
   * Has another agent, found by capability, do a task, under narrowed authority and this task's deadline. The outcome is
   * recorded: after a crash the repeated call is answered from the log and nothing is computed again, as long as calls are
   * made with the same capability and arguments. Refusals and failures are values.
   */
  delegate(capability: string, args: JsonValue, options?: DelegateOptions): Promise<DelegateOutcome>;
  /**
   * Has a run of one of the system's reactors do it, and waits for its end. The run is durable by itself: after a crash the repeated call finds it. When
   * this task is cancelled or out of time the run is cancelled, and undoes what it did. Refusals and failures are values. `key` tells
   * apart several runs of one task.
   */
  run(reactor: string, input: JsonValue, key?: string): Promise<TaskRunOutcome>;
  /**
   * Claims a resource of this tenant by name, until this task ends or it is let go: of all who claim it, in any process, one has it, by the policy that
   * all of them name. A conflict is settled and recorded, never by accident. Hand `token` on with each write: whoever keeps the resource
   * refuses a lower one than it has seen; `ended` says when it is held no more.
   */
  claim(resource: string, claim: Omit<ResourceClaim, "by">): Promise<ResourceClaimOutcome>;
  /** This service's private memory for this tenant. Survives restarts. */
  readonly memory: Memory;
  /** Memory shared by all services of this tenant. */
  readonly globalMemory: Memory;
  /** Reads a projection of the system: records of this tenant's alone, and rows of those that its queries ask for. */
  projection(name: string): ProjectionReader;
}

/** What an agent in a worker thread may use: it computes from its input, and neither delegates nor remembers. */
export type ThreadAgentContext = Pick<
  AgentContext,
  "executionId" | "service" | "agent" | "tenant" | "attempt" | "deadline" | "signal" | "progress"
>;

interface AgentSettings<Input extends z.ZodType> {
  /** Lower case words joined by `_` or `-`, unique in its service. */
  readonly name: string;
  /** What it can do, as tasks ask for it: `secret_scan`, or with an operation `code_analysis.complexity`. */
  readonly capability: string;
  /** One sentence for people who look for it. */
  readonly description: string;
  /** The shape of the task's arguments. What does not fit is refused before anything is recorded. */
  readonly input: Input;
  /** Default `medium`. */
  readonly risk?: Risk;
  /**
   * Whether equal tasks (same tenant, capability and arguments) that are in flight together are executed once (S9). Only for
   * agents whose result depends on nothing but the arguments and whose effects, if any, may happen once for all. Default false.
   */
  readonly joinable?: boolean;
  /**
   * For how long a result answers equal tasks after it, in milliseconds, without their being done again (S9): up to 30 days. Each is recorded with its
   * outcome, and says whose it is. Only what completed is remembered, up to a million characters of JSON. Needs `joinable`. Default: not at all.
   */
  readonly rememberMs?: number;
  /** How long one task may take, in milliseconds, where the caller says nothing shorter. Default 60,000 (the seed's `task_timeout`). */
  readonly timeoutMs?: number;
  /** How often a task is begun in all when its worker or process dies under it. An error that the agent throws is an outcome, not a reason to repeat. Default 3. */
  readonly maxAttempts?: number;
}

export interface InlineAgentSettings<Input extends z.ZodType> extends AgentSettings<Input> {
  /** Does the work. What it returns is the result and must be plain JSON; what it throws is the failure. */
  readonly handle: (ctx: AgentContext, input: z.output<Input>) => Promise<JsonValue> | JsonValue;
}

export interface ThreadAgentSettings<Input extends z.ZodType> extends AgentSettings<Input> {
  /** Always `import.meta.url`: the thread imports this module and looks for the exported agent of this name. */
  readonly module: string;
  /** The heap the thread may use, in MiB; over it the task fails with `agent.out_of_memory`. Default 512. */
  readonly maxMemoryMb?: number;
  readonly handle: (ctx: ThreadAgentContext, input: z.output<Input>) => Promise<JsonValue> | JsonValue;
}

/** An agent as data: frozen, introspectable, the same for both kinds but for where it runs. */
export interface AgentDefinition {
  readonly kind: "agent";
  readonly name: string;
  readonly capability: string;
  readonly description: string;
  readonly input: z.ZodType;
  readonly risk: Risk;
  readonly joinable: boolean;
  readonly rememberMs: number | undefined;
  readonly timeoutMs: number;
  readonly maxAttempts: number;
  readonly isolation:
    | { readonly kind: "inline" }
    | { readonly kind: "thread"; readonly module: string; readonly maxMemoryMb: number };
  readonly handle: (ctx: AgentContext, input: never) => Promise<JsonValue> | JsonValue;
}

/** The seed's `task_timeout`. */
const defaultTaskTimeoutMs = 60_000;
/** Longer than that, and a result belongs where it can be looked up by name: into memory. */
const maxRememberMs = 30 * 24 * 3_600_000;

/** Defines an agent that runs in the process's own thread: for waiting work. Work that computes belongs into `threadAgent`. */
export function agent<Input extends z.ZodType>(settings: InlineAgentSettings<Input>): AgentDefinition {
  return define(settings, settings.handle as AgentDefinition["handle"], { kind: "inline" });
}

/** Defines an agent that runs in a worker thread of its own, so that computing keeps no timer and no client waiting. */
export function threadAgent<Input extends z.ZodType>(settings: ThreadAgentSettings<Input>): AgentDefinition {
  return define(settings, settings.handle as AgentDefinition["handle"], {
    kind: "thread",
    module: settings.module,
    maxMemoryMb: settings.maxMemoryMb ?? 512,
  });
}

const namePattern = /^[a-z][a-z0-9]*([_-][a-z0-9]+)*$/;
const capabilityPattern = /^[a-z][a-z0-9]*([_-][a-z0-9]+)*(\.[a-z][a-z0-9]*([_-][a-z0-9]+)*)?$/;

function define(
  settings: AgentSettings<z.ZodType>,
  handle: AgentDefinition["handle"],
  isolation: AgentDefinition["isolation"],
): AgentDefinition {
  if (!namePattern.test(settings.name))
    throw invalidAgent(settings.name, "name", "must be lower case words joined by _ or -");
  if (!capabilityPattern.test(settings.capability)) {
    throw invalidAgent(
      settings.name,
      "capability",
      `"${settings.capability}" must look like secret_scan or code_analysis.complexity`,
    );
  }
  const timeoutMs = settings.timeoutMs ?? defaultTaskTimeoutMs;
  if (!(timeoutMs > 0 && timeoutMs <= 24 * 3_600_000)) {
    throw invalidAgent(settings.name, "timeoutMs", "must be more than 0 and at most a day in milliseconds");
  }
  const maxAttempts = settings.maxAttempts ?? 3;
  if (!(Number.isInteger(maxAttempts) && maxAttempts >= 1 && maxAttempts <= 100)) {
    throw invalidAgent(settings.name, "maxAttempts", "must be a whole number from 1 to 100");
  }
  const { joinable = false, rememberMs } = settings;
  if (rememberMs !== undefined && !(rememberMs > 0 && rememberMs <= maxRememberMs))
    throw invalidAgent(settings.name, "rememberMs", "must be more than 0 and at most 30 days in milliseconds");
  if (rememberMs !== undefined && !joinable)
    throw invalidAgent(settings.name, "rememberMs", "needs joinable: true, since a result answers only equal tasks");
  return Object.freeze({
    kind: "agent",
    name: settings.name,
    capability: settings.capability,
    description: settings.description,
    input: settings.input,
    risk: settings.risk ?? "medium",
    joinable,
    rememberMs,
    timeoutMs,
    maxAttempts,
    isolation: Object.freeze(isolation),
    handle,
  });
}

const invalidAgent = (name: string, field: string, reason: string): ViableError =>
  new ViableError("config.invalid", `agent "${name}": ${field} ${reason}.`, {
    details: { path: `agent.${name}.${field}` },
  });
