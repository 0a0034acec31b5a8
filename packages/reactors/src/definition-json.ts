import type { JsonObject, JsonValue } from "@viable/kernel";
import { nearestNames, ViableError } from "@viable/kernel";
import { toFieldProblems } from "@viable/protocol";
import { z } from "zod";
import type { Argument } from "./argument.ts";
import type { NodeDefinition, ReactorDefinition, ScopeDefinition, StepFunction } from "./definition.ts";
import { scopesOf } from "./definition.ts";
import { hashOf } from "./definition-hash.ts";
import { eventPattern, eventRule, maxOf, namePattern, nameRule } from "./definition-rules.ts";
import { planOf } from "./plan.ts";

/** Tells readers what they have before them. Its number is raised where an older reader would misread what is written. */
const format = "viable.reactor/1";

/**
 * How deep a JSON may be nested. One definition from the builder comes to some 150 levels at most (16 scopes in scopes, arguments of 32) and
 * each reactor inside of another to two more, so there is room for fifty of these; and no reader's stack is in danger.
 */
const maxDepth = 256;
/** How many members and items it may have in all: the largest definition has a tenth of them, without its constants and children. */
const maxValues = 1_000_000;
/** How many functions a definition may name: each of 2,000 steps has six at most, and a switch one for each branch. */
const maxFunctions = 50_000;
/** How many problems the message of an error tells; its details have more. */
const maxTold = 5;
/** For how many names near ones are looked for: it takes as long as there are names, and nobody reads more. */
const maxSuggested = 20;

/** A definition as plain JSON: all of it but what its functions do. */
export interface ReactorJson {
  readonly format: typeof format;
  readonly name: string;
  readonly description: string;
  readonly version: number;
  /** See `ReactorDefinition.hash`. Whoever changes the JSON leaves it out. */
  readonly hash?: string;
  readonly reversible: boolean;
  readonly maxConcurrency: number;
  readonly timeoutMs?: number;
  /** JSON Schema of what is handed in to begin a run. What JSON Schema cannot say (a transform, a check by a function) is not in it. */
  readonly input: JsonObject;
  readonly graph: ScopeDefinition;
  /** Names of all functions that it needs. `toJson` writes them sorted. */
  readonly functions: readonly string[];
  /** The reactors it composes, by name, each whole. */
  readonly children: { readonly [name: string]: ReactorJson };
}

type Named<T> = ReadonlyMap<string, T> | { readonly [name: string]: T };

/**
 * What a JSON does not hold. A definition is such a thing too: `fromJson(json, order)` gives what was written the functions, the input
 * schema and the children's functions that `order` has.
 */
export interface Attachments<Input = unknown> {
  /** A function for each name in the JSON's `functions`, and no others. */
  readonly functions: Named<StepFunction>;
  /** Judges the input, instead of the JSON's schema: with it transforms and checks are as they were. */
  readonly input?: z.ZodType<Input>;
  /** For each composed reactor, by name. One that is left out is taken to have no functions. */
  readonly children?: Named<Attachments>;
}

const name = z.string().regex(namePattern, nameRule);
const path = z.array(z.string());

const oneOf = (discriminator: string, what: string, known: readonly string[]) => ({
  error: (issue: { readonly code?: string; readonly input?: unknown }) => {
    if (issue.code !== "invalid_union") return undefined;
    const given = (issue.input as JsonObject)[discriminator];
    return given === undefined
      ? `is not said: it is one of ${known.join(", ")}`
      : `${shorten(JSON.stringify(given))} is no ${what}: it is one of ${known.join(", ")}`;
  },
});

const argument: z.ZodType<Argument> = z.discriminatedUnion(
  "from",
  [
    z.strictObject({ from: z.literal("input"), path }),
    z.strictObject({ from: z.literal("result"), step: z.string(), path }),
    z.strictObject({ from: z.literal("element"), of: z.string(), path }),
    z.strictObject({ from: z.literal("index"), of: z.string() }),
    // That it is JSON has been seen before.
    z.strictObject({
      from: z.literal("value"),
      value: z.custom<JsonValue>((value) => value !== undefined, "is missing"),
    }),
    z.strictObject({
      from: z.literal("object"),
      members: z.record(
        z.string(),
        z.lazy(() => argument),
      ),
    }),
    z.strictObject({ from: z.literal("list"), items: z.array(z.lazy(() => argument)) }),
  ],
  oneOf("from", "source of an argument", ["input", "result", "element", "index", "value", "object", "list"]),
);

const scope: z.ZodType<ScopeDefinition> = z.strictObject({ nodes: z.array(z.lazy(() => node)), returns: argument });

