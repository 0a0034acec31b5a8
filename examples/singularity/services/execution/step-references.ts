import type { JsonObject, JsonValue } from "viable";

type Path = (string | number)[];

/** Ids of the steps whose answers are taken. */
export function listReferences(args: JsonValue): string[] {
  if (typeof args !== "object" || args === null) return [];
  if (isReference(args)) return typeof args.$from === "string" ? [args.$from] : [];
  return Object.values(args).flatMap((each) => (each === undefined ? [] : listReferences(each)));
}

/** References that are none: to no step, with a path that is no text, with members beside. */
export function findReferenceProblems(
  args: JsonValue,
  ids: ReadonlySet<string>,
  path: Path = [],
): { path: Path; reason: string }[] {
  if (typeof args !== "object" || args === null) return [];
  if (!isReference(args)) {
    return Object.entries(args).flatMap(([key, value]) =>
      value === undefined ? [] : findReferenceProblems(value, ids, [...path, Array.isArray(args) ? Number(key) : key]),
    );
  }
  const { $from, path: within, ...rest } = args;
  if (typeof $from !== "string") return [{ path: [...path, "$from"], reason: "must be the id of a step" }];
  if (!ids.has($from)) return [{ path: [...path, "$from"], reason: `there is no "${$from}"` }];
  if (within !== undefined && (typeof within !== "string" || within === "")) {
    return [{ path: [...path, "path"], reason: "must be names joined by dots" }];
  }
  return Object.keys(rest).map((each) => ({ path: [...path, each], reason: "is not known beside $from and path" }));
}

/** Arguments with answers in the place of references, or why one is not there. */
export function fillIn(
  args: JsonValue,
  answerOf: (id: string) => JsonValue | undefined,
): { readonly args: JsonValue } | { readonly lacking: string } {
  const lacking: string[] = [];
  const fill = (value: JsonValue): JsonValue => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(fill);
    if (!isReference(value)) {
      return Object.fromEntries(
        Object.entries(value).map(([key, each]) => [key, each === undefined ? each : fill(each)]),
      );
    }
    const { $from, path } = value as { $from: string; path?: string };
    const answer = answerOf($from);
    const found = answer === undefined ? undefined : readPath(answer, path);
    if (found === undefined)
      lacking.push(answer === undefined ? `"${$from}" has no answer` : `the answer of "${$from}" has no ${path}`);
    return found ?? null;
  };
  const filled = fill(args);
  return lacking.length === 0 ? { args: filled } : { lacking: lacking.join("; ") };
}

/** What stands under a path; members that objects and lists have by birth are none of the answer's. */
function readPath(answer: JsonValue, path: string | undefined): JsonValue | undefined {
  let value: JsonValue | undefined = answer;
  for (const part of path?.split(".") ?? []) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    if (Array.isArray(value) && !/^\d+$/.test(part)) return undefined;
    value = (value as JsonObject)[part];
  }
  return value;
}

const isReference = (value: object): value is JsonObject => !Array.isArray(value) && Object.hasOwn(value, "$from");
