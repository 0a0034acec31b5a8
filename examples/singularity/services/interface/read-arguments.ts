import type { JsonValue } from "viable";

/** What a sentence says besides which command: the arguments, and the sentence without them. */
export interface ReadArguments {
  readonly args: { readonly [name: string]: JsonValue };
  readonly rest: string;
}

const word = /"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<bare>[^\s"']*=(?:"[^"]*"|'[^']*')|\S+)/g;
const named = /^(?:--)?(?<name>[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*|[a-z][a-zA-Z0-9]*)=(?<value>.*)$/s;
const flag = /^--(?<name>[a-z][a-zA-Z0-9]*(?:-[a-z0-9]+)*)$/;
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
  for (let at = 0; at < words.length; at++) {
    const { text, isQuoted } = words[at] as (typeof words)[number];
    const assigned = isQuoted ? undefined : named.exec(text)?.groups;
    const option = isQuoted ? undefined : flag.exec(text)?.groups?.name;
    if (assigned !== undefined) {
      args[toCamelCase(assigned.name as string)] = toValue((assigned.value as string).replace(/^(["'])(.*)\1$/s, "$2"));
    } else if (option !== undefined) {
      const next = words[at + 1];
      const takesNext = next !== undefined && (next.isQuoted || !next.text.startsWith("--"));
      args[toCamelCase(option)] = takesNext ? (next.isQuoted ? next.text : toValue(next.text)) : true;
      if (takesNext) at++;
    } else if (args.path === undefined && looksLikePath(text, isQuoted)) args.path = withoutMarks(text, isQuoted);
    else rest.push(text);
  }
  return { args: { ...args }, rest: rest.join(" ") };
}

function looksLikePath(text: string, isQuoted: boolean): boolean {
  return path.test(withoutMarks(text, isQuoted));
}

/** A sentence goes on after a path: "in ./src, please?" */
const withoutMarks = (text: string, isQuoted: boolean): string =>
  isQuoted || /^\.{1,2}$/.test(text) ? text : text.replace(/[?!,;:)]+$/, "").replace(/(?<=[\w/])\.$/, "");

const toCamelCase = (name: string): string =>
  name.replace(/[-_]([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function toValue(text: string): JsonValue {
  if (text === "true" || text === "false") return text === "true";
  // Not what JSON would call a number as well: 1e400 is none, and 007 is a name.
  return /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?$/.test(text) ? Number(text) : text;
}