const retry = z
  .strictObject({
    baseMs: z.number().min(0),
    maxMs: z.number().max(maxOf.stepTimeoutMs),
    maxAttempts: z.int().min(1).max(maxOf.attempts),
    on: z.enum(["retryable", "any"]),
  })
  .refine(({ baseMs, maxMs }) => baseMs <= maxMs, { path: ["baseMs"], error: "must not be more than maxMs" });

const timeoutMs = z.number().positive().max(maxOf.stepTimeoutMs);
const functionName = z.string().min(1);
const maybe = functionName.exactOptional();
const common = { name, args: argument, after: z.array(z.string()), description: z.string().exactOptional() };

const branches = z
  .array(
    z.strictObject({
      name: name.refine((each) => each !== "otherwise", "cannot be the name of a branch that has a condition"),
      when: functionName,
      scope,
    }),
  )
  .superRefine((said, ctx) => {
    const seen = new Set<string>();
    for (const [index, { name: each }] of said.entries()) {
      if (seen.has(each))
        ctx.addIssue({ code: "custom", path: [index, "name"], message: `another branch is named "${each}"` });
      seen.add(each);
    }
  });

const node: z.ZodType<NodeDefinition> = z.discriminatedUnion(
  "kind",
  [
    z.strictObject({
      kind: z.literal("step"),
      ...common,
      run: functionName,
      where: maybe,
      guard: maybe,
      compensate: maybe,
      undo: maybe,
      findOutcome: maybe,
      retry,
      timeoutMs,
      idempotent: z.boolean(),
      pool: z.string().exactOptional(),
    }),
    z.strictObject({
      kind: z.literal("map"),
      ...common,
      over: argument,
      maxConcurrency: z.int().min(1).max(maxOf.concurrency),
      ordered: z.boolean(),
      collect: z.enum(["results", "count"]),
      scope,
    }),
    z.strictObject({ kind: z.literal("switch"), ...common, branches, otherwise: scope.exactOptional() }),
    z.strictObject({ kind: z.literal("group"), ...common, scope }),
    z.strictObject({
      kind: z.literal("repeat"),
      ...common,
      until: functionName,
      maxTurns: z.int().min(1).max(maxOf.turns),
      scope,
    }),
    z.strictObject({
      kind: z.literal("compose"),
      ...common,
      reactor: z.string(),
      onFailure: maybe,
      maxRestarts: z.int().min(0).max(maxOf.restarts),
      undo: z.boolean(),
    }),
    z.strictObject({ kind: z.literal("sleep"), ...common }),
    z.strictObject({
      kind: z.literal("event"),
      ...common,
      event: z.string().regex(eventPattern, eventRule),
    }),
    z.strictObject({
      kind: z.literal("approval"),
      ...common,
      title: z.string(),
      onRejected: z.enum(["fail", "continue"]),
    }),
    z.strictObject({ kind: z.literal("task"), ...common, capability: z.string(), retry, timeoutMs }),
  ],
  oneOf("kind", "kind of step", [
    "step",
    "map",
    "switch",
    "group",
    "repeat",
    "compose",
    "sleep",
    "event",
    "approval",
    "task",
  ]),
);

const shape: z.ZodType<ReactorJson> = z
  .strictObject({
    format: z.literal(format, `must be "${format}"`),
    name,
    description: z.string(),
    version: z.int().min(1),
    hash: z
      .string()
      .regex(/^[0-9a-f]{16}$/, "must be 16 hexadecimal digits")
      .exactOptional(),
    reversible: z.boolean(),
    maxConcurrency: z.int().min(1).max(maxOf.concurrency),
    timeoutMs: z.number().min(1).max(maxOf.runTimeoutMs).exactOptional(),
    input: z.record(z.string(), z.custom<JsonValue>()),
    graph: scope,
    functions: z.array(functionName).max(maxFunctions),
    children: z.record(
      z.string(),
      z.lazy(() => shape),
    ),
  })
  .superRefine(checkNames);

/**
 * What can be read as a definition: the shape of every part, no member beside those that are known, and names that lead to each other.
 * At most 256 levels deep, and a million values. Whether it can be run is found by `fromJson`: cycles, results that never are there.
 */
