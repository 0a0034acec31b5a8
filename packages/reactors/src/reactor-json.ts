import type { JsonObject, JsonValue } from "@viable/kernel";
import { z } from "zod";
import type { Argument } from "./argument.ts";
import type { NodeDefinition, ScopeDefinition } from "./definition.ts";
import { nodesOf } from "./definition.ts";
import {
  eventPattern,
  eventRule,
  findSleepProblem,
  maxOf,
  namePattern,
  nameRule,
  noBranchRule,
} from "./definition-rules.ts";
import { maxSuggested, nearTo } from "./json-errors.ts";
import { copyPlain } from "./plain-copy.ts";

/** Tells readers what they have before them. Its number is raised where an older reader would misread what is written. */
export const format = "viable.reactor/1";

/** How many functions a definition may name: each of 2,000 steps has six at most, and a switch one for each branch. */
const maxFunctions = 50_000;

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
    z
      .strictObject({ kind: z.literal("switch"), ...common, branches, otherwise: scope.exactOptional() })
      .refine(({ branches: said, otherwise }) => said.length > 0 || otherwise !== undefined, {
        ...{ path: ["branches"], error: noBranchRule },
      }),
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
    z.strictObject({ kind: z.literal("sleep"), ...common }).superRefine(({ args }, ctx) => {
      const message = findSleepProblem(args);
      if (message !== undefined) ctx.addIssue({ code: "custom", path: ["args"], message });
    }),
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
  for (const { node, at, path } of nodesOf(json.graph, "", ["graph"])) {
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

const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
