// What is refused of a config's reactors before anything is started, and how they are described.
import { expect, test } from "vitest";
import { z } from "zod";
import { checkReactors } from "./check-reactors.ts";
import { describeReactors } from "./describe-reactors.ts";
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
  expect(() => checkReactors([plain(1, 1), plain(1, 1), plain(2, 3)], {})).not.toThrow();
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