export const reactorJson: z.ZodType<ReactorJson> = z
  .unknown()
  .transform((value, ctx) => {
    const { copy, problem } = copyPlain(value);
    if (problem === undefined) return copy;
    ctx.issues.push({ code: "custom", path: [...problem.path], message: problem.reason, input: value });
    return z.NEVER;
  })
  .pipe(shape);

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
export function fromJson<Input>(
  json: unknown,
  attachments: Attachments<Input> & { readonly input: z.ZodType<Input> },
): ReactorDefinition<Input>;
export function fromJson(json: unknown, attachments: Attachments): ReactorDefinition;
export function fromJson(json: unknown, attachments: Attachments): ReactorDefinition {
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

/** What an input schema that came from JSON was read from: it is written as it was, whatever Zod made of it. */
const readFrom = new WeakMap<z.ZodType, JsonObject>();

function writeInput(input: z.ZodType): JsonObject {
  const known = readFrom.get(input);
  if (known !== undefined) return known;
  const schema = JSON.parse(JSON.stringify(z.toJSONSchema(input, { io: "input", unrepresentable: "any" })));
  if (input instanceof z.ZodObject && input.def.catchall === undefined) schema.additionalProperties = false;
  return schema;
}

function readInput(schema: JsonObject, at: string): z.ZodType {
  try {
    // Its own registry: what it says of itself stays here, and the same schema can be read twice.
    const input = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0], { registry: z.registry() });
    // What Zod reads but cannot go through, as a reference that leads to itself, is found here and not by the planner.
    z.toJSONSchema(input, { io: "output", unrepresentable: "any" });
    readFrom.set(input, schema);
    return input;
  } catch (error) {
    const reason = `no schema can be made of it (${error instanceof Error ? error.message : String(error)})`;
    throw invalidJson([{ path: `${at}.input`, reason }], 1, "Write a schema that Zod can read, or hand in `input`.");
  }
}

/** What a JSON says, with what it is given; what does not fit goes to `gaps`. Not planned, and not frozen. */
function assemble(json: ReactorJson, at: string, attachments: Attachments, gaps: Gap[]): ReactorDefinition {
  const { name, description, version, reversible, maxConcurrency, timeoutMs, graph } = json;
  const functions = toMap(attachments.functions);
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

/** Names in it lead to each other, and none leads nowhere: the graph's to `functions` and `children`, and these to the graph. */
function checkNames(json: ReactorJson, ctx: z.RefinementCtx): void {
  let refused = 0;
  const refuse = (path: readonly PropertyKey[], message: string, wanted = "", known: Iterable<string> = []) => {
    refused += 1;
    const near = refused > maxSuggested ? "" : nearTo(wanted, known);
    ctx.addIssue({ code: "custom", path: [...path], message: message + near });
  };
  const listed = new Set(json.functions);
  const used = new Set<string>();
  const composed = new Set<string>();
  for (const { node, at, path } of nodesOf(json.graph, ["graph"], "")) {
    for (const [place, each] of functionsOf(node, path)) {
      used.add(each);
      if (place !== undefined && !listed.has(each))
        refuse([...at, ...place], `"${each}" does not stand in functions`, each, listed);
    }
    if (node.kind !== "compose") continue;
    composed.add(node.reactor);
    if (!Object.hasOwn(json.children, node.reactor))
      refuse(
        [...at, "reactor"],
        `"${node.reactor}" does not stand in children`,
        node.reactor,
        Object.keys(json.children),
      );
    else if (node.undo && json.children[node.reactor]?.reversible === false)
      refuse([...at, "undo"], `"${node.reactor}" is to be undone, and is not reversible`);
  }
  const seen = new Set<string>();
  for (const [index, each] of json.functions.entries()) {
    if (!used.has(each)) refuse(["functions", index], `no step calls "${each}"`, each, used);
    if (seen.has(each)) refuse(["functions", index], `"${each}" stands there twice`);
    seen.add(each);
  }
  for (const [each, child] of Object.entries(json.children)) {
    if (child.name !== each) refuse(["children", each, "name"], `is "${child.name}", and stands under "${each}"`);
    if (!composed.has(each)) refuse(["children", each], `no step composes "${each}"`, each, composed);
  }
}

/** All steps, with their place in the JSON and their static path. */
function* nodesOf(
  scope: ScopeDefinition,
  at: readonly PropertyKey[],
  prefix: string,
): Generator<{ readonly node: NodeDefinition; readonly at: readonly PropertyKey[]; readonly path: string }> {
  for (const [index, node] of scope.nodes.entries()) {
    const here = [...at, "nodes", index];
    yield { node, at: here, path: prefix + node.name };
    for (const [number, { mark, scope: inner }] of scopesOf(node).entries()) {
      const place =
        node.kind !== "switch" ? ["scope"] : mark === ":otherwise" ? ["otherwise"] : ["branches", number, "scope"];
      yield* nodesOf(inner, [...here, ...place], `${prefix}${node.name}${mark}/`);
    }
  }
}

/** Functions that a step calls, with the place where it names them; what judges from outside is named nowhere. */
function* functionsOf(node: NodeDefinition, path: string): Generator<readonly [PropertyKey[] | undefined, string]> {
  for (const role of ["run", "where", "guard", "compensate", "undo", "findOutcome", "until", "onFailure"]) {
    const called = (node as unknown as { readonly [role: string]: unknown })[role];
    if (typeof called === "string") yield [[role], called];
  }
  if (node.kind === "switch")
    for (const [index, { when }] of node.branches.entries()) yield [["branches", index, "when"], when];
  if (node.kind === "event") yield [undefined, `${path}.payload`];
  if (node.kind === "task") yield [undefined, `${path}.result`];
}

interface PlainCopy {
  readonly copy?: unknown;
  readonly problem?: { readonly path: readonly PropertyKey[]; readonly reason: string };
}

/**
 * A copy of what JSON can hold, without undefined members. Refused here, since what follows would lose it or not come back from it: a member
 * named `__proto__`, what is no JSON, and what is too deep or too much.
 */
function copyPlain(value: unknown): PlainCopy {
  const path: PropertyKey[] = [];
  let problem: PlainCopy["problem"];
  let values = 0;
  const refuse = (reason: string) => {
    problem ??= { path: [...path], reason };
  };
  const inside = (key: PropertyKey, member: unknown) => {
    path.push(key);
    const copy = visit(member);
    path.pop();
    return copy;
  };
  const visit = (at: unknown): unknown => {
    values += 1;
    if (values > maxValues) return refuse(`more than ${maxValues} values`);
    if (path.length > maxDepth) return refuse(`nested deeper than ${maxDepth} levels`);
    if (at === null || typeof at === "boolean" || typeof at === "string") return at;
    // -0 is written as 0.
    if (typeof at === "number") return Number.isFinite(at) ? at + 0 : refuse(`${at} is not a JSON number`);
    if (typeof at !== "object")
      return refuse(`${at === undefined ? "undefined" : `a ${typeof at}`} cannot be written as JSON`);
    if (Array.isArray(at)) {
      const items: unknown[] = [];
      for (let index = 0; index < at.length && problem === undefined; index++) items.push(inside(index, at[index]));
      return items;
    }
    const prototype = Object.getPrototypeOf(at);
    if (prototype !== Object.prototype && prototype !== null) return refuse("is no plain object");
    const members: Record<string, unknown> = {};
    for (const [key, member] of Object.entries(at)) {
      if (problem !== undefined) break;
      if (key === "__proto__") refuse("a member cannot be named __proto__");
      else if (member !== undefined) members[key] = inside(key, member);
    }
    return members;
  };
  const copy = visit(value);
  return problem === undefined ? { copy } : { problem };
}

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);

