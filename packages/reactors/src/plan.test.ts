// What a plan refuses, with its place and its reason: what would wait for ever, take what never is there, or be larger than anybody can read.
// And what it makes of the others: who waits for whom.
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { planOf, staticPath } from "./plan.ts";
import { reactor } from "./reactor.ts";
import type { Ref } from "./ref.ts";
import type { Scope } from "./step-settings.ts";
import type { Steps } from "./steps.ts";

const input = z.strictObject({ list: z.array(z.number()), name: z.string() });
type Given = Steps<{ readonly input: Ref<z.output<typeof input>> }, unknown>;
const by = (steps: (steps: Given) => Scope<unknown>) =>
  reactor("order", { input }, steps as never) as ReactorDefinition;
const run = () => 1;

/** Hands a ref out of the place where it means something. */
function leak<T>() {
  let leaked: T | undefined;
  return {
    keep: (ref: T): T => {
      leaked = ref;
      return ref;
    },
    taken: () => leaked as T,
  };
}

test.for<[string, (steps: Given) => Scope<unknown>, string, string]>([
  [
    "two steps that wait for each other",
    (steps) =>
      steps
        .step("a", { after: ["b"], run })
        .step("b", { after: ["a"], run })
        .returns(() => 1),
    "a",
    "waits for itself: a → b → a",
  ],
  [
    "a step that waits for itself",
    (steps) => steps.step("a", { after: ["a"], run }).returns(() => 1),
    "a",
    "waits for itself: a → a",
  ],
  [
    "a circle of three, and not the step that leads into it",
    (steps) =>
      steps
        .step("first", { after: ["a"], run })
        .step("a", { after: ["c"], run })
        .step("b", { after: ["a"], run })
        .step("c", { after: ["b"], run })
        .returns(() => 1),
    "a",
    "waits for itself: a → c → b → a",
  ],
  [
    "a circle through what stands inside of a step",
    (steps) =>
      steps
        .step("a", { after: ["g"], run })
        .group("g", {}, (group) =>
          group.step("b", { args: ({ results }) => ({ a: (results as { a: Ref<number> }).a }), run }).returns(() => 1),
        )
        .returns(() => 1),
    "a",
    "waits for itself: a → g → a",
  ],
  [
    "a circle inside of a step",
    (steps) =>
      steps
        .group("g", {}, (group) =>
          group
            .step("a", { after: ["b"], run })
            .step("b", { after: ["a"], run })
            .returns(() => 1),
        )
        .returns(() => 1),
    "g/a",
    "waits for itself: g/a → g/b → g/a",
  ],
  [
    "to come after a step that is not there",
    (steps) => steps.step("a", { after: ["gone"], run }).returns(() => 1),
    "a",
    'comes after "gone", which is no step beside it',
  ],
  [
    "to come after a step that stands elsewhere",
    (steps) =>
      steps
        .step("a", { run })
        .group("g", {}, (group) => group.step("b", { after: ["a"], run }).returns(() => 1))
        .returns(() => 1),
    "g/b",
    'comes after "a", which is no step beside it',
  ],
  [
    "a member that the input does not have",
    (steps) =>
      steps
        .step("a", { args: ({ input }) => ({ of: (input as unknown as { gone: Ref<number> }).gone }), run })
        .returns(() => 1),
    "a",
    'takes "gone", which the input does not have',
  ],
  [
    "a member that the input does not have, at the end",
    (steps) => steps.returns(({ input }) => (input as unknown as { gone: Ref<number> }).gone),
    "graph.returns",
    'takes "gone", which the input does not have',
  ],
  [
    "a result of a branch that may not have been taken",
    (steps) => {
      const { keep, taken } = leak<Ref<number>>();
      return steps
        .switch("s", {
          args: () => ({}),
          branches: {
            one: {
              when: () => true,
              steps: (branch) => branch.step("b", { run }).returns(({ results }) => keep(results.b)),
            },
          },
        })
        .step("a", { args: () => ({ b: taken() }), run })
        .returns(() => 1);
    },
    "a",
    'takes the result of "s:one/b", which never is there: no step that it can see has that path',
  ],
  [
    "an element outside of its map",
    (steps) => {
      const { keep, taken } = leak<Ref<number>>();
      return steps
        .map("m", { over: ({ input }) => input.list }, (each) => each.returns(({ element }) => keep(element)))
        .step("a", { args: () => ({ element: taken() }), run })
        .returns(() => 1);
    },
    "a",
    'takes an element of "m", and does not stand in it',
  ],
  [
    "an element of another map as what is mapped",
    (steps) => {
      const { keep, taken } = leak<Ref<number>>();
      return steps
        .map("m", { over: ({ input }) => input.list }, (each) => each.returns(({ element }) => keep(element)))
        .map("n", { over: () => [taken()] }, (each) => each.returns(() => 1))
        .returns(() => 1);
    },
    "n.over",
    'takes an element of "m", and does not stand in it',
  ],
  [
    "seventeen scopes in scopes",
    (steps) => {
      const nest = (inner: Given, depth: number): Scope<unknown> =>
        depth === 0
          ? inner.returns(() => 1)
          : inner.group(`g${depth}`, {}, (group) => nest(group as Given, depth - 1)).returns(() => 1);
      return nest(steps, 16);
    },
    Array.from({ length: 16 }, (_, index) => `g${16 - index}`).join("/"),
    "nested deeper than 16 scopes",
  ],
  [
    "more steps than anybody can read",
    (steps) => {
      let said = steps;
      for (let count = 0; count <= 2_000; count++) said = said.step(`s${count}`, { run }) as Given;
      return said.returns(() => 1);
    },
    "graph",
    "more than 2000 steps",
  ],
])("is refused: %s", ([, steps, path, reason]) => {
  const refused = (() => {
    try {
      return by(steps);
    } catch (error) {
      return error;
    }
  })();
  expect(refused).toMatchObject({
    code: "reactor.invalid_definition",
    message: `reactor "order", ${path}: ${reason}.`,
    next: "Change the definition; nothing of it was registered.",
    details: { reactor: "order", path, reason },
  });
});

