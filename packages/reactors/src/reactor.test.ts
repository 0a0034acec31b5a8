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
