// What is written as JSON comes back as the same definition (the same hash, plan and text), for definitions at random; what does not
// fit is refused with its place and reason; and no JSON whatever makes the reader fail in a way of its own.
import type { JsonValue } from "@viable/kernel";
import { codeOf, ViableError } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition, StepFunction } from "./definition.ts";
import type { Attachments } from "./definition-json.ts";
import { fromJson, toJson } from "./definition-json.ts";
import type { PlanScope } from "./plan.ts";
import { planOf } from "./plan.ts";
import { reactor } from "./reactor.ts";
import type { ReactorJson } from "./reactor-json.ts";
import { reactorJson } from "./reactor-json.ts";
import type { Scope } from "./step-settings.ts";

// Definitions at random. A description is plain data; what it takes is picked among what can be seen where it stands.

type Taken =
  | { readonly pick: number; readonly path: readonly string[] }
  | { readonly constant: JsonValue }
  | readonly Taken[];
type Args = readonly (readonly [string, Taken])[];
interface SaidNode {
  readonly kind: "step" | "map" | "switch" | "group" | "repeat" | "compose" | "sleep" | "event" | "approval" | "task";
  readonly args: Args;
  readonly after: readonly number[];
  readonly words: string;
  readonly flags: readonly boolean[];
  readonly number: number;
  readonly scopes: readonly SaidScope[];
}
interface SaidScope {
  readonly nodes: readonly SaidNode[];
  readonly returns: Args;
}

const jsonWithoutProto = fc.jsonValue({ maxDepth: 2 }).filter((value) => !JSON.stringify(value).includes("__proto__"));
const memberName = fc.oneof(
  fc.constantFrom("a", "b", "description", "value", "from", "constructor", "0", "forMs"),
  fc.string({ maxLength: 4 }),
);
const { scope } = fc.letrec<{ taken: Taken; node: SaidNode; scope: SaidScope }>((tie) => ({
  taken: fc.oneof(
    { maxDepth: 2 },
    fc.record({ pick: fc.nat(50), path: fc.array(memberName, { maxLength: 2 }) }),
    fc.record({ constant: jsonWithoutProto as fc.Arbitrary<JsonValue> }),
    fc.array(tie("taken"), { maxLength: 3 }),
  ),
  node: fc.record({
    kind: fc.constantFrom<SaidNode["kind"][]>(
      ...(["step", "map", "switch", "group", "repeat", "compose", "sleep", "event", "approval", "task"] as const),
    ),
    args: fc.array(fc.tuple(memberName, tie("taken")), { maxLength: 3 }),
    after: fc.array(fc.nat(50), { maxLength: 2 }),
    words: fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }),
    flags: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
    number: fc.integer({ min: 1, max: 99 }),
    scopes: fc.oneof(
      { maxDepth: 3, depthIdentifier: "scope" },
      fc.constant([]),
      fc.array(tie("scope"), { minLength: 1, maxLength: 3, depthIdentifier: "scope" }),
    ),
  }),
  scope: fc.record({
    nodes: fc.array(tie("node"), { maxLength: 4, depthIdentifier: "scope" }),
    returns: fc.array(fc.tuple(memberName, tie("taken")), { maxLength: 3 }),
  }),
}));

const schemas: readonly z.ZodType[] = [
  z.strictObject({ a: z.int().min(3), b: z.string().max(5), c: z.array(z.json()) }),
  z.object({ a: z.number().default(3), b: z.string().optional(), c: z.unknown() }),
  z.looseObject({ a: z.string().describe("words") }),
  z.object({ a: z.string().transform(Number), b: z.date(), c: z.union([z.literal("x"), z.null()]) }),
  z.any(),
  z.strictObject({ a: z.email(), b: z.enum(["p", "q"]), c: z.record(z.string(), z.boolean()) }).refine(() => true),
];

/** The builder as these descriptions use it: its types know what each step takes, which nobody knows here. */
interface Loose {
  returns(template: (from: LooseFrom) => unknown): Scope<unknown>;
  map(name: string, settings: object, steps: (steps: Loose) => Scope<unknown>): Loose;
  group(name: string, settings: object, steps: (steps: Loose) => Scope<unknown>): Loose;
  repeat(name: string, settings: object, steps: (steps: Loose) => Scope<unknown>, until: () => unknown): Loose;
  compose(name: string, child: ReactorDefinition, settings: object): Loose;
  step(name: string, settings: object): Loose;
  switch(name: string, settings: object): Loose;
  sleep(name: string, settings: object): Loose;
  waitFor(name: string, settings: object): Loose;
  approval(name: string, settings: object): Loose;
  task(name: string, settings: object): Loose;
}
interface LooseFrom {
  readonly input: Dug;
  readonly element?: Dug;
  readonly index?: Dug;
  readonly results: { readonly [name: string]: Dug };
}
interface Dug {
  readonly [name: string]: Dug;
}

