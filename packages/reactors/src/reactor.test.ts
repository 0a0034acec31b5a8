// What cannot be run is refused where it is written, and the refusal names the place and the reason.
import { expect, test } from "vitest";
import { z } from "zod";
import { toJson } from "./definition-json.ts";
import { planOf } from "./plan.ts";
import { reactor } from "./reactor.ts";
import type { Ref } from "./ref.ts";
import type { Steps } from "./steps.ts";

const input = z.strictObject({ list: z.array(z.number()), name: z.string() });
type Given = Steps<{ readonly input: Ref<z.output<typeof input>> }, unknown>;
const named = (name: string) => reactor(name, { input }, (steps) => steps.returns(() => 1));
const by = (steps: (steps: Given) => { readonly definition: unknown }) => () =>
  reactor("order", { input }, steps as Parameters<typeof reactor<typeof input, unknown>>[2]);
const one = (steps: Given, settings: object = {}) => steps.step("a", { run: () => 1, ...settings }).returns(() => 1);
const run = () => 1;

/** What was thrown: its code and where it says it is, which its message has too. */
function refusal(define: () => unknown): string {
  try {
    define();
  } catch (error) {
    const { code, message, next } = error as { code?: string; message: string; next?: string };
    expect(["reactor.invalid_definition", "reactor.invalid_argument"]).toContain(code);
    expect(next).toMatch(/\.$/);
    return message;
  }
  return "It is taken.";
}

const nameRule = "a name is 1 to 64 letters and digits, in words joined by - or _, beginning with a small letter";
const eventRule = "must be words joined by dots, as payment.received, of at most 100 characters";
const titleRule = "title must be text of 1 to 500 characters; what else is to be known goes into details";
const poolRule = "pool must be text of 1 to 64 characters";
const argsRule = "args must be an object, whose members are refs and plain JSON";
const inputRule = "must be a Zod schema";
const returnsRule = "its steps come to nothing that is known. Do they end in .returns(…)?";
const laterRule = "its steps are said at once, and a promise was answered";
const mapRule = "must map over a list";
const at = (place: string, reason: string) => `reactor "order", ${place}: ${reason}.`;

