import type { JsonValue } from "viable";

/** What a sentence says besides which command: the arguments, and the sentence without them. */
export interface ReadArguments {
  readonly args: { readonly [name: string]: JsonValue };
  readonly rest: string;
}

const word = /"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<bare>[^\s"']*=(?:"[^"]*"|'[^']*')|\S+)/g;
const named = /^(?:--)?(?<name>[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*|[a-z][a-zA-Z0-9]*)=(?<value>.*)$/s;
const flag = /^--(?<name>[a-z][a-zA-Z0-9]*(?:-[a-z0-9]+)*)$/;
/** A path beyond doubt; of others one like it may be none, as in "and/or" and "10/10". */
const clearPath = /^(?:\.{1,2}|\.{1,2}\/.*|~?\/.+)$/;
const noPath = /^(?:and\/or|\d+\/\d+)$/i;
/** `.`, `..`, `./x`, `../x`, `/x`, `~/x`, `x/y`, `x.ts`: not an address on the net, not a number, not a capability. */
const path =
  /^(?:\.{1,2}|(?:\.{1,2}|~)?\/.*|[^\s/:]+\/[^\s:]*|[^\s/:]+\.(?:[cm]?[jt]sx?|json|md|ya?ml|py|go|rs|java))$/;

/**
 * Finds the arguments in a sentence: `name=value`, `--name value`, and a path, which is the argument `path` unless one is named.
 * Numbers, `true` and `false` are what they look like; `--kebab-case` is `kebabCase`.
 */
export function readArguments(message: string): ReadArguments {
  const args: Record<string, JsonValue> = Object.create(null);
  const rest: string[] = [];
  const words = [...message.matchAll(word)].map(({ groups = {} }) => ({
    text: groups.double ?? groups.single ?? groups.bare ?? "",
    isQuoted: groups.bare === undefined,
  }));
  const places: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const { text, isQuoted } = words[at] as (typeof words)[number];
    const assigned = isQuoted ? undefined : named.exec(text)?.groups;
    const option = isQuoted ? undefined : flag.exec(text)?.groups?.name;
    if (assigned !== undefined) {
      args[toCamelCase(assigned.name as string)] = toValue(withoutQuotes(assigned.value as string));
    } else if (option !== undefined) {
      const next = words[at + 1];
      const takesNext = next !== undefined && (next.isQuoted || !next.text.startsWith("--"));
      args[toCamelCase(option)] = takesNext
        ? next.isQuoted
          ? next.text
          : toValue(withoutMarks(next.text, false))
        : true;
      if (takesNext) at++;
    } else if (looksLikePath(text, isQuoted)) places.push(withoutMarks(text, isQuoted));
    else rest.push(text);
  }
  const place = places.find((each) => clearPath.test(each)) ?? places[0];
  rest.push(...places.filter((each) => each !== place));
  return { args: place === undefined ? { ...args } : { path: place, ...args }, rest: rest.join(" ") };
}

function looksLikePath(text: string, isQuoted: boolean): boolean {
  const place = withoutMarks(text, isQuoted);
  return path.test(place) && !noPath.test(place);
}

/** A sentence goes on after a path: "in ./src, please?" */
const withoutMarks = (text: string, isQuoted: boolean): string =>
  isQuoted || /^\.{1,2}$/.test(text) ? text : text.replace(/(?<![?!,;:)])[?!,;:)]+$/, "").replace(/(?<=[\w/])\.$/, "");

/** A sentence goes on after a value as well, unless quotes say where it ends. */
const withoutQuotes = (value: string): string => /^(["'])(.*)\1$/s.exec(value)?.[2] ?? withoutMarks(value, false);

const toCamelCase = (name: string): string =>
  name.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function toValue(text: string): JsonValue {
  if (text === "true" || text === "false") return text === "true";
  // Not what JSON would call a number as well: 1e400 is none, and 007 is a name.
  return /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/.test(text) ? Number(text) : text;
}