test("what is just small enough is planned: sixteen scopes, and two thousand steps", () => {
  const nest = (inner: Given, depth: number): Scope<unknown> =>
    depth === 0
      ? inner.returns(() => 1)
      : inner.group(`g${depth}`, {}, (group) => nest(group as Given, depth - 1)).returns(() => 1);
  expect(planOf(by((steps) => nest(steps, 15))).nodes.size).toBe(15);
  const many = by((steps) => {
    let said = steps;
    for (let count = 0; count < 2_000; count++) said = said.step(`s${count}`, { run }) as Given;
    return said.returns(() => 1);
  });
  expect(planOf(many).nodes.size).toBe(2_000);
});

test("an input that allows more members than it names is not held to them", () => {
  const open = z.looseObject({ list: z.array(z.number()) });
  const definition = reactor("order", { input: open }, (steps) =>
    steps.returns(({ input }) => input.more as Ref<string>),
  );
  expect(planOf(definition as ReactorDefinition).nodes.size).toBe(0);
});

test("a step waits for what it takes, what steps inside of it take, and what it comes after, each once", () => {
  const definition = by((steps) =>
    steps
      .step("a", { run })
      .step("b", { run })
      .step("c", { after: ["a"], args: ({ results }) => ({ a: results.a, again: results.a }), run })
      .map("m", { over: ({ input }) => input.list }, (each) =>
        each.step("inside", { args: ({ results }) => ({ b: results.b }), run }).returns(({ results }) => results.c),
      )
      .returns(() => 1),
  );
  const { nodes } = planOf(definition);
  const waits = [...nodes.values()].map(({ path, waitsFor, dependents }) => [path, waitsFor, dependents]);
  expect(waits).toEqual([
    ["a", 0, [2]],
    ["b", 0, [3]],
    ["c", 1, [3]],
    ["m", 2, []],
    ["m/inside", 0, []],
  ]);
  expect(planOf(definition)).toBe(planOf(definition));
});

test.for([
  ["pay", "pay"],
  ["ship[3]/label", "ship/label"],
  ["a[10]/b[0]:card/c", "a/b:card/c"],
] as const)("the path %s in a run is %s in its definition", ([path, inDefinition]) => {
  expect(staticPath(path)).toBe(inDefinition);
});

test("reactors may be composed 50 deep, and not deeper: the steps that lead down are named", () => {
  const composed = (depth: number): ReactorDefinition => {
    let definition = reactor("r1", { input: z.unknown() }, (steps) => steps.returns(() => 1)) as ReactorDefinition;
    for (let number = 2; number <= depth; number++) {
      const child = definition;
      definition = reactor(`r${number}`, { input: z.unknown() }, (steps) =>
        steps
          .group("in", {}, (inner) => inner.compose(`to${number}`, child, { args: () => 1 }).returns(() => 1))
          .compose("beside", leaf, { args: () => 1 })
          .returns(() => 1),
      ) as ReactorDefinition;
    }
    return definition;
  };
  const leaf = reactor("leaf", { input: z.unknown() }, (steps) => steps.returns(() => 1));
  expect(() => composed(50)).not.toThrow();
  const path = Array.from({ length: 50 }, (_, index) => `in/to${51 - index}`).join(" > ");
  expect(() => composed(51)).toThrow(
    expect.objectContaining({
      code: "reactor.invalid_definition",
      message: `reactor "r51", ${path}: composes reactors more than 50 deep.`,
    }),
  );
});