function nearTo(wanted: string, known: Iterable<string>): string {
  const near = nearestNames(wanted, known);
  return near.length === 0 ? "" : ` (near it: ${near.join(", ")})`;
}

/** `reactor.invalid_json`: what was to be a definition has another shape. */
const invalidJson = (
  problems: readonly { readonly path: string; readonly reason: string }[],
  count: number,
  next = "Correct it; `toJson` of a definition shows the shape.",
): ViableError => {
  const told = problems.slice(0, maxTold).map(({ path, reason }) => `${path}: ${reason}`);
  const rest = count > told.length ? `; and ${count - told.length} more` : "";
  return new ViableError("reactor.invalid_json", `The JSON of a reactor does not fit. ${told.join("; ")}${rest}.`, {
    next,
    details: { problems: problems.map(({ path, reason }) => ({ path, reason })), count },
  });
};

/** `reactor.hash_mismatch`: a JSON was changed after it was written, and says the hash it had. */
const hashMismatch = (at: string, reactor: string, said: string, hash: string): ViableError =>
  new ViableError(
    "reactor.hash_mismatch",
    `${at}: the reactor "${reactor}" says the hash ${said}, and comes to ${hash}.`,
    {
      next: "It was changed after it was written. Leave out its hash and those of the reactors around it to have it read as another definition.",
      details: { path: `${at}.hash`, reactor, said, hash },
    },
  );

/** What one reactor was not given, or has no place for. */
interface Gap {
  readonly path: string;
  readonly reactor: string;
  readonly missing: readonly string[];
  readonly unknown: readonly string[];
  readonly unknownChildren: readonly string[];
}

/** `reactor.functions_mismatch`: what is attached to a JSON is not what it names. */
const functionsMismatch = (gaps: readonly Gap[]): ViableError => {
  const told = gaps.map(({ reactor, missing, unknown, unknownChildren }) => {
    const parts = [
      missing.length > 0 &&
        `lacks ${missing.map((each, index) => each + (index < maxSuggested ? nearTo(each, unknown) : "")).join(", ")}`,
      unknown.length > 0 && `has no place for ${unknown.join(", ")}`,
      unknownChildren.length > 0 && `does not compose ${unknownChildren.join(", ")}`,
    ];
    return `The reactor "${reactor}" ${parts.filter((part) => part !== false).join(", and ")}.`;
  });
  return new ViableError("reactor.functions_mismatch", told.join(" "), {
    next: "Give a function for each name in the JSON's functions, in its children too, and no others.",
    details: { reactors: gaps.map((gap) => ({ ...gap })) },
  });
};
