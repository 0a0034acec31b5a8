import { resolve } from "node:path";
import type { JsonObject, JsonValue } from "@viable/kernel";
import { nearestNames } from "@viable/kernel";
import { wrongUsage } from "./exit-status.ts";

/** The part of a JSON Schema that says how a word of the command line becomes a value. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly properties?: { readonly [name: string]: Schema };
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly enum?: readonly JsonValue[];
  readonly const?: JsonValue;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly required?: readonly string[];
  readonly description?: string;
  readonly default?: JsonValue;
}

/**
 * Makes a command's arguments of the words after it: `--key value`, `--key=value`, `--flag`, `--no-flag`, and `--kebab-case` for
 * `kebabCase`. The command's own schema says what is a number, a flag or JSON; whether the whole fits is the gateway's to say.
 */
export function parseCommandArguments(command: string, words: readonly string[], input: JsonObject): JsonObject {
  const schema = input as Schema;
  // Names come from outside: one that every object has already must not be found here.
  const args: Record<string, JsonValue> = Object.create(null);
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") continue;
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(word);
    if (match === null) {
      throw wrongUsage(
        `"${word}" stands alone: arguments of a command have names.`,
        describeArguments(command, schema) ?? "Give it as --name value.",
      );
    }
    const { name, negated } = findArgument(command, match[1] as string, schema);
    const wanted = schema.properties?.[name] ?? {};
    let text = match[2];
    if (negated || (text === undefined && isFlag(wanted) && rest[0] !== "true" && rest[0] !== "false"))
      text ??= negated ? "false" : "true";
    else if (text === undefined) text = takeValue(name, rest);
    addValue(args, name, wanted, toValue(name, text, wanted));
  }
  return args;
}

/** The gateway may run in another folder than whoever asks, so a relative `path` is made absolute here. */
export function resolvePaths(args: JsonObject, cwd: string): JsonObject {
  return typeof args.path === "string" ? { ...args, path: resolve(cwd, args.path) } : args;
}

/** The arguments a command takes, in a sentence; undefined where its schema does not say. */
export function describeArguments(command: string, input: JsonObject | Schema): string | undefined {
  const { properties, required = [] } = input as Schema;
  if (properties === undefined) return undefined;
  const names = Object.entries(properties).map(([name, schema]) => {
    const text = isFlag(schema) ? `--${name}` : `--${name} <${typeNames(schema)}>`;
    return required.includes(name) && schema.default === undefined ? text : `[${text}]`;
  });
  return names.length === 0 ? `${command} takes no arguments.` : `${command} takes ${names.join(" ")}.`;
}

function findArgument(command: string, written: string, schema: Schema): { name: string; negated: boolean } {
  const known = Object.keys(schema.properties ?? {});
  const camel = (text: string) => text.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  for (const name of [written, camel(written)]) if (known.includes(name)) return { name, negated: false };
  const positive = /^no-(.+)$/.exec(written)?.[1];
  if (positive !== undefined) {
    for (const name of [positive, camel(positive)])
      if (known.includes(name) && isFlag(schema.properties?.[name] ?? {})) return { name, negated: true };
  }
  if (schema.additionalProperties !== false) return { name: written, negated: false };
  const near = nearestNames(written, known);
  throw wrongUsage(
    `${command} has no argument "${written}".${near.length === 0 ? "" : ` Did you mean ${near.map((name) => `--${name}`).join(", ")}?`}`,
    describeArguments(command, schema),
  );
}

function takeValue(name: string, rest: string[]): string {
  const [next] = rest;
  if (next === undefined || next.startsWith("--"))
    throw wrongUsage(`--${name} needs a value.`, `A value that begins with two dashes is given as --${name}=VALUE.`);
  rest.shift();
  return next;
}

function addValue(args: Record<string, JsonValue>, name: string, schema: Schema, value: JsonValue): void {
  const before = args[name];
  if (before === undefined) args[name] = takesArray(schema) && !Array.isArray(value) ? [value] : value;
  else if (takesArray(schema) && Array.isArray(before)) before.push(...(Array.isArray(value) ? value : [value]));
  else throw wrongUsage(`--${name} is given twice.`);
}

/** What a word means where this schema is expected; of several possibilities the first that fits, text last. */
function toValue(name: string, text: string, schema: Schema): JsonValue {
  const literals = schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
  const literal = literals?.find((each) => (typeof each === "string" ? each : JSON.stringify(each)) === text);
  if (literal !== undefined) return literal;
  const wanted = types(schema);
  if (wanted.length === 0) return guess(text);
  const json = parseJson(text);
  if (json !== undefined && wanted.includes(typeOf(json.value))) return json.value;
  // One item of a list, or a word that the gateway will refuse with the reason.
  if (wanted.includes("array")) return toValue(name, text, schema.items ?? {});
  if (wanted.includes("string")) return text;
  throw wrongUsage(`--${name}: "${text}" is not of type ${typeNames(schema)}.`);
}

/** Without a schema: what reads as a number, true, false, null, a list or an object is that, and the rest is text. */
const guess = (text: string): JsonValue => {
  const json = parseJson(text);
  return json === undefined ? text : json.value;
};

function types(schema: Schema): string[] {
  const own = schema.type === undefined ? [] : typeof schema.type === "string" ? [schema.type] : [...schema.type];
  const branches = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].flatMap(types);
  const all = [...own, ...branches, ...(schema.enum ?? []).map(typeOf)];
  return all.flatMap((type) => (type === "number" ? ["number", "integer"] : [type]));
}

const typeNames = (schema: Schema): string =>
  schema.enum !== undefined
    ? schema.enum.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join("|")
    : [...new Set(types(schema))].filter((type, _, all) => type !== "integer" || !all.includes("number")).join("|") ||
      "JSON";
const isFlag = (schema: Schema): boolean => types(schema).join() === "boolean";
const takesArray = (schema: Schema): boolean => types(schema).includes("array");

function typeOf(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "number" && Number.isInteger(value) ? "integer" : typeof value;
}

function parseJson(text: string): { value: JsonValue } | undefined {
  try {
    return { value: JSON.parse(text) as JsonValue };
  } catch {
    return undefined;
  }
}

/** All arguments at once, as `--json` gives them. */
export function parseJsonObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw wrongUsage(`--json does not parse: ${error instanceof Error ? error.message : error}.`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw wrongUsage("--json must be an object.", `Write it like --json '{"key": "value"}'.`);
  return value as JsonObject;
}
