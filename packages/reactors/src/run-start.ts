import type { JsonValue } from "@viable/kernel";
import { findJsonProblem, keepJson } from "@viable/kernel";
import type { Claim, RunEventData } from "@viable/protocol";
import type { ReactorDefinition } from "./definition.ts";
import { invalidInput } from "./errors.ts";
import { isAsync, takesTime } from "./judge-by.ts";
import { maxKeyChars, maxResultChars } from "./run-bounds.ts";

/** What a schema makes of an input, or why it does not fit and where. It is judged at once: one that throws, or takes its time, fits nothing. */
export function parseInput(
  schema: ReactorDefinition["input"],
  input: unknown,
): { readonly data: unknown } | { readonly path: string; readonly reason: string } {
  try {
    const judged = schema.safeParse(input);
    if (judged.success) return { data: judged.data };
    const [issue] = judged.error.issues;
    return {
      path: ["input", ...(issue?.path ?? [])].map(String).join("."),
      reason: issue?.message ?? "does not fit",
    };
  } catch (error) {
    const reason = isAsync(error)
      ? `the schema ${takesTime}`
      : `the schema throws (${error instanceof Error ? error.message : String(error)})`;
    return { path: "input", reason };
  }
}

/** What a run begins with, as it is kept: judged by its reactor's schema. Throws `reactor.invalid_input`. */
export function judgeInput({ name, input: schema }: ReactorDefinition, input: unknown): JsonValue {
  const parsed = parseInput(schema, input);
  if ("reason" in parsed) throw invalidInput(name, parsed.path, parsed.reason);
  const kept = keepInput(parsed.data);
  if ("reason" in kept) throw invalidInput(name, kept.path, kept.reason);
  return kept.value;
}

/** An input as it is kept, or why it cannot be. */
export function keepInput(
  input: unknown,
): { readonly value: JsonValue } | { readonly path: string; readonly reason: string } {
  const kept = keepJson(input, maxResultChars, "input");
  if (typeof kept !== "string") return kept;
  // What is no JSON is named where it stands; what is too large, or cannot be looked at, stands nowhere in particular.
  const problem = kept.startsWith("input") ? findJsonProblem(input, "input") : undefined;
  return problem ?? { path: "input", reason: kept };
}

/** What is wrong with a key that a run is to be known by, or that something is sent under. */
export const findKeyProblem = (key: string): string | undefined =>
  key.length === 0 || key.length > maxKeyChars ? `must be 1 to ${maxKeyChars} characters` : undefined;

/** Refuses a key that a run cannot be known by. Throws `reactor.invalid_input`. */
export function checkKey(of: string, key: string): void {
  const problem = findKeyProblem(key);
  if (problem !== undefined) throw invalidInput(of, "key", problem);
}

/** What else a run may begin with. */
interface StartedAs {
  readonly claim: Claim | undefined;
  readonly key?: string | undefined;
  readonly parent?: RunEventData<"run.started">["parent"];
  readonly forkedFrom?: RunEventData<"run.started">["forkedFrom"];
}

/** What the first event of a run says that begins at `nowMs`, wall time in milliseconds. */
export function toStart(
  { name, version, hash, timeoutMs }: ReactorDefinition,
  input: JsonValue,
  nowMs: number,
  { claim, key, parent, forkedFrom }: StartedAs,
): RunEventData<"run.started"> {
  return {
    reactor: name,
    version,
    hash,
    input,
    ...(timeoutMs !== undefined && { deadline: nowMs + timeoutMs }),
    ...(claim !== undefined && { claim }),
    ...(key !== undefined && { key }),
    ...(parent !== undefined && { parent }),
    ...(forkedFrom !== undefined && { forkedFrom }),
  };
}
