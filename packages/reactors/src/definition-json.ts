import { toFieldProblems } from "@viable/protocol";
import type { z } from "zod";
import type { ReactorDefinition, StepFunction } from "./definition.ts";
import { hashOf } from "./definition-hash.ts";
import { readInput, writeInput } from "./input-json.ts";
import type { Gap } from "./json-errors.ts";
import { functionsMismatch, hashMismatch, invalidJson } from "./json-errors.ts";
import { planOf } from "./plan.ts";
import type { ReactorJson } from "./reactor-json.ts";
import { format, reactorJson } from "./reactor-json.ts";

type Named<T> = ReadonlyMap<string, T> | { readonly [name: string]: T };

/**
 * What a JSON does not hold. A definition is such a thing too: `fromJson(json, order)` gives what was written the functions, the input
 * schema and the children's functions that `order` has.
 */
export interface Attachments<Given = unknown> {
  /** A function for each name in the JSON's `functions`, and no others. */
  readonly functions: Named<StepFunction>;
  /** Judges the input, instead of the JSON's schema: with it transforms and checks are as they were. */
  readonly input?: z.ZodType<unknown, Given>;
  /** For each composed reactor, by name. One that is left out is taken to have no functions. */
  readonly children?: Named<Attachments>;
}

/**
 * Writes a definition as plain JSON, its functions by name. What it writes, `fromJson` reads: a definition that could not be read back,
 * because it was changed after it was built, is refused with `reactor.invalid_json` or `reactor.hash_mismatch`. The same definition
 * always comes to the same text.
 *
 * Not in it: what functions do, and of the input schema what JSON Schema cannot say. An input that drops members it does not know is
 * written as one that has no others, so that a step that takes one is found. A reactor that is composed in two places is written twice.
 */
export function toJson(definition: ReactorDefinition): ReactorJson {
  const json = parse(write(definition, new Map()));
  // Throws where the hash is not that of what was written.
  assemble(json, "json", definition, []);
  return json;
}

/**
 * Reads a definition from JSON, planned and frozen as `reactor()` would have: runs that began with the one that was written go on with this
 * one, since its hash is the same. Throws, and nothing is half read:
 *
 * - `reactor.invalid_json`: it has another shape. Each problem with its place and reason.
 * - `reactor.hash_mismatch`: it says another hash than it comes to, here or in a child. Whoever changes a JSON leaves `hash` out, in every
 *   reactor around the change too.
 * - `reactor.functions_mismatch`: functions are missing, or have no place in it; all of them are named at once. One too many is refused since
 *   most often it is a misspelt one, and a judge of payloads or results that is not found would silently not judge.
 * - `reactor.invalid_definition`: it cannot be run. A JSON can hold what the builder cannot say, such as steps that wait for each other.
 *
 * Not promised: that the functions are those which it was written with (their names are all there is to go by), and that a stranger's
 * JSON is harmless. It calls only the functions it is given, but with whatever arguments it likes, and a pattern in its input schema can
 * take for ever.
 */
export function fromJson<Given>(
  json: unknown,
  attachments: Attachments<Given> & { readonly input: z.ZodType<unknown, Given> },
): ReactorDefinition<Given>;
export function fromJson(json: unknown, attachments: Attachments): ReactorDefinition;
export function fromJson(json: unknown, attachments: Attachments = { functions: {} }): ReactorDefinition {
  const gaps: Gap[] = [];
  const definition = assemble(parse(json), "json", attachments, gaps);
  if (gaps.length > 0) throw functionsMismatch(gaps);
  return ready(definition);
}

function parse(value: unknown): ReactorJson {
  const judged = reactorJson.safeParse(value);
  if (judged.success) return judged.data;
  throw invalidJson(toFieldProblems(judged.error, "json"), judged.error.issues.length);
}

/** Each definition is written once, however often it is composed: the copy that is made of it then has its bounds. */
function write(definition: ReactorDefinition, written: Map<ReactorDefinition, unknown>): unknown {
  const known = written.get(definition);
  if (known !== undefined) return known;
  const { name, description, version, hash, reversible, maxConcurrency, timeoutMs, graph } = definition;
  const json = {
    format,
    ...{ name, description, version, hash, reversible, maxConcurrency, timeoutMs },
    input: writeInput(definition.input),
    graph,
    functions: [...definition.functions.keys()].sort(),
    children: Object.fromEntries([...definition.children].map(([each, child]) => [each, write(child, written)])),
  };
  written.set(definition, json);
  return json;
}

/** What a JSON says, with what it is given; what does not fit goes to `gaps`. Not planned, and not frozen. */
function assemble(json: ReactorJson, at: string, attachments: Attachments, gaps: Gap[]): ReactorDefinition {
  const { name, description, version, reversible, maxConcurrency, timeoutMs, graph } = json;
  const functions = toMap(attachments.functions ?? {});
  const givenChildren = toMap(attachments.children ?? {});
  const listed = new Set(json.functions);
  const gap: Gap = {
    path: at,
    reactor: name,
    missing: json.functions.filter((each) => typeof functions.get(each) !== "function"),
    unknown: [...functions.keys()].filter((each) => !listed.has(each)),
    unknownChildren: [...givenChildren.keys()].filter((each) => !Object.hasOwn(json.children, each)),
  };
  if (gap.missing.length + gap.unknown.length + gap.unknownChildren.length > 0) gaps.push(gap);
  const children = new Map<string, ReactorDefinition>();
  for (const [each, child] of Object.entries(json.children)) {
    const given = givenChildren.get(each) ?? { functions: {} };
    children.set(each, assemble(child, `${at}.children.${each}`, given, gaps));
  }
  const said = {
    kind: "reactor" as const,
    ...{ name, description, version },
    input: attachments.input ?? readInput(json.input, at),
    ...{ graph, reversible, maxConcurrency, timeoutMs, functions, children },
  };
  const hash = hashOf(said);
  if (json.hash !== undefined && json.hash !== hash) throw hashMismatch(at, name, json.hash, hash);
  return { ...said, hash };
}

/** Children first: a definition is planned when what it composes can be run. */
function ready(definition: ReactorDefinition): ReactorDefinition {
  for (const child of definition.children.values()) ready(child);
  planOf(definition);
  freeze(definition.graph);
  return Object.freeze(definition);
}

function freeze(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  for (const member of Object.values(value)) freeze(member);
  Object.freeze(value);
}

const toMap = <T>(named: Named<T>): Map<string, T> =>
  new Map(named instanceof Map ? named : Object.entries(named as { readonly [name: string]: T }));