test.for<[string, () => unknown, string]>([
  ["a name of two words", () => named("An order"), `reactor "An order", name: ${nameRule}.`],
  [
    "a version that is no whole number",
    () => reactor("order", { input, version: 1.5 }, one),
    at("version", `1.5 is no whole number from 1 to ${Number.MAX_SAFE_INTEGER}`),
  ],
  [
    "no steps at the same time",
    () => reactor("order", { input, maxConcurrency: 0 }, one),
    at("maxConcurrency", "0 is no whole number from 1 to 10000"),
  ],
  ["a step's name with a slash", by((steps) => steps.step("a/b", { run }).returns(() => 1)), at("a/b", nameRule)],
  [
    "a step's name of 65 letters",
    by((steps) => steps.step("a".repeat(65), { run }).returns(() => 1)),
    at("a".repeat(65), nameRule),
  ],
  [
    "two steps of one name",
    by((steps) =>
      steps
        .step("a", { run })
        .step("a", { run })
        .returns(() => 1),
    ),
    at("a", "another step that can be seen here has that name"),
  ],
  [
    "a step inside that has the name of one outside",
    by((steps) =>
      steps
        .step("a", { run })
        .group("g", {}, (group) => group.step("a", { run }).returns(() => 1))
        .returns(() => 1),
    ),
    at("g/a", "another step that can be seen here has that name"),
  ],
  [
    "a step inside that has the name of one that is said later",
    by((steps) =>
      steps
        .group("g", {}, (group) => group.step("a", { run }).returns(() => 1))
        .step("a", { run })
        .returns(() => 1),
    ),
    at("g/a", "another step that can be seen here has that name"),
  ],
  ["a step without its function", by((steps) => one(steps, { run: undefined })), at("a", "run must be a function")],
  ["an undo that is none", by((steps) => one(steps, { undo: "later" })), at("a", "undo must be a function")],
  [
    "tries without an end",
    by((steps) => one(steps, { retry: { maxAttempts: Number.POSITIVE_INFINITY } })),
    at("a.retry.maxAttempts", "Infinity is no whole number from 1 to 1000"),
  ],
  [
    "more tries than anybody waits for",
    by((steps) => one(steps, { retry: { maxAttempts: 1_001 } })),
    at("a.retry.maxAttempts", "1001 is no whole number from 1 to 1000"),
  ],
  [
    "no try",
    by((steps) => one(steps, { retry: { maxAttempts: 0 } })),
    at("a.retry.maxAttempts", "0 is no whole number from 1 to 1000"),
  ],
  [
    "waits between tries that shrink",
    by((steps) => one(steps, { retry: { baseMs: 10, maxMs: 5 } })),
    at("a", "retry needs 0 ≤ baseMs ≤ maxMs ≤ a day, and has baseMs 10 and maxMs 5"),
  ],
  [
    "waits between tries that begin beyond the longest where none is said",
    by((steps) => one(steps, { retry: { baseMs: 10_000 } })),
    at("a", "retry needs 0 ≤ baseMs ≤ maxMs ≤ a day, and has baseMs 10000 and maxMs 5000 (the default)"),
  ],
  [
    "waits between tries without an end",
    by((steps) => one(steps, { retry: { maxMs: Number.POSITIVE_INFINITY } })),
    at("a", "retry needs 0 ≤ baseMs ≤ maxMs ≤ a day, and has baseMs 50 (the default) and maxMs Infinity"),
  ],
  [
    "a step without an end",
    by((steps) => one(steps, { timeoutMs: Number.POSITIVE_INFINITY })),
    at("a", "timeoutMs must be more than 0 and at most a day"),
  ],
  [
    "a step without time",
    by((steps) => one(steps, { timeoutMs: 0 })),
    at("a", "timeoutMs must be more than 0 and at most a day"),
  ],
  [
    "a repeat without an end",
    by((steps) =>
      steps
        .repeat(
          "r",
          { maxTurns: Number.POSITIVE_INFINITY },
          (turn) => turn.returns(() => 1),
          () => false,
        )
        .returns(() => 1),
    ),
    at("r.maxTurns", "Infinity is no whole number from 1 to 1000000"),
  ],
  [
    "more elements at the same time than fit into memory",
    by((steps) =>
      steps
        .map("m", { over: ({ input }) => input.list, maxConcurrency: 10_001 }, (each) => each.returns(() => 1))
        .returns(() => 1),
    ),
    at("m.maxConcurrency", "10001 is no whole number from 1 to 10000"),
  ],
  [
    "a branch named otherwise",
    by((steps) =>
      steps
        .switch("s", {
          args: () => ({}),
          branches: { otherwise: { when: () => true, steps: (branch) => branch.returns(() => 1) } },
        })
        .returns(() => 1),
    ),
    at("s:otherwise", nameRule),
  ],
  [
    "restarts without an end",
    by((steps) =>
      steps
        .compose("c", named("child"), { args: () => ({ list: [], name: "" }), maxRestarts: Number.POSITIVE_INFINITY })
        .returns(() => 1),
    ),
    at("c.maxRestarts", "Infinity is no whole number from 0 to 100"),
  ],
  [
    "to undo what cannot be",
    by((steps) =>
      steps.compose("c", named("child"), { args: () => ({ list: [], name: "" }), undo: true }).returns(() => 1),
    ),
    at("c", '"child" is to be undone, and is not reversible'),
  ],
  [
    "two reactors of one name inside of one",
    by((steps) => {
      const args = () => ({ list: [], name: "" });
      const other = reactor("child", { input, version: 2 }, (child) => child.returns(() => 1));
      return steps
        .compose("c", named("child"), { args })
        .compose("d", other, { args })
        .returns(() => 1);
    }),
    at("d", 'another reactor named "child" is composed already: they differ in their version'),
  ],
  [
    "two reactors of one name and graph, and with other functions, inside of one",
    by((steps) => {
      const args = () => ({ list: [], name: "" });
      const child = () => reactor("child", { input }, (child) => child.step("a", { run: () => 1 }).returns(() => 1));
      return steps
        .compose("c", child(), { args })
        .compose("d", child(), { args })
        .returns(() => 1);
    }),
    at("d", 'another reactor named "child" is composed already: they differ in the function a.run'),
  ],
  [
    "an event that is no name",
    by((steps) => steps.waitFor("w", { event: "paid/b" }).returns(() => 1)),
    at("w", `event ${eventRule}`),
  ],
  [
    "an event whose name is too long to be sent",
    by((steps) => steps.waitFor("w", { event: "e".repeat(101) }).returns(() => 1)),
    at("w", `event ${eventRule}`),
  ],
  [
    "a switch that leads nowhere",
    by((steps) => steps.switch("s", { args: () => ({}), branches: {} }).returns(() => 1)),
    at("s", "must have a branch, or an otherwise: else it always fails"),
  ],
  [
    "a sleep for a time and until one",
    by((steps) => steps.sleep("s", { args: () => ({ forMs: 5, until: 5 }) as never }).returns(() => 1)),
    at("s", "must say forMs or until, and says both"),
  ],
  [
    "a sleep without an end",
    by((steps) => steps.sleep("s", { args: () => ({}) as never }).returns(() => 1)),
    at("s", "must say forMs or until, and says neither"),
  ],
  [
    "a group whose name is too long for what is done before it",
    by((steps) => steps.group("g".repeat(58), { before: run }, (group) => group.returns(() => 1)).returns(() => 1)),
    at("g".repeat(58), `too long a name for a step "${"g".repeat(58)}-before": ${nameRule}`),
  ],
  [
    "a group whose name is too long for what is done after it",
    by((steps) => steps.group("g".repeat(59), { afterAll: run }, (group) => group.returns(() => 1)).returns(() => 1)),
    at("g".repeat(59), `too long a name for a step "${"g".repeat(59)}-after": ${nameRule}`),
  ],
  [
    "a result that nobody has yet",
    by((steps) =>
      steps.step("a", { args: ({ results }) => ({ b: (results as { b: Ref<number> }).b }), run }).returns(() => 1),
    ),
    at("a.args", "results.b is taken, and no step of that name stands before it"),
  ],
  [
    "a result that nobody has, inside of a step",
    by((steps) =>
      steps
        .group("g", {}, (group) => group.returns(({ results }) => (results as { b: Ref<number> }).b))
        .returns(() => 1),
    ),
    at("g/returns", "results.b is taken, and no step of that name stands before it"),
  ],
  [
    "a wait for an event without an end, since its end has another name",
    by((steps) =>
      steps.waitFor("w", { event: "paid", args: () => ({ key: "k", timeout: 5 }) as never }).returns(() => 1),
    ),
    at("w", 'its args say "timeout", and may say key, timeoutMs'),
  ],
  [
    "an approval without an end, since its end has another name",
    by((steps) =>
      steps
        .approval("ask", { title: "May it?", args: ({ input }) => ({ details: input.name, timeout: 5 }) as never })
        .returns(() => 1),
    ),
    at("ask", 'its args say "timeout", and may say details, timeoutMs'),
  ],
  [
    "an approval without a title",
    by((steps) => steps.approval("ask", {} as never).returns(() => 1)),
    at("ask", titleRule),
  ],
  [
    "an approval with an empty title",
    by((steps) => steps.approval("ask", { title: "" }).returns(() => 1)),
    at("ask", titleRule),
  ],
  [
    "an approval with a title that is a document",
    by((steps) => steps.approval("ask", { title: "x".repeat(501) }).returns(() => 1)),
    at("ask", titleRule),
  ],
  ["a pool without a name", by((steps) => one(steps, { pool: "" })), at("a", poolRule)],
  ["a pool whose name is too long", by((steps) => one(steps, { pool: "p".repeat(65) })), at("a", poolRule)],
  ["a pool that is a number", by((steps) => one(steps, { pool: 5 })), at("a", poolRule)],
  [
    "a task without a capability",
    by((steps) => steps.task("t", { args: () => ({}) } as never).returns(() => 1)),
    at("t", "capability must be the name of what an agent can do"),
  ],
  [
    "a way to find out what happened, of a step that is done again",
    by((steps) => one(steps, { findOutcome: () => undefined })),
    at("a", "findOutcome is asked of a step with idempotent: false, and of no other"),
  ],
  ["arguments that are a list", by((steps) => one(steps, { args: () => [1] })), at("a", argsRule)],
  [
    "arguments that are a list with a ref",
    by((steps) => steps.step("a", { args: ({ input }) => [input.name], run }).returns(() => 1)),
    at("a", argsRule),
  ],
  ["arguments that are a number", by((steps) => one(steps, { args: () => 5 })), at("a", argsRule)],
  [
    "a map over a number",
    by((steps) => steps.map("m", { over: () => 5 as never }, (each) => each.returns(() => 1)).returns(() => 1)),
    at("m", mapRule),
  ],
  [
    "a map over an object",
    by((steps) =>
      steps
        .map("m", { over: ({ input }) => ({ list: input.list }) as never }, (each) => each.returns(() => 1))
        .returns(() => 1),
    ),
    at("m", mapRule),
  ],
  [
    "an argument that is no JSON",
    by((steps) => one(steps, { args: () => ({ at: new Date(0) }) })),
    at("a.args.at", "an instance of Date cannot be written as JSON and read back"),
  ],
])("%s", ([, define, message]) => {
  expect(refusal(define)).toBe(message);
});

