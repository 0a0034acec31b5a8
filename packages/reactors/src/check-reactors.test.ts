// What is refused of a config's reactors before anything is started, and how they are described.
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkReactors } from "./check-reactors.ts";
import type { ReactorDefinition } from "./definition.ts";
import { fromJson, toJson } from "./definition-json.ts";
import { Definitions } from "./definitions.ts";
import { describeReactors } from "./describe-reactors.ts";
import { processManager } from "./process-manager.ts";
import { reactor } from "./reactor.ts";

const input = z.strictObject({ size: z.number().default(1) });
const plain = (version: number, steps: number) =>
  reactor("plain", { input, version, description: `Has ${steps} steps.` }, (first) => {
    let said = first.step("step-0", { run: () => 0 });
    for (let each = 1; each < steps; each++) said = said.step(`step-${each}` as "step-0", { run: () => each });
    return said.returns(() => ({}));
  });
const pooled = reactor("pooled", { input }, (steps) =>
  steps
    .map("each", { over: () => [1, 2] }, (each) =>
      each.step("call", { pool: "database", run: () => 1 }).returns(({ results }) => results.call),
    )
    .returns(() => ({})),
);
const around = reactor("around", { input }, (steps) =>
  steps.compose("inner", pooled, { args: () => ({ size: 1 }) }).returns(() => ({})),
);

test("the same reactor twice, and two versions of one, are well", () => {
  const first = plain(1, 1);
  expect(() => checkReactors([first, first, plain(2, 3)], {})).not.toThrow();
  expect(() => new Definitions([first, first, plain(2, 3)])).not.toThrow();
});

test("the same reactor from a JSON, composed in two others, is one", () => {
  const inner = plain(1, 1);
  const names = ["left", "right"] as const;
  const [left, right] = names.map((name) =>
    reactor(name, { input }, (steps) => steps.compose("inner", inner, { args: () => ({ size: 1 }) }).returns(() => 1)),
  ) as [ReactorDefinition, ReactorDefinition];
  const read = (definition: ReactorDefinition) =>
    fromJson(toJson(definition), { functions: {}, children: { plain: { functions: inner.functions } } });
  expect(() => checkReactors([read(left), read(right)], {})).not.toThrow();
});

const run = () => 1;
const differing = (settings: object, step: object = {}): ReactorDefinition =>
  reactor("plain", { input, ...settings }, (steps) => steps.step("a", { run, ...step }).returns(() => 1)) as never;
const composing = (inner: ReactorDefinition): ReactorDefinition =>
  reactor("composes", { input }, (steps) =>
    steps.compose("inner", inner, { args: () => ({}) as never }).returns(() => 1),
  ) as never;

test.for<[string, ReactorDefinition, ReactorDefinition]>([
  ["their timeoutMs", differing({}), differing({ timeoutMs: 5 })],
  ["their maxConcurrency", differing({}), differing({ maxConcurrency: 5 })],
  ["their description", differing({}), differing({ description: "x" })],
  ["their input", differing({}), differing({ input: z.strictObject({ size: z.number().min(5) }) })],
  ["the function a.run", differing({}), differing({}, { run: () => 2 })],
  ["settings of their steps, or the order of these", differing({}), differing({}, { timeoutMs: 5 })],
  ["their graphs", differing({}), differing({}, { idempotent: false })],
])("of two that begin the same runs and differ in %s none wins: they are refused", ([what, one, other]) => {
  const reason = `have version 1, and differ in ${what}`;
  expect(() => checkReactors([one, other], {})).toThrow(
    expect.objectContaining({ code: "config.invalid", message: expect.stringContaining(reason) }),
  );
  expect(() => new Definitions([one, other])).toThrow(
    expect.objectContaining({ code: "reactor.invalid_definition", message: expect.stringContaining(reason) }),
  );
  expect(() => new Definitions([composing(one), other])).toThrow(reason);
  if (what === "their graphs") return;
  expect(() => new Definitions([composing(one), composing(other)])).toThrow(
    `differ in what they compose: in "plain", ${what}`,
  );
});

test("one name and version for two graphs is refused, also where one is composed", () => {
  const refusal = { code: "config.invalid", details: { path: "reactors.plain" } };
  expect(() => checkReactors([plain(1, 1), plain(1, 2)], {})).toThrow(expect.objectContaining(refusal));
  const composes = reactor("composes", { input }, (steps) =>
    steps.compose("inner", plain(1, 2), { args: () => ({ size: 1 }) }).returns(() => ({})),
  );
  expect(() => checkReactors([plain(1, 1), composes], {})).toThrow(expect.objectContaining(refusal));
});

