import type { JsonValue, Runtime } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { z } from "zod";
import type { Memory } from "../memory.ts";
import type { ProjectionReader } from "../projection-reader.ts";
import type { QueryOutcome } from "./query-outcome.ts";

/** What a query may use while it answers. It reads and changes nothing: it may be asked again, and asked of another swarm. */
export interface QueryContext {
  readonly service: string;
  readonly query: string;
  readonly tenant: string;
  readonly principal: string;
  /** The caller's W3C trace context, where there is one: carried on to what this asks. */
  readonly traceparent: string | undefined;
  /** Wall time in milliseconds by which the answer must be there. */
  readonly deadline: number;
  /** Aborts when nobody waits for the answer any more. Honour it in every wait. */
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
  /** This service's private memory for this tenant, to read. */
  readonly memory: Pick<Memory, "get" | "list">;
  /** Memory shared by all services of this tenant, to read. */
  readonly globalMemory: Pick<Memory, "get" | "list">;
  /** Reads a projection of the system: records of this tenant's alone, and rows of those that its queries ask for. */
  projection(name: string): ProjectionReader;
  /** Asks another query under the same authority and within the same time. Refusals and failures are values. */
  ask(query: string, args: JsonValue): Promise<QueryOutcome>;
}

export interface QuerySettings<Input extends z.ZodType> {
  /** What it is asked by, as capabilities are named: `usage`, or with an operation `storage.usage`. No command may have the same. */
  readonly name: string;
  /** One sentence for people who look for it. */
  readonly description: string;
  /** The shape of the arguments. What does not fit is refused before anything is done. */
  readonly input: Input;
  /** How long one answer may take, in milliseconds, where the caller says nothing shorter. Default 10,000. */
  readonly timeoutMs?: number;
  /** How many are answered at the same time in one process; one more is refused as overloaded. Default 1,000. */
  readonly maxConcurrent?: number;
  /** What it comes to must be plain JSON. What it throws is the failure. */
  readonly answer: (ctx: QueryContext, input: z.output<Input>) => JsonValue | Promise<JsonValue>;
}

/** A question that a service answers, as data. */
export interface QueryDefinition extends Required<Omit<QuerySettings<z.ZodType>, "answer">> {
  readonly kind: "query";
  readonly answer: (ctx: QueryContext, input: never) => JsonValue | Promise<JsonValue>;
}

/** As long as a request on the bus waits. */
const defaultTimeoutMs = 10_000;
const defaultMaxConcurrent = 1_000;
const namePattern = /^[a-z][a-z0-9]*([_-][a-z0-9]+)*(\.[a-z][a-z0-9]*([_-][a-z0-9]+)*)?$/;

/**
 * Defines a question that a service answers at once: declared read-only, so it is authorised (`read`), bounded and traced, and not recorded.
 * What changes something is an agent's task. Throws `config.invalid`.
 */
export function query<Input extends z.ZodType>(settings: QuerySettings<Input>): QueryDefinition {
  const { name, description, input, timeoutMs = defaultTimeoutMs, maxConcurrent = defaultMaxConcurrent } = settings;
  if (!namePattern.test(name)) throw invalid(name, "name", "must look like usage or storage.usage");
  if (!(timeoutMs > 0 && timeoutMs <= 300_000))
    throw invalid(name, "timeoutMs", "must be more than 0 and at most five minutes in milliseconds");
  if (!Number.isInteger(maxConcurrent) || maxConcurrent < 1 || maxConcurrent > 100_000)
    throw invalid(name, "maxConcurrent", "must be a whole number from 1 to 100000");
  const answer = settings.answer as QueryDefinition["answer"];
  return Object.freeze({ kind: "query", name, description, input, timeoutMs, maxConcurrent, answer });
}

const invalid = (name: string, field: string, reason: string): ViableError =>
  new ViableError("config.invalid", `query "${name}": ${field} ${reason}.`, {
    details: { path: `query.${name}.${field}` },
  });
