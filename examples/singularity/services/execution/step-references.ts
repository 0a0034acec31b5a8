import type { JsonObject, JsonValue } from "viable";

type Path = (string | number)[];

/** Of one path, in characters: longer than any that somebody writes, and short enough to be told in an answer. */
const maxPathChars = 500;
/** Characters of JSON that the answers taken by one step may have, together: what the log takes at once, and one whole answer twice over. */
const maxTakenChars = 8_000_000;
/** References told of one step that are not to be had. */
const maxTold = 3;

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
  if (within !== undefined && within.length > maxPathChars) {
    return [{ path: [...path, "path"], reason: `is longer than ${maxPathChars} characters` }];
  }
  return Object.keys(rest).map((each) => ({ path: [...path, each], reason: "is not known beside $from and path" }));
}

/** Arguments with answers in the place of references, or why they are not to be had. */
export function fillIn(
  args: JsonValue,
  answerOf: (id: string) => JsonValue | undefined,
): { readonly args: JsonValue } | { readonly lacking: string } {
  const lacking = new Set<string>();
  let takenChars = 0;
  const take = ({ $from, path }: { $from: string; path?: string }): JsonValue => {
    // Each is written out as often as it is taken: some thousand times a large answer is more than a machine holds.
    if (takenChars > maxTakenChars) return null;
    const answer = answerOf($from);
    const found = answer === undefined ? undefined : readPath(answer, path);
    if (found === undefined) {
      lacking.add(answer === undefined ? `"${$from}" has no answer` : `the answer of "${$from}" has no ${path}`);
      return null;
    }
    takenChars += JSON.stringify(found).length;
    return found;
  };
  const fill = (value: JsonValue): JsonValue => {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return value.map(fill);
    if (isReference(value)) return take(value as { $from: string; path?: string });
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, each === undefined ? each : fill(each)]),
    );
  };
  const filled = fill(args);
  if (takenChars > maxTakenChars) {
    return { lacking: `the answers they take have more than ${maxTakenChars} characters together` };
  }
  return lacking.size === 0 ? { args: filled } : { lacking: tell([...lacking]) };
}

const tell = (reasons: readonly string[]): string =>
  `${reasons.slice(0, maxTold).join("; ")}${reasons.length > maxTold ? `; and ${reasons.length - maxTold} more` : ""}`;

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