test.for<[string, () => unknown, string]>([
  [
    "a text of a part of the input",
    by((steps) => steps.step("a", { args: ({ input }) => ({ a: `${input.name}` }), run }).returns(() => 1)),
    at("a.args", "input.name is written into a text or computed with, and it has a value only while a run goes on"),
  ],
  [
    "a list that is spread",
    by((steps) =>
      steps
        .group("g", {}, (group) => group.step("a", { args: ({ input }) => ({ ...input.list }), run }).returns(() => 1))
        .returns(() => 1),
    ),
    at(
      "g/a.args",
      "input.list is spread or listed, what it has is not known, and it has a value only while a run goes on",
    ),
  ],
  [
    "an element that is spread",
    by((steps) =>
      steps
        .map("m", { over: ({ input }) => input.list }, (each) => each.returns(({ element }) => ({ ...element })))
        .returns(() => 1),
    ),
    at(
      "m/returns",
      "element is spread or listed, what it has is not known, and it has a value only while a run goes on",
    ),
  ],
  [
    "a list that is computed with",
    by((steps) =>
      steps
        .step("a", { args: ({ input }) => ({ a: (input.list as never as number[]).map(() => 1) }), run })
        .returns(() => 1),
    ),
    at("a.args", "input.list.map is called, and it has a value only while a run goes on"),
  ],
  [
    "an input with members that its schema does not name, spread",
    () =>
      reactor("order", { input: z.looseObject({ a: z.string() }) }, (steps) =>
        steps.step("a", { args: ({ input }) => ({ ...input }), run }).returns(() => 1),
      ),
    at("a.args", "input is spread or listed, what it has is not known, and it has a value only while a run goes on"),
  ],
])("what would need a value before there is one: %s", ([, define, message]) => {
  expect(refusal(define)).toBe(message);
});