const child = reactor(
  "child",
  { input: z.strictObject({ a: z.array(z.string()) }), reversible: true, version: 3 },
  (steps) => {
    const packed = steps.step("pack", { args: ({ input }) => ({ it: input.a }), run: () => 1, undo: () => {} });
    const card = { when: () => true, steps: (inner: Loose) => inner.returns(() => 1) };
    return (packed as unknown as Loose)
      .switch("pay", { args: ({ results }: LooseFrom) => ({ pack: results.pack }), branches: { card } })
      .returns(({ results }) => results.pack);
  },
);
const parent = reactor("parent", { input: z.any(), description: "Composes one." }, (steps) =>
  steps.compose("inner", child, { args: ({ input }) => ({ a: input }) as never }).returns(() => null),
);

function build({ nodes, returns }: SaidScope, schema: number, about: { words: string; flag: boolean; number: number }) {
  let count = 0;
  const fresh = () => () => count;
  const nameOf = (number: number) => {
    count += 1;
    return `${["n", "long-name", "two_words", "camelCase"][number % 4]}${count}`;
  };
  const argsOf = (args: Args, names: readonly string[]) => (from: LooseFrom) => {
    const template = (each: Taken): unknown => {
      if (Array.isArray(each)) return each.map(template);
      if ("constant" in each) return each.constant;
      const { pick, path } = each as { pick: number; path: readonly string[] };
      const { input, element, index } = from;
      const sources = [input.a, input.b, input.c, input, element, index, ...names.map((name) => from.results[name])];
      const there = sources.filter((source) => source !== undefined);
      const source = there[pick % there.length] as Dug;
      return source === index || source === input ? source : path.reduce((at, key) => at[key] as Dug, source);
    };
    return Object.fromEntries(args.map(([member, each]) => [member, template(each)]));
  };
  const fill = (steps: Loose, said: SaidScope, outside: readonly string[], hooked = false): Scope<unknown> => {
    const names: string[] = [];
    let at = steps;
    for (const node of said.nodes) {
      const visible = [...outside, ...names];
      const [first, second, third, fourth, fifth, sixth, seventh, eighth] = node.flags;
      const when = <Value>(flag: boolean | undefined, value: Value) => (flag === true ? value : {});
      const retry = when(first, { retry: { maxAttempts: node.number, baseMs: node.number, maxMs: 1_000 } });
      const common = {
        args: argsOf(node.args, visible),
        after: names.length === 0 ? [] : node.after.map((pick) => names[pick % names.length]),
        ...when(eighth, { description: node.words }),
      };
      // Of a wait: under a name that it can be told.
      const argsAs = (member: string) => ({ args: (from: LooseFrom) => ({ [member]: common.args(from) }) });
      const name = nameOf(node.number);
      // A group's hooks are steps of one name, so that they cannot stand in one another.
      const hooks = node.kind === "group" && !hooked;
      const inner = (number: number) => (each: Loose) =>
        fill(each, node.scopes[number] ?? { nodes: [], returns: [] }, visible, hooked || hooks);
      switch (node.kind) {
        case "step":
          at = at.step(name, {
            ...common,
            ...retry,
            run: fresh(),
            ...when(second, { where: fresh() }),
            ...when(third, { guard: fresh() }),
            ...when(fourth, { compensate: fresh() }),
            ...when(fifth, { undo: fresh() }),
            ...when(sixth, { findOutcome: fresh(), idempotent: false }),
            ...when(seventh, { pool: node.words, timeoutMs: node.number + 0.5 }),
          });
          break;
        case "map":
          at = at.map(
            name,
            {
              ...common,
              over: (from: LooseFrom) => (first ? [1, { x: 2 }] : from.input.a),
              ...when(second, { collect: "count" }),
              ...when(third, { ordered: false }),
              maxConcurrency: node.number,
            },
            inner(0),
          );
          break;
        case "switch":
          at = at.switch(name, {
            ...common,
            branches: {
              ...when(first, { card: { when: fresh(), steps: inner(0) } }),
              "not-card": { when: fresh(), steps: inner(1) },
            },
            ...when(second, { otherwise: inner(2) }),
          });
          break;
        case "group":
          at = at.group(
            name,
            {
              ...common,
              ...when(hooks && first, { before: fresh() }),
              ...when(hooks && second, { afterAll: fresh() }),
            },
            inner(0),
          );
          break;
        case "repeat":
          at = at.repeat(name, { ...common, maxTurns: node.number }, inner(0), fresh());
          break;
        case "compose":
          at = at.compose(name, first ? child : parent, {
            ...common,
            ...when(second, { onFailure: fresh(), maxRestarts: node.number }),
            ...when(third, { undo: false }),
          });
          break;
        case "sleep":
          at = at.sleep(name, { ...common, args: () => ({ forMs: node.number }) });
          break;
        case "event":
          at = at.waitFor(name, {
            ...common,
            ...argsAs("key"),
            event: "payment.received",
            ...when(first, { payload: z.string() }),
          });
          break;
        case "approval":
          at = at.approval(name, {
            ...common,
            ...argsAs("details"),
            title: node.words,
            ...when(first, { onRejected: "continue" }),
          });
          break;
        case "task":
          at = at.task(name, { ...common, ...retry, capability: node.words, ...when(second, { result: z.number() }) });
      }
      names.push(name);
    }
    return at.returns(argsOf(said.returns, [...outside, ...names]));
  };
  const settings = {
    input: schemas[schema % schemas.length] as z.ZodType,
    description: about.words,
    version: about.number,
    reversible: about.flag,
    ...(about.flag && { timeoutMs: about.number, maxConcurrency: about.number }),
  };
  return reactor("random", settings, (steps) =>
    fill(steps as unknown as Loose, { nodes, returns }, []),
  ) as ReactorDefinition;
}

