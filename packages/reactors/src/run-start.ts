import type { JsonValue } from "@viable/kernel";
import type { Claim, RunEventData } from "@viable/protocol";
import type { ReactorDefinition } from "./definition.ts";
import { invalidInput } from "./errors.ts";
import { keepJson } from "./keep-json.ts";
import { maxKeyChars, maxResultChars } from "./run-bounds.ts";

/** What a run begins with, as it is kept: judged by its reactor's schema. Throws `reactor.invalid_input`. */
export function judgeInput({ name, input: schema }: ReactorDefinition, input: unknown): JsonValue {
  const judged = schema.safeParse(input);
  if (!judged.success) {
    const [issue] = judged.error.issues;
    const path = ["input", ...(issue?.path ?? [])].map(String).join(".");
    throw invalidInput(name, path, issue?.message ?? "does not fit");
  }
  const kept = keepJson(judged.data, maxResultChars);
  if (typeof kept === "string") throw invalidInput(name, "input", kept);
  return kept.value as JsonValue;
}

/** Refuses a key that a run cannot be known by. Throws `reactor.invalid_input`. */
export function checkKey(of: string, key: string): void {
  if (key.length === 0 || key.length > maxKeyChars)
    throw invalidInput(of, "key", `must be 1 to ${maxKeyChars} characters`);
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