test("the input and all results can be spread or handed on whole: what takes them comes after them", () => {
  const definition = reactor("order", { input }, (steps) =>
    steps
      .step("a", { args: ({ input }) => ({ ...input, more: 1 }), run })
      .step("b", { args: ({ results }) => results, run })
      .returns(({ results }) => ({ ...results })),
  );
  const result = (step: string) => ({ from: "result", step, path: [] });
  expect(definition.graph.nodes.map(({ args }) => args)).toEqual([
    {
      from: "object",
      members: {
        list: { from: "input", path: ["list"] },
        name: { from: "input", path: ["name"] },
        more: { from: "value", value: 1 },
      },
    },
    { from: "object", members: { a: result("a") } },
  ]);
  expect(definition.graph.returns).toEqual({ from: "object", members: { a: result("a"), b: result("b") } });
  expect(planOf(definition).nodes.get("b")?.waitsFor).toBe(1);
});

test.for([Number.NaN, -5, 0, Number.POSITIVE_INFINITY, 1e300])("a run's time of %d", (timeoutMs) => {
  expect(refusal(() => reactor("order", { input, timeoutMs }, one))).toBe(
    at("timeoutMs", `${timeoutMs} is no number of milliseconds from 1 to ten years`),
  );
});

test("what is said is a value: chains that begin alike do not know of each other, and what is not returned is not there", () => {
  const [first, second] = [() => 1, () => 2];
  const args = () => ({ list: [], name: "" });
  const definition = reactor("order", { input }, (steps) => {
    const one = steps.step("a", { run: first });
    steps.step("a", { run: second }).compose("c", named("child"), { args }).step("b", { run });
    return one
      .group("g", {}, (group) => {
        group.step("inside", { run: second });
        return group.step("inside", { run: first }).returns(() => 1);
      })
      .returns(() => 1);
  });
  expect([...definition.functions]).toEqual([
    ["a.run", first],
    ["g/inside.run", first],
  ]);
  expect([...definition.children]).toEqual([]);
  expect(() => toJson(definition)).not.toThrow();
});