const definitions = fc
  .tuple(
    scope,
    fc.nat(schemas.length - 1),
    fc.record({ words: fc.string({ maxLength: 5 }), flag: fc.boolean(), number: fc.integer({ min: 1, max: 999 }) }),
  )
  .map(([said, schema, about]) => build(said, schema, about));

/** All of a plan that can be compared, as text where only its JSON counts (-0 is 0 there), with the functions themselves. */
const planShape = (scope: PlanScope): unknown => ({
  prefix: scope.prefix,
  returns: JSON.stringify(scope.returns),
  names: [...scope.byName.keys()],
  nodes: scope.nodes.map(({ node, scopes, functions, ...rest }) => ({
    ...rest,
    node: JSON.stringify(sorted(node)),
    functions: Object.entries(functions).filter(([, run]) => run !== undefined),
    scopes: [...scopes].map(([mark, inner]) => [mark, planShape(inner)]),
  })),
});

/** The order of members is not part of a plan. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
};

describe("there and back", () => {
  test("a definition at random has the same hash, plan and text, with functions by name and with the definition's own schema", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(definitions, (definition) => {
        for (const { kind } of definition.graph.nodes) seen.add(kind);
        const json = toJson(definition);
        const text = JSON.stringify(json);
        expect(json).toEqual(JSON.parse(text));
        const back = fromJson(JSON.parse(text), definition);
        expect(back.hash).toBe(definition.hash);
        expect(planShape(planOf(back).root)).toEqual(planShape(planOf(definition).root));
        expect(JSON.stringify(toJson(back))).toBe(text);
        expect(back.input).toBe(definition.input);
        expect(back).toMatchObject({
          ...{ kind: "reactor", name: "random", description: definition.description, version: definition.version },
          ...{
            reversible: definition.reversible,
            maxConcurrency: definition.maxConcurrency,
            timeoutMs: definition.timeoutMs,
          },
        });
      }),
      { numRuns: 200 },
    );
    expect(seen.size).toBe(10);
  });

  test("with the JSON's own input schema its text is the same again", () => {
    fc.assert(
      fc.property(definitions, ({ functions, children, ...definition }) => {
        const text = JSON.stringify(toJson({ ...definition, functions, children }));
        const back = fromJson(JSON.parse(text), { functions, children });
        expect(JSON.stringify(toJson(back))).toBe(text);
        expect(back.hash).toBe(definition.hash);
      }),
      { numRuns: 100 },
    );
  });
});

// Refusals. The order that they are about: a step, a map, an event, and a composed reactor that can be undone.

const order = reactor("order", { input: z.strictObject({ id: z.string(), lines: z.array(z.string()) }) }, (steps) =>
  steps
    .step("reserve", { args: ({ input }) => ({ id: input.id }), run: () => ({ at: "here" }), undo: () => {} })
    .map("ship", { over: ({ input }) => input.lines }, (line) =>
      line
        .step("label", { args: ({ element, results }) => ({ element, at: results.reserve.at }), run: () => "label" })
        .returns(({ results }) => results.label),
    )
    .compose("pack", child, { args: ({ results }) => ({ a: results.ship }) })
    .waitFor("paid", { event: "payment.received", payload: z.string() })
    .returns(({ results }) => results.paid),
);

/** The order's JSON with changes: what stands at each place, or `gone`. Without any hash, since it is another definition. */
function changed(changes: { readonly [place: string]: unknown }, from: ReactorDefinition = order): unknown {
  const json = JSON.parse(JSON.stringify(toJson(from), (key, value) => (key === "hash" ? undefined : value)));
  for (const [place, value] of Object.entries(changes)) {
    const keys = place.split(".");
    const last = keys.pop() as string;
    const holder = keys.reduce((at, key) => at[key], json);
    if (value === gone) delete holder[last];
    else set(holder, last, value);
  }
  return json;
}

const gone = Symbol("gone");

/** `__proto__` too. */
const set = (holder: object, key: string, value: unknown) =>
  Object.defineProperty(holder, key, { value, enumerable: true, configurable: true, writable: true });

function refusal(json: unknown, attachments: Attachments = order): ViableError {
  try {
    fromJson(json, attachments);
  } catch (error) {
    if (error instanceof ViableError) return error;
    throw error;
  }
  throw new Error("It was not refused.");
}

