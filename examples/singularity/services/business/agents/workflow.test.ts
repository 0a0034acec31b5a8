/**
 * Workflows by declared transitions: moved where a guard holds, refused with what is allowed instead; instances on the real memory, of
 * which two events at once move one; an execution that is begun again moves nothing twice.
 */
import { createMemory } from "@viable/swarm";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { workflow } from "./workflow.ts";

/** An invoice: small ones are approved by anybody, large ones by a second person. */
const invoice = {
  states: ["draft", "submitted", "checked", "approved", "rejected"],
  initial: "draft",
  transitions: [
    { from: "draft", event: "submit", to: "submitted" },
    {
      from: "submitted",
      event: "approve",
      to: "approved",
      when: { fact: "amount", operator: "lessThan", value: 1_000 },
    },
    {
      from: "submitted",
      event: "approve",
      to: "checked",
      when: { fact: "approver", operator: "notEqual", otherFact: "author" },
    },
    { from: "checked", event: "approve", to: "approved" },
    { from: "submitted", event: "reject", to: "rejected" },
  ],
};

followsInput(workflow, "a small invoice is approved at once, a large one is looked at twice", async (bench) => {
  const on = (facts: JsonObject) => ({
    operation: "try",
    workflow: invoice,
    state: "submitted",
    event: "approve",
    facts,
  });
  const small = await bench.run(workflow, on({ amount: 999 }));
  expect(small).toEqual({
    moved: true,
    from: "submitted",
    state: "approved",
    isEnd: true,
    allowed: [],
    guarded: [],
    because: ["amount is 999 (lessThan 1000: yes)"],
  });
  const large = await bench.run(workflow, on({ amount: 1_000, author: "ada", approver: "bob" }));
  expect(large).toMatchObject({ moved: true, state: "checked", isEnd: false, allowed: ["approve"] });
  return [small, large];
});

test("a refusal says why, and which events are allowed instead", async () => {
  await using bench = await openBench();
  const refused = (state: string | undefined, event: string, facts: JsonObject = {}) =>
    bench.run(workflow, { operation: "try", workflow: invoice, ...(state !== undefined && { state }), event, facts });
  expect(await refused(undefined, "approve")).toEqual({
    moved: false,
    reason: 'In the state "draft" there is no event "approve".',
    because: [],
    state: "draft",
    isEnd: false,
    allowed: ["submit"],
    guarded: [],
  });
  expect(await refused("submitted", "approve", { amount: 2_000, author: "ada", approver: "ada" })).toMatchObject({
    moved: false,
    reason: 'The guard of "approve" does not hold.',
    because: [expect.stringContaining("amount is 2000"), expect.stringContaining('approver is "ada"')],
    allowed: ["reject"],
    guarded: [{ event: "approve" }],
  });
  await expect(refused("paid", "approve")).rejects.toMatchObject({
    code: "workflow.unknown_state",
    next: expect.stringContaining("draft, submitted"),
  });
});

test("a later transition is not taken where nobody knows whether an earlier one holds", async () => {
  await using bench = await openBench();
  const facts = { author: "ada", approver: "bob" };
  const args = { operation: "try", workflow: invoice, state: "submitted", event: "approve", facts };
  expect(await bench.run(workflow, args)).toMatchObject({
    moved: false,
    reason: 'Whether it leads to "approved" cannot be said.',
    because: ["amount is not there"],
  });
});

test("an instance keeps its state, its version and its way, and ends where nothing leads on", async () => {
  await using bench = await openBench();
  expect(await bench.run(workflow, { operation: "start", id: "i1", workflow: invoice })).toMatchObject({
    id: "i1",
    version: 1,
    state: "draft",
    allowed: ["submit"],
    history: [],
  });
  const send = (event: string, more: JsonObject = {}) =>
    bench.run(workflow, { operation: "send", id: "i1", event, ...more });
  expect(await send("reject")).toMatchObject({ moved: false, version: 1, state: "draft", allowed: ["submit"] });
  expect(await send("submit")).toMatchObject({ moved: true, from: "draft", version: 2, state: "submitted" });
  expect(await send("reject", { expected: 1 })).toMatchObject({
    moved: false,
    reason: "It is at version 2, not 1.",
    state: "submitted",
  });
  expect(await send("reject", { expected: 2 })).toMatchObject({
    moved: true,
    version: 3,
    state: "rejected",
    isEnd: true,
  });
  expect(await send("submit")).toMatchObject({ moved: false, allowed: [] });
  const shown = await bench.run(workflow, { operation: "show", id: "i1" });
  expect(shown).toMatchObject({
    state: "rejected",
    history: [
      { event: "submit", from: "draft", to: "submitted" },
      { event: "reject", from: "submitted", to: "rejected" },
    ],
  });
  await expect(bench.run(workflow, { operation: "show", id: "i2" })).rejects.toMatchObject({
    code: "workflow.not_found",
  });
});