test("a pool without a size is refused, wherever the step is that takes turns in it; and a size that is none", () => {
  for (const definition of [pooled, around])
    expect(() => checkReactors([definition], {})).toThrow(
      'reactors.pooled: the step "each/call" takes turns in the pool "database"',
    );
  expect(() => checkReactors([around], { database: 5 })).not.toThrow();
  for (const size of [0, -1, 1.5, Number.NaN, 10_001])
    expect(() => checkReactors([], { database: size })).toThrow("pools.database: must be a whole number");
});

test("a pool's name has a bound, and is told with its rule", () => {
  expect(() => checkReactors([], { ["p".repeat(65)]: 5 })).toThrow(
    `pools.${"p".repeat(65)}: its name must be 1 to 64 characters.`,
  );
  expect(() => checkReactors([], { "": 5 })).toThrow("pools.: its name must be 1 to 64 characters.");
});

describe("what only others can answer", () => {
  const packs = (version: number, capability: string) =>
    reactor("packs", { input, version }, (steps) =>
      steps.task("pack", { capability, args: () => ({}) }).returns(() => 1),
    ) as unknown as ReactorDefinition;

  test("a task that no agent of the system can do is refused, also in a reactor that is composed", () => {
    const outer = reactor("outer", { input }, (steps) =>
      steps.compose("inner", packs(1, "shop.pakc") as never, { args: () => ({}) as never }).returns(() => 1),
    ) as unknown as ReactorDefinition;
    for (const definition of [packs(1, "shop.pakc"), outer])
      expect(() => checkReactors([definition], {}, { capabilities: ["shop.pack", "bill"], managers: [] })).toThrow(
        expect.objectContaining({
          code: "config.invalid",
          message:
            'reactors.packs: the step "pack" has a task for "shop.pakc", which no agent of the system can do (near it: shop.pack).',
        }),
      );
    expect(() => checkReactors([outer], {}, { capabilities: ["shop.pakc"], managers: [] })).not.toThrow();
  });

  test("an older version that runs are under way of may have tasks that nobody does any more", () => {
    const both = [packs(1, "gone"), packs(2, "here")];
    expect(() => checkReactors(both, {}, { capabilities: ["here"], managers: [] })).not.toThrow();
  });

  test("what a process manager sends and no step waits for is refused, whoever has that step", () => {
    const waits = reactor("waits", { input }, (steps) =>
      steps.group("g", {}, (group) => group.waitFor("paid", { event: "order.paid" }).returns(() => 1)).returns(() => 1),
    );
    const manager = (sends: string) =>
      processManager({ name: "orders", reactor: pooled, on: [{ type: "shop.paid", key: () => "k", sends }] });
    const composes = reactor("composes", { input }, (steps) =>
      steps.compose("inner", waits, { args: () => ({ size: 1 }) }).returns(() => 1),
    );
    const check = (sends: string, definition: ReactorDefinition) => () =>
      checkReactors([definition], {}, { capabilities: [], managers: [manager(sends)] });
    for (const definition of [waits, composes] as unknown as ReactorDefinition[]) {
      expect(check("order.paid", definition)).not.toThrow();
      expect(check("order.payed", definition)).toThrow(
        expect.objectContaining({
          code: "config.invalid",
          message:
            'projections.orders: on.0 sends "order.payed", which no step of the system\'s reactors waits for (near it: order.paid).',
        }),
      );
    }
  });
});

test("reactors are described by name, with what new runs begin with and all that is here", () => {
  const open = new Map([
    ["plain", 2],
    ["gone", 1],
  ]);
  const [first, second] = describeReactors([plain(1, 1), plain(2, 3), pooled], open);
  expect(first).toMatchObject({
    name: "plain",
    description: "Has 3 steps.",
    version: 2,
    versions: [{ version: 2 }, { version: 1 }],
    steps: 3,
    openRuns: 2,
    isReversible: false,
    input: { type: "object", properties: { size: { type: "number" } } },
  });
  expect(first?.hash).toBe(first?.versions[0]?.hash);
  expect(second).toMatchObject({ name: "pooled", steps: 2, openRuns: 0 });
});
