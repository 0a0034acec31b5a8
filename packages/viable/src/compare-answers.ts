import type { JsonObject, JsonValue } from "@viable/kernel";

/** One place where two answers differ, with what stands there, as JSON; a side that has nothing there is absent. */
export type Difference = { readonly path: string; readonly service?: string; readonly legacy?: string };

/** How two answers differ; equal ones have no differences. */
export interface AnswerComparison {
  readonly differences: readonly Difference[];
  /** Differences beyond those that are named. */
  readonly more: number;
}

/** Places that are named: who wants more of them looks at the two answers. */
const maxDifferences = 20;
/** Characters of a path and of a value that are shown: enough to recognise them. */
const maxShownChars = 120;

/** Compares two answers member by member. Pure; equal where their canonical JSON is. */
export function compareAnswers(service: JsonValue, legacy: JsonValue): AnswerComparison {
  const differences: Difference[] = [];
  let found = 0;
  const note = (path: string, ofService: JsonValue | undefined, ofLegacy: JsonValue | undefined) => {
    found += 1;
    if (differences.length >= maxDifferences) return;
    differences.push({
      path: cut(path),
      ...(ofService !== undefined && { service: show(ofService) }),
      ...(ofLegacy !== undefined && { legacy: show(ofLegacy) }),
    });
  };
  const compare = (path: string, a: JsonValue | undefined, b: JsonValue | undefined): void => {
    if (Array.isArray(a) && Array.isArray(b)) {
      for (let index = 0; index < Math.max(a.length, b.length); index++)
        compare(`${path}[${index}]`, a[index], b[index]);
    } else if (isObject(a) && isObject(b)) {
      for (const name of [...new Set([...Object.keys(a), ...Object.keys(b)])].sort())
        compare(memberPath(path, name), ownMember(a, name), ownMember(b, name));
    } else if (a !== b) note(path === "" ? "the whole" : path, a, b);
  };
  compare("", service, legacy);
  return { differences, more: found - differences.length };
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const ownMember = (value: JsonObject, name: string): JsonValue | undefined =>
  Object.hasOwn(value, name) ? value[name] : undefined;

function memberPath(path: string, name: string): string {
  if (!/^[A-Za-z_]\w*$/.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path === "" ? name : `${path}.${name}`;
}

const show = (value: JsonValue): string => cut(JSON.stringify(value));
const cut = (text: string): string => (text.length <= maxShownChars ? text : `${text.slice(0, maxShownChars - 1)}…`);