test("in a group without steps, what is done after them comes after what is done before them", () => {
  const definition = reactor("order", { input }, (steps) =>
    steps.group("g", { before: run, afterAll: run }, (group) => group.returns(() => 1)).returns(() => 1),
  );
  expect(planOf(definition).nodes.get("g/g-after")?.waitsFor).toBe(1);
});

test("what was defined is frozen: whoever has it has what was checked", () => {
  const definition = reactor("order", { input }, one);
  expect(() => Object.assign(definition.graph.nodes[0] as object, { timeoutMs: 5 })).toThrow(TypeError);
  expect(() => (definition.graph.nodes as unknown[]).push(1)).toThrow(TypeError);
});

test("a list of steps to come after stays whose it is", () => {
  const after = ["a"];
  const definition = reactor("order", { input }, (steps) =>
    steps
      .step("a", { run })
      .step("b", { run, after })
      .returns(() => 1),
  );
  after.push("c");
  expect(definition.graph.nodes[1]?.after).toEqual(["a"]);
});

const child = named("child");
const say = one as never;
test.for<[string, () => unknown, string]>([
  ["a reactor without settings", () => reactor("order", undefined as never, say), at("input", inputRule)],
  ["an input without a schema", () => reactor("order", {} as never, say), at("input", inputRule)],
  ["an input that is no schema", () => reactor("order", { input: {} } as never, say), at("input", inputRule)],
  ["no steps", () => reactor("order", { input }, undefined as never), at("graph", "its steps must be a function")],
  ["steps that say no result", by((steps) => steps.step("a", { run }) as never), at("graph", returnsRule)],
  ["steps that answer nothing", by((() => {}) as never), at("graph", returnsRule)],
  ["steps that answer later", by((async (steps: Given) => one(steps)) as never), at("graph", laterRule)],
  [
    "steps inside that say no result",
    by((steps) => steps.group("g", {}, ((group: Given) => group.step("a", { run })) as never).returns(() => 1)),
    at("g", returnsRule),
  ],
  [
    "a map without steps",
    by((steps) => steps.map("m", { over: ({ input }) => input.list }, undefined as never).returns(() => 1)),
    at("m", "its steps must be a function"),
  ],
  [
    "a branch without steps",
    by((steps) =>
      steps.switch("s", { args: () => ({}), branches: { b: { when: () => true } as never } }).returns(() => 1),
    ),
    at("s:b", "its steps must be a function"),
  ],
  [
    "a switch without branches",
    by(((steps: { switch: (name: string, settings: object) => Given }) =>
      steps.switch("s", { args: () => ({}) }).returns(() => 1)) as never),
    at("s", "must have a branch, or an otherwise: else it always fails"),
  ],
  [
    "no result",
    by((steps) => steps.returns(undefined as never as () => number)),
    at("returns", "must be a function of what is there"),
  ],
  [
    "arguments that are no function",
    by((steps) => one(steps, { args: { a: 1 } })),
    at("a.args", "must be a function of what is there"),
  ],
  [
    "something to map over that is no function",
    by(((steps: { map(name: string, settings: object, each: (each: Given) => unknown): Given }) =>
      steps.map("m", { over: [1] }, (each) => each.returns(() => 1)).returns(() => 1)) as never),
    at("m.over", "must be a function of what is there"),
  ],
  [
    "names of what it comes after that are no list",
    by((steps) =>
      steps
        .step("x", { run })
        .step("a", { run, after: "x" as never })
        .returns(() => 1),
    ),
    at("a", 'after must be a list of names of steps, and is "x"'),
  ],
  [
    "nothing that is composed",
    by((steps) => steps.compose("c", undefined as never, { args: () => ({}) as never }).returns(() => 1)),
    at("c", "what it composes is no definition of a reactor"),
  ],
  ...["step", "map", "switch", "group", "repeat", "compose", "sleep", "waitFor", "approval", "task"].map(
    (kind): [string, () => unknown, string] => [
      `a ${kind} without settings`,
      by((steps) => {
        const untyped = steps as unknown as { readonly [kind: string]: (...said: unknown[]) => Given };
        const said =
          kind === "compose" ? [child, undefined] : [undefined, (inner: Given) => inner.returns(() => 1), () => true];
        return untyped[kind]?.("a", ...said).returns(() => 1) as never;
      }),
      at("a", "has no settings"),
    ],
  ),
])("what only a caller without types can say: %s", ([, define, message]) => {
  expect(refusal(define)).toBe(message);
});