describe("a JSON that has another shape", () => {
  const does = (reason: string) => `The JSON of a reactor does not fit. ${reason}.`;
  const first = "graph.nodes.0";
  const kinds = "step, map, switch, group, repeat, compose, sleep, event, approval, task";
  const listed = toJson(order).functions;
  const card = { name: "card", when: "pay:card.when", scope: { nodes: [], returns: { from: "value", value: 1 } } };
  test.each<[string, { readonly [place: string]: unknown }, string]>([
    ["no format", { format: gone }, 'json.format: must be "viable.reactor/1"'],
    ["a newer format", { format: "viable.reactor/2" }, 'json.format: must be "viable.reactor/1"'],
    ["an unknown member", { retries: 3 }, 'json: Unrecognized key: "retries"'],
    ["a member that every object has", { constructor: 3 }, 'json: Unrecognized key: "constructor"'],
    ["a version that is text", { version: "1" }, "json.version: expected number, received string"],
    ["a hash of another kind", { hash: "x" }, "json.hash: must be 16 hexadecimal digits"],
    ["a graph that is a list", { graph: [] }, "json.graph: expected object, received array"],
    [
      "a name with a slash",
      { [`${first}.name`]: "re/serve" },
      "json.graph.nodes[0].name: a name is 1 to 64 letters and digits, in words joined by - or _, beginning with a small letter",
    ],
    [
      "an unknown kind",
      { [`${first}.kind`]: "go" },
      `json.graph.nodes[0].kind: "go" is no kind of step: it is one of ${kinds}`,
    ],
    ["no kind", { [`${first}.kind`]: gone }, `json.graph.nodes[0].kind: is not said: it is one of ${kinds}`],
    ["another kind's member", { [`${first}.over`]: {} }, 'json.graph.nodes[0]: Unrecognized key: "over"'],
    [
      "an unknown source",
      { [`${first}.args.members.id.from`]: "inputs" },
      'json.graph.nodes[0].args.members.id.from: "inputs" is no source of an argument: it is one of input, result, element, index, value, object, list',
    ],
    [
      "a path that is text",
      { [`${first}.args.members.id.path`]: "id" },
      "json.graph.nodes[0].args.members.id.path: expected array, received string",
    ],
    [
      "a constant without a value",
      { [`${first}.args`]: { from: "value" } },
      "json.graph.nodes[0].args.value: is missing",
    ],
    [
      "waits in disorder",
      { [`${first}.retry.baseMs`]: 9_000 },
      "json.graph.nodes[0].retry.baseMs: must not be more than maxMs",
    ],
    [
      "two branches of one name",
      { "children.child.graph.nodes.1.branches": [card, card] },
      'json.children.child.graph.nodes[1].branches[1].name: another branch is named "card"',
    ],
    [
      "a switch that leads nowhere",
      { "children.child.graph.nodes.1.branches": [] },
      'json.children.child.graph.nodes[1].branches: must have a branch, or an otherwise: else it always fails; json.children.child.functions[2]: no step calls "pay:card.when"',
    ],
    [
      "a branch named as what is done without one",
      { "children.child.graph.nodes.1.branches.0.name": "otherwise" },
      "json.children.child.graph.nodes[1].branches[0].name: cannot be the name of a branch that has a condition",
    ],
    [
      "__proto__ as an argument",
      { [`${first}.args.members.__proto__`]: { from: "input", path: [] } },
      "json.graph.nodes[0].args.members: a member cannot be named __proto__",
    ],
    [
      "__proto__ inside of a constant",
      { [`${first}.args`]: { from: "value", value: JSON.parse('{ "a": [{ "__proto__": 1 }] }') } },
      "json.graph.nodes[0].args.value.a[0]: a member cannot be named __proto__",
    ],
    ["__proto__ as a child", { "children.__proto__": {} }, "json.children: a member cannot be named __proto__"],
    [
      "a function that is not listed",
      { [`${first}.undo`]: "reserve.und" },
      'json.graph.nodes[0].undo: "reserve.und" does not stand in functions (near it: reserve.undo, reserve.run); json.functions[2]: no step calls "reserve.undo" (near it: reserve.und, reserve.run)',
    ],
    [
      "a function that is listed twice",
      { functions: [...listed, "reserve.run"] },
      'json.functions[4]: "reserve.run" stands there twice',
    ],
    [
      "a condition that is not listed",
      { "children.child.graph.nodes.1.branches.0.when": "toString" },
      'json.children.child.graph.nodes[1].branches[0].when: "toString" does not stand in functions; json.children.child.functions[2]: no step calls "pay:card.when"',
    ],
    [
      "a composed reactor that is not there",
      { children: {} },
      'json.graph.nodes[2].reactor: "child" does not stand in children',
    ],
    [
      "a composed reactor under another name",
      { "graph.nodes.2.reactor": "chld" },
      'json.graph.nodes[2].reactor: "chld" does not stand in children (near it: child); json.children.child: no step composes "child" (near it: chld)',
    ],
    [
      "a child of another name",
      { "children.child.name": "kid" },
      'json.children.child.name: is "kid", and stands under "child"',
    ],
    [
      "an undo of what cannot be undone",
      { "children.child.reversible": false },
      'json.graph.nodes[2].undo: "child" is to be undone, and is not reversible',
    ],
    [
      "a child of another shape",
      { "children.child.graph.nodes.0.run": 7 },
      "json.children.child.graph.nodes[0].run: expected string, received number",
    ],
  ])("%s", (_what, changes, reason) => {
    const error = refusal(changed(changes));
    expect([error.code, error.message]).toEqual(["reactor.invalid_json", does(reason)]);
    expect(error.next).toBe("Correct it; `toJson` of a definition shows the shape.");
  });

  test.each<[unknown, string]>([
    [undefined, "json: undefined cannot be written as JSON"],
    [null, "json: expected object, received null"],
    ["{}", "json: expected object, received string"],
    [new Map(), "json: is no plain object"],
    [{ ...toJson(order), version: Number.NaN }, "json.version: NaN is not a JSON number"],
    [{ ...toJson(order), description: () => "" }, "json.description: a function cannot be written as JSON"],
    [{ ...toJson(order), functions: [undefined] }, "json.functions[0]: undefined cannot be written as JSON"],
  ])("what is no JSON of an object: %s", (json, reason) => {
    expect(refusal(json).message).toBe(does(reason));
  });

  test("all problems are told, the first of them in the message", () => {
    const nothing = {
      version: null,
      description: null,
      reversible: null,
      maxConcurrency: null,
      graph: null,
      functions: null,
    };
    const error = refusal(changed(nothing));
    const told = [
      "json.description: expected string, received null",
      "json.version: expected number, received null",
      "json.reversible: expected boolean, received null",
      "json.maxConcurrency: expected number, received null",
      "json.graph: expected object, received null",
      "and 1 more",
    ];
    expect(error.message).toBe(does(told.join("; ")));
    const last = { path: "json.functions", reason: "expected array, received null" };
    expect(error.details).toMatchObject({ count: 6, problems: { 5: last } });
  });

  test("what is nested too deep, or is too much, is refused before anything else is looked at", () => {
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    expect(refusal(JSON.parse(deep)).message).toMatch(/json(\.a){257}: nested deeper than 256 levels\.$/);
    const wide = { ...toJson(order), input: { examples: new Array(1_000_000).fill(0) } };
    expect(refusal(wide).message).toMatch(/json\.input\.examples\[9\d+\]: more than 1000000 values\.$/);
  });

  test("near names are looked for a few times, and functions have a bound", () => {
    const many = Array.from({ length: 50_000 }, (_, index) => `reserve.run${index}`);
    const issues = reactorJson.safeParse({ ...toJson(order), functions: many }).error?.issues ?? [];
    // Those three that the graph names are not there, and none of these is called. One of the first twenty has none near it.
    expect(issues).toHaveLength(50_003);
    expect(issues.filter(({ message }) => message.includes("(near it: "))).toHaveLength(19);
    const tooMany = refusal({ ...toJson(order), functions: [...many, "one.run"] });
    expect(tooMany.message).toBe(does("json.functions: Too big: expected array to have <=50000 items"));
  });

  test.each<[object, RegExp]>([
    [
      { not: { type: "string" } },
      /^The JSON of a reactor does not fit\. json\.input: no schema can be made of it \(not is not supported/,
    ],
    [{ type: "string", pattern: "(" }, /json\.input: no schema can be made of it \(Invalid regular expression/],
    [
      { $ref: "https://example.com/schema" },
      /json\.input: no schema can be made of it \(External \$ref is not supported/,
    ],
  ])("an input schema that Zod cannot read: %o", (input, message) => {
    const json = { ...toJson(order), input };
    const { functions, children } = order;
    const error = refusal(json, { functions, children });
    expect([error.code, error.message]).toEqual(["reactor.invalid_json", expect.stringMatching(message)]);
    expect(error.next).toBe("Write a schema that Zod can read, or hand in `input`.");
    // With a schema that is handed in, the JSON's is not needed.
    expect(fromJson(json, order).hash).toBe(order.hash);
  });

  test("`reactorJson` alone says the same, and hands out a copy", () => {
    expect(reactorJson.safeParse(changed({ version: 0 })).error?.issues).toMatchObject([{ path: ["version"] }]);
    const given = toJson(order);
    const read: ReactorJson = reactorJson.parse(given);
    expect(read).toEqual(given);
    expect(read.graph).not.toBe(given.graph);
  });
});

describe("a JSON that cannot be run", () => {
  const never = "which never is there: no step that it can see has that path";
  test.each<[string, { readonly [place: string]: unknown }, string]>([
    [
      "steps that wait for each other",
      { "graph.nodes.0.args": { from: "result", step: "ship", path: [] } },
      'reactor "order", reserve: waits for itself: reserve → ship → reserve.',
    ],
    [
      "a step that comes after itself",
      { "graph.nodes.0.after": ["reserve"] },
      'reactor "order", reserve: waits for itself: reserve → reserve.',
    ],
    [
      "a member that the input does not have",
      { "graph.nodes.0.args.members.id.path": ["ident"] },
      'reactor "order", reserve: takes "ident", which the input does not have.',
    ],
    [
      "a member that the child's input does not have",
      { "children.child.graph.nodes.0.args.members.it.path": ["b"] },
      'reactor "child", pack: takes "b", which the input does not have.',
    ],
    [
      "the result of an unknown step",
      { "graph.returns.step": "piad" },
      `reactor "order", graph.returns: takes the result of "piad", ${never}.`,
    ],
    [
      "a result out of a map",
      { "graph.returns.step": "ship/label" },
      `reactor "order", graph.returns: takes the result of "ship/label", ${never}.`,
    ],
    [
      "an unknown step to come after",
      { "graph.nodes.0.after": ["gone"] },
      'reactor "order", reserve: comes after "gone", which is no step beside it.',
    ],
    [
      "an element outside of its map",
      { "graph.returns": { from: "element", of: "ship", path: [] } },
      'reactor "order", graph.returns: takes an element of "ship", and does not stand in it.',
    ],
    [
      "a wait whose end has another name",
      { "graph.nodes.3.args": { from: "object", members: { timeout: { from: "value", value: 5 } } } },
      'reactor "order", paid: its args say "timeout", and may say key, timeoutMs.',
    ],
    [
      "two steps of one name",
      { "graph.nodes.1.name": "reserve" },
      'reactor "order", reserve: another step that can be seen here has that name.',
    ],
  ])("%s", (_what, changes, message) => {
    const { functions } = order;
    // With the definitions' own input schemas, and with those of the JSON.
    for (const attachments of [order, { functions, children: { child: { functions: child.functions } } }]) {
      const error = refusal(changed(changes), attachments);
      expect([error.code, error.message]).toEqual(["reactor.invalid_definition", message]);
    }
  });
});

describe("what is attached", () => {
  const { functions, children, input } = order;
  const asObject = Object.fromEntries(functions);
  const without = (...names: string[]) => new Map([...functions].filter(([name]) => !names.includes(name)));
  const run: StepFunction = () => "other";

  test("functions and children may be given as an object or as a map", () => {
    const back = fromJson(toJson(order), { functions: asObject, children: Object.fromEntries(children) });
    expect([...back.functions].sort()).toEqual([...functions].sort());
    expect(planOf(back).root.byName.get("paid")?.functions.payload).toBe(functions.get("paid.payload"));
  });

  test("all that are missing are named at once, in children too, with what is near", () => {
    const given = new Map([...without("paid.payload", "reserve.undo"), ["reserve.undoo", run] as const]);
    const error = refusal(toJson(order), { functions: given, input });
    expect([error.code, error.message]).toEqual([
      "reactor.functions_mismatch",
      'The reactor "order" lacks paid.payload, reserve.undo (near it: reserve.undoo), and has no place for reserve.undoo. The reactor "child" lacks pack.run, pack.undo, pay:card.when.',
    ]);
    const missing = ["paid.payload", "reserve.undo"];
    const none = { unknown: [], unknownChildren: [] };
    expect(error.details).toEqual({
      reactors: [
        { path: "json", reactor: "order", missing, ...none, unknown: ["reserve.undoo"] },
        { path: "json.children.child", reactor: "child", missing: ["pack.run", "pack.undo", "pay:card.when"], ...none },
      ],
    });
  });

  test("where nothing is attached at all, or no functions, all of them are missing", () => {
    const untyped = fromJson as (json: unknown, attachments?: object) => unknown;
    for (const nothing of [[], [{}], [{ children: { child: {} } }]])
      expect(() => untyped(toJson(order), ...nothing)).toThrow(
        expect.objectContaining({
          code: "reactor.functions_mismatch",
          message: expect.stringMatching(/^The reactor "order" lacks .* The reactor "child" lacks pack\.run/),
        }),
      );
  });

  test("one that has no place is refused, and so is a child", () => {
    const given = { functions: { ...asObject, "ship.payload": run }, children: { child, parent }, input };
    const told = 'The reactor "order" has no place for ship.payload, and does not compose parent.';
    expect(refusal(toJson(order), given).message).toBe(told);
  });

  test("what every object has is no function of that name", () => {
    const names = [...without("reserve.undo").keys(), "toString"];
    const json = changed({ "graph.nodes.0.undo": "toString", functions: names });
    const given = { functions: Object.fromEntries(without("reserve.undo")), children, input };
    expect(refusal(json, given).message).toBe('The reactor "order" lacks toString.');
  });

  test("two that are read from one JSON have each their own functions", () => {
    const json = toJson(child);
    const read = [1, 2].map((number) =>
      fromJson(json, { functions: { "pack.run": () => number, "pack.undo": run, "pay:card.when": run } }),
    );
    expect(read.map((each) => planOf(each).root.nodes[0]?.functions.run?.())).toEqual([1, 2]);
  });

  test("an input schema that is handed in judges, else the JSON's, which has no members but those that are known", () => {
    const schema = z.object({ a: z.string().transform(Number) });
    const dropping = reactor("dropping", { input: schema }, (steps) => steps.returns(() => 1));
    const json = toJson(dropping);
    expect(json.input).toMatchObject({ properties: { a: { type: "string" } }, additionalProperties: false });
    expect(fromJson(json, dropping).input.parse({ a: "1", b: 2 })).toEqual({ a: 1 });
    const own = fromJson(json, { functions: {} });
    expect(own.input.parse({ a: "1" })).toEqual({ a: "1" });
    expect(own.input.safeParse({ a: "1", b: 2 }).success).toBe(false);
  });

  test("schemas that are read have nothing to do with each other, whatever they say of themselves", () => {
    const json = { ...toJson(parent), input: { id: "Input", title: "What there is", type: "string" } };
    const { functions, children } = parent;
    const [first, second] = [1, 2].map(() => fromJson(json, { functions, children }).input) as [z.ZodType, z.ZodType];
    expect(() => z.toJSONSchema(z.tuple([first, second]))).not.toThrow();
  });

  test("what is read is frozen, and keeps nothing of what it was read from", () => {
    const json = toJson(order);
    const given = new Map(functions);
    const back = fromJson(json, { functions: given, children });
    given.clear();
    expect(back.functions.size).toBe(functions.size);
    const inside = [
      back,
      back.graph,
      back.graph.nodes,
      back.graph.nodes[0]?.args,
      back.children.get("child")?.graph.nodes,
    ];
    expect(inside.map((each) => Object.isFrozen(each))).toEqual(inside.map(() => true));
    expect(back.graph).not.toBe(json.graph);
    expect(Object.isFrozen(json.graph)).toBe(false);
  });
});

describe("the hash", () => {
  test("a changed JSON that says its old hash is refused, and one without is another definition", () => {
    const json = { ...toJson(order), version: 2 };
    const error = refusal(json);
    const { hash: _hash, ...unsaid } = json;
    const back = fromJson(unsaid, order);
    expect([error.code, error.message]).toEqual([
      "reactor.hash_mismatch",
      `json: the reactor "order" says the hash ${order.hash}, and comes to ${back.hash}.`,
    ]);
    expect(error.next).toMatch(/^It was changed after it was written\. Leave out its hash/);
    expect(error.details).toEqual({ path: "json.hash", reactor: "order", said: order.hash, hash: back.hash });
    expect(back.version).toBe(2);
    expect(back.hash).not.toBe(order.hash);
    expect(fromJson(toJson(back), order).hash).toBe(back.hash);
  });

  test("a changed child is found, in itself and in what composes it", () => {
    const written = toJson(order);
    const { hash: _hash, ...unsaid } = written.children.child as ReactorJson;
    const version = 4;
    const inItself = { ...written, children: { child: { ...written.children.child, version } } };
    expect(refusal(inItself).message).toMatch(/^json\.children\.child: the reactor "child" says the hash /);
    const around = { ...written, children: { child: { ...unsaid, version } } };
    expect(refusal(around).message).toMatch(/^json: the reactor "order" says the hash /);
  });

  test("words can be changed under the same hash", () => {
    expect(fromJson({ ...toJson(order), description: "Sends it." }, order)).toMatchObject({ description: "Sends it." });
  });
});

describe("writing", () => {
  test("what was changed after it was built is not written, since it could not be read", () => {
    expect(() => toJson({ ...order, version: 2 })).toThrow('json: the reactor "order" says the hash');
    const timeoutMs = Number.POSITIVE_INFINITY;
    expect(() => toJson({ ...order, timeoutMs })).toThrow("json.timeoutMs: Infinity is not a JSON number");
  });

  test("reactors that are composed over and over are refused where they come to too much, and are not written out", () => {
    const around = (name: string, composed: readonly ReactorDefinition[]) =>
      reactor(name, { input: z.any() }, (steps) => {
        let at = steps as unknown as Loose;
        for (const each of composed) at = at.compose(each.name, each, { args: () => ({ a: 1 }) });
        return at.returns(() => null);
      }) as ReactorDefinition;
    let composed = child as ReactorDefinition;
    for (let level = 0; level < 20; level++)
      composed = around(`both${level}`, [around(`left${level}`, [composed]), around(`right${level}`, [composed])]);
    expect(() => toJson(composed)).toThrow("more than 1000000 values");
  });

  test("the deepest definition that there can be is written and read", () => {
    const args = ({ input }: LooseFrom) => {
      let at: unknown = input.a;
      for (let depth = 0; depth < 32; depth++) at = { x: at };
      return at;
    };
    const nest = (steps: Loose, level: number): Scope<unknown> => {
      if (level === 15) return steps.step("leaf", { args, run: () => 1 }).returns(() => null);
      const on = { when: () => true, steps: (inner: Loose) => nest(inner, level + 1) };
      return steps.switch(`level${level}`, { args, branches: { on } }).returns(() => null);
    };
    const deepest = reactor("deepest", { input: z.any() }, (steps) =>
      nest(steps as unknown as Loose, 0),
    ) as ReactorDefinition;
    expect(fromJson(JSON.parse(JSON.stringify(toJson(deepest))), deepest).hash).toBe(deepest.hash);
  });
});

describe("what the builder refuses is refused, and what it takes is taken", () => {
  const one = (settings: object, about: object = {}, name = "one") =>
    reactor(name, { input: z.any(), ...about }, (steps) =>
      (steps as unknown as Loose).step("it", { run: () => 1, ...settings }).returns(() => null),
    ) as ReactorDefinition;
  const event = (said: string) =>
    reactor("one", { input: z.any() }, (steps) =>
      steps.waitFor("it", { event: said }).returns(() => null),
    ) as ReactorDefinition;
  const refuses = (act: () => unknown) => {
    try {
      act();
      return false;
    } catch (error) {
      if (codeOf(error).startsWith("reactor.")) return true;
      throw error;
    }
  };
  const numbers = [
    -1,
    0,
    0.5,
    1,
    1.5,
    49,
    50,
    1_000,
    1_001,
    5_000,
    5_001,
    10_000,
    10_001,
    86_400_000,
    86_400_001,
    315_360_000_000,
    315_360_000_001,
    2 ** 53,
  ];
  const names = [
    "a",
    "A",
    "",
    "a-b",
    "a--b",
    "a_",
    "1a",
    "a1",
    "aB-C",
    "a.b",
    "a b",
    "ä",
    "a.",
    "a-b.c_d",
    "a".repeat(64),
    "a".repeat(65),
    "a".repeat(100),
    "a".repeat(101),
  ];
  const sleeps = [{ forMs: 5 }, { until: 5 }, {}, { forMs: 5, until: 6 }];
  const sleep = (value: object) =>
    reactor("one", { input: z.any() }, (steps) =>
      (steps as unknown as Loose).sleep("it", { args: () => value }).returns(() => null),
    ) as ReactorDefinition;
  test.each<[string, readonly unknown[], (value: never) => ReactorDefinition, string]>([
    ["a step's timeoutMs", numbers, (timeoutMs) => one({ timeoutMs }), "graph.nodes.0.timeoutMs"],
    ["maxAttempts", numbers, (maxAttempts) => one({ retry: { maxAttempts } }), "graph.nodes.0.retry.maxAttempts"],
    ["baseMs", numbers, (baseMs) => one({ retry: { baseMs } }), "graph.nodes.0.retry.baseMs"],
    ["maxMs", numbers, (maxMs) => one({ retry: { maxMs } }), "graph.nodes.0.retry.maxMs"],
    ["a run's timeoutMs", numbers, (timeoutMs) => one({}, { timeoutMs }), "timeoutMs"],
    ["version", numbers, (version) => one({}, { version }), "version"],
    ["maxConcurrency", numbers, (maxConcurrency) => one({}, { maxConcurrency }), "maxConcurrency"],
    ["a reactor's name", names, (name) => one({}, {}, name), "name"],
    ["an event's name", names, (said) => event(said), "graph.nodes.0.event"],
    ["a sleep's arguments", sleeps, (value) => sleep(value), "graph.nodes.0.args.value"],
  ])("%s", (_what, values, build, place) => {
    const from = place.endsWith("event")
      ? event("a")
      : place.endsWith("value")
        ? sleep({ forMs: 1 })
        : one({ retry: {} });
    const verdicts = values.map((value) => ({ value, refused: refuses(() => build(value as never)) }));
    const read = values.map((value) => ({
      value,
      refused: refuses(() => fromJson(changed({ [place]: value }, from), from)),
    }));
    expect(read).toEqual(verdicts);
    expect(new Set(verdicts.map(({ refused }) => refused)).size).toBe(2);
  });
});

test("whatever is changed in a JSON, it is read as what it says or refused with a code of ours", () => {
  const codes = new Map<string, number>();
  const change = fc.record({
    to: fc.constantFrom("set", "delete", "copy", "copy", "copy"),
    value: fc.jsonValue(),
    at: fc.nat(),
    from: fc.nat(),
  });
  const originals = [order, parent, child] as readonly ReactorDefinition[];
  const placesIn = (value: unknown): { readonly holder: Record<string, unknown>; readonly key: string }[] =>
    typeof value !== "object" || value === null
      ? []
      : Object.entries(value).flatMap(([key, member]) => [{ holder: value as never, key }, ...placesIn(member)]);
  fc.assert(
    fc.property(
      fc.nat(2),
      fc.array(change, { minLength: 1, maxLength: 3 }),
      fc.boolean(),
      fc.boolean(),
      (which, changes, hashed, own) => {
        const original = originals[which] as ReactorDefinition;
        const json = hashed ? JSON.parse(JSON.stringify(toJson(original))) : changed({}, original);
        for (const { to, value, at, from } of changes) {
          const places = placesIn(json);
          const place = places[at % places.length];
          if (place === undefined) continue;
          const { holder, key } = place;
          const alike = places
            .map((other) => other.holder[other.key])
            .filter((each) => typeof each === typeof holder[key]);
          if (to === "delete") delete holder[key];
          else set(holder, key, to === "set" ? value : structuredClone(alike[from % alike.length]));
        }
        const note = (code: string) => codes.set(code, (codes.get(code) ?? 0) + 1);
        try {
          const { input: _input, functions, children: _children, ...rest } = JSON.parse(JSON.stringify(json));
          const { kind: _kind, input: _schema, ...attached } = original;
          expect(toJson(fromJson(json, own ? attached : original))).toMatchObject({
            ...rest,
            functions: functions.sort(),
          });
          note("read");
        } catch (error) {
          if (!(error instanceof ViableError)) throw error;
          note(error.code);
        }
      },
    ),
    { numRuns: 500 },
  );
  for (const code of ["read", "reactor.invalid_json", "reactor.hash_mismatch"])
    expect(codes.get(code) ?? 0, code).toBeGreaterThan(0);
});