test("an instance that has come to an end is forgotten some day, one that can still move is not", async () => {
  await using bench = await openBench();
  const memory = createMemory(bench.log, bench.ctx, "bench");
  const life = async () => (await memory.get("i1", "workflow-instances"))?.expiresAt;
  await bench.run(workflow, { operation: "start", id: "i1", workflow: invoice });
  expect(await life()).toBeNull();
  await bench.run(workflow, { operation: "send", id: "i1", event: "submit" });
  expect(await life()).toBeNull();
  await bench.run(workflow, { operation: "send", id: "i1", event: "reject" });
  expect(await life()).toBeGreaterThan(bench.ctx.runtime.clock.now());
});

test("of two events at once on one instance one moves it, and the other is told", async () => {
  await using bench = await openBench();
  const turnstile = {
    states: ["locked", "open"],
    initial: "locked",
    // Both would be allowed one after the other: what keeps the second out is that it was meant for the state before.
    transitions: [
      { from: "locked", event: "coin", to: "open" },
      { from: "open", event: "coin", to: "open" },
    ],
  };
  await bench.run(workflow, { operation: "start", id: "t", workflow: turnstile });
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => bench.run(workflow, { operation: "send", id: "t", event: "coin" })),
  );
  const moved = answers.filter((each) => each.moved === true);
  expect(moved).toEqual([expect.objectContaining({ version: 2, state: "open" })]);
  for (const each of answers.filter((each) => each.moved === false)) {
    expect(each).toMatchObject({ reason: "Another event came first.", state: "open", version: 2, allowed: ["coin"] });
  }
});

test("an execution that is begun again after a crash moves nothing twice, and starts nothing twice", async () => {
  await using bench = await openBench();
  const start = { operation: "start", id: "i1", workflow: invoice };
  const first = await bench.run(workflow, start, { executionId: "exe_a" });
  expect(await bench.run(workflow, start, { executionId: "exe_a" })).toEqual(first);
  await expect(bench.run(workflow, start)).rejects.toMatchObject({ code: "workflow.exists" });
  const send = { operation: "send", id: "i1", event: "submit" };
  const moved = { moved: true, from: "draft", state: "submitted", version: 2 };
  expect(await bench.run(workflow, send, { executionId: "exe_b" })).toMatchObject(moved);
  expect(await bench.run(workflow, send, { executionId: "exe_b" })).toMatchObject(moved);
});

test("one tenant's instances are not another's", async () => {
  await using bench = await openBench();
  await bench.run(workflow, { operation: "start", id: "i1", workflow: invoice });
  const other = { tenant: "other" };
  await expect(bench.run(workflow, { operation: "show", id: "i1" }, other)).rejects.toMatchObject({
    code: "workflow.not_found",
  });
  expect(await bench.run(workflow, { operation: "start", id: "i1", workflow: invoice }, other)).toMatchObject({
    version: 1,
  });
});

test("of a long way the latest hundred moves are kept, and the version counts all", async () => {
  await using bench = await openBench();
  const loop = { states: ["a"], initial: "a", transitions: [{ from: "a", event: "go", to: "a" }] };
  await bench.run(workflow, { operation: "start", id: "l", workflow: loop });
  for (let count = 0; count < 103; count++) await bench.run(workflow, { operation: "send", id: "l", event: "go" });
  const shown = await bench.run(workflow, { operation: "show", id: "l" });
  expect(shown.version).toBe(104);
  expect((shown.history as unknown[]).length).toBe(100);
  const [entry] = await createMemory(bench.log, bench.ctx, "bench").list("workflow-instances");
  expect(entry?.key).toBe("l");
});

test("a workflow that leads nowhere, or has ways that are never taken, is refused with the place", () => {
  const refused = (definition: unknown) =>
    workflow.input
      .safeParse({ operation: "start", id: "i", workflow: definition })
      .error?.issues.map(({ path, message }) => `${path.slice(1).join(".")}: ${message}`);
  expect(
    refused({
      states: ["a", "b", "a"],
      initial: "c",
      transitions: [
        { from: "a", event: "go", to: "d" },
        { from: "a", event: "go", to: "b", when: { fact: "x", operator: "equal", value: 1 } },
      ],
    }),
  ).toEqual([
    'states.2: "a" is named twice',
    'initial: "c" is none of the states',
    'transitions.0.to: "d" is none of the states',
    "transitions.1: is never taken: transition 0 has no guard and comes first",
  ]);
  expect(
    refused({ states: ["a"], initial: "a", transitions: [{ from: "a", event: "x", to: "a", when: "always" }] }),
  ).toEqual([expect.stringContaining("transitions.0.when: must be an object")]);
  expect(refused({ states: [], initial: "a", transitions: [] })?.length).toBeGreaterThan(0);
});

test("a workflow too large to keep is refused before anything is kept", async () => {
  await using bench = await openBench();
  const when = { fact: "x", operator: "equal", value: "y".repeat(600_000) };
  const large = { states: ["a"], initial: "a", transitions: [{ from: "a", event: "go", to: "a", when }] };
  await expect(bench.run(workflow, { operation: "start", id: "i", workflow: large })).rejects.toMatchObject({
    code: "workflow.too_large",
  });
  await expect(bench.run(workflow, { operation: "show", id: "i" })).rejects.toMatchObject({
    code: "workflow.not_found",
  });
});
