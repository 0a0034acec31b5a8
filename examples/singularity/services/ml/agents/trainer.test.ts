/** What the trainer keeps, in the real memory, and what it says of it. The fit runs as it would in the service. */
import { createMemory } from "@viable/swarm";
import type { Memory } from "viable";
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { keepModel, readModel } from "../keep-models.ts";
import { plantRows } from "../planted-rows.ts";
import { trainOnBench } from "../train-on-bench.ts";
import { trainer } from "./trainer.ts";

const sums = plantRows(60, 2, ([a = 0, b = 0]) => a + 10 * b);
const chances = plantRows(60, 2, (_, chance) => (chance() < 0.8 ? "yes" : "no"));
const halves = plantRows(60, 2, ([a = 0]) => (a < 5 ? "low" : "high"));

followsInput(
  trainer,
  "a law is learnt, and of labels without one it is said that the model is not better",
  async (bench) => {
    const learnt = await trainOnBench(bench, { name: "sums", kind: "regression", ...sums, featureNames: ["a", "b"] });
    expect(learnt).toMatchObject({
      name: "sums",
      version: 1,
      kind: "regression",
      method: "linear",
      features: ["a", "b"],
      rows: { fitted: 48, heldOut: 12 },
      isBetterThanBaseline: true,
      origin: "fitted to 48 rows and measured on 12 others",
    });
    const chance = await trainOnBench(bench, { name: "chance", kind: "classification", ...chances });
    expect(chance).toMatchObject({ version: 1, classes: ["yes", "no"], isBetterThanBaseline: false });
    return [learnt, chance];
  },
);

test.for([5, 3.3, 0.1])("of amounts that are all %d no model is better than always saying so", async (amount) => {
  await using bench = await openBench();
  const labels = sums.labels.map(() => amount);
  expect(await trainOnBench(bench, { name: "m", kind: "regression", features: sums.features, labels })).toMatchObject({
    error: { heldOut: 0, baseline: 0 },
    isBetterThanBaseline: false,
  });
});

describe("versions", () => {
  test("training again keeps the next version, and the former can still be read", async () => {
    await using bench = await openBench();
    const memory = createMemory(bench.log, bench.ctx, "bench");
    await trainOnBench(bench, { name: "m", kind: "regression", ...sums });
    expect(await trainOnBench(bench, { name: "m", kind: "classification", ...halves })).toMatchObject({ version: 2 });
    expect(await readModel(memory, "m")).toMatchObject({ label: { version: 2 }, model: { kind: "classification" } });
    expect(await readModel(memory, "m", 1)).toMatchObject({ model: { kind: "regression" } });
  });

  test("the same execution begun again has the version it had, also where it died before the model was there", async () => {
    await using bench = await openBench();
    const memory = createMemory(bench.log, bench.ctx, "bench");
    const args = { name: "m", kind: "regression", ...sums };
    const once = await trainOnBench(bench, args, { executionId: "exe_a" });
    expect(await trainOnBench(bench, args, { executionId: "exe_a" })).toMatchObject({ version: once.version });

    const { model } = await readModel(memory, "m");
    const dying: Memory = {
      ...memory,
      set: async (key, value, options) => {
        if (options?.namespace === "models") throw new Error("died");
        return await memory.set(key, value, options);
      },
    };
    const ctx = { memory, runtime: bench.ctx.runtime, executionId: "exe_b", signal: new AbortController().signal };
    await expect(keepModel({ ...ctx, memory: dying }, "m", model)).rejects.toThrow("died");
    expect((await readModel(memory, "m")).label.version).toBe(1);
    await expect(readModel(memory, "m", 2)).rejects.toMatchObject({ code: "model.not_found" });
    expect(await keepModel(ctx, "m", model)).toMatchObject({ version: 2, state: "kept" });
    expect((await readModel(memory, "m")).label.version).toBe(2);
  });

  test("ten are kept, and ten who keep at once get ten numbers", async () => {
    await using bench = await openBench();
    const memory = createMemory(bench.log, bench.ctx, "bench");
    await trainOnBench(bench, { name: "m", kind: "regression", ...sums });
    const { model } = await readModel(memory, "m");
    const keep = (executionId: string) =>
      keepModel({ memory, runtime: bench.ctx.runtime, executionId, signal: new AbortController().signal }, "m", model);
    const kept = await Promise.all(Array.from({ length: 10 }, (_, index) => keep(`exe_${index}`)));
    expect(kept.map((each) => each.version).sort((a, b) => a - b)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    await keep("exe_last");
    await expect(readModel(memory, "m", 2)).rejects.toMatchObject({
      next: "There are versions 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.",
    });
    // Begun again, none of the others makes room for what is there already.
    expect(await keep("exe_last")).toMatchObject({ version: 12 });
    expect(await readModel(memory, "m", 3)).toMatchObject({ label: { version: 3 } });
  });

  test("of names there are a hundred, and whoever brings another is told", async () => {
    await using bench = await openBench();
    const memory = createMemory(bench.log, bench.ctx, "bench");
    await trainOnBench(bench, { name: "m", kind: "regression", ...sums });
    const { model } = await readModel(memory, "m");
    const ctx = { memory, runtime: bench.ctx.runtime, executionId: "exe_n", signal: new AbortController().signal };
    for (let nr = 1; nr < 100; nr++) await keepModel(ctx, `m${nr}`, model);
    await expect(keepModel(ctx, "one-more", model)).rejects.toMatchObject({ code: "model.too_many" });
    expect(await keepModel({ ...ctx, executionId: "exe_o" }, "m", model)).toMatchObject({ version: 2 });
  });

  test("a model that a memory value would not hold is refused", async () => {
    await using bench = await openBench();
    const memory = createMemory(bench.log, bench.ctx, "bench");
    await trainOnBench(bench, { name: "m", kind: "regression", ...sums });
    const { model } = await readModel(memory, "m");
    const huge = { ...model, features: Array.from({ length: 1_000 }, () => "x".repeat(1_000)) };
    const ctx = { memory, runtime: bench.ctx.runtime, executionId: "exe_b", signal: new AbortController().signal };
    await expect(keepModel(ctx, "m", huge)).rejects.toMatchObject({ code: "model.too_large" });
  });
});

test("of executions it learns how long they take, by their command, judged by the latest", async () => {
  await using bench = await openBench();
  const at = (second: number): string => new Date(second * 1_000).toISOString();
  const executions = Array.from({ length: 100 }, (_, index) => ({
    executionId: `exe_${index}`,
    command: index % 2 === 0 ? "slow" : "quick",
    acceptedAt: at(index * 60),
    endedAt: at(index * 60 + (index % 2 === 0 ? 30 : 2)),
  }));
  const result = await trainOnBench(bench, { name: "durations", executions });
  expect(result).toMatchObject({
    kind: "regression",
    features: ["command:quick", "command:slow", "underWay", "typicalMs"],
    isBetterThanBaseline: true,
  });
  const { heldOut, baseline } = result.error as { heldOut: number; baseline: number };
  expect(heldOut).toBeLessThan(10);
  expect(baseline).toBeCloseTo(14_000, -1);
});

describe("refusals", () => {
  test("rows that teach nothing are refused as the fitter says; nothing is kept", async () => {
    await using bench = await openBench();
    const few = { name: "m", kind: "regression", features: [[1]], labels: [1] };
    await expect(trainOnBench(bench, few)).rejects.toMatchObject({ code: "training.few_rows" });
    const memory = createMemory(bench.log, bench.ctx, "bench");
    await expect(readModel(memory, "m")).rejects.toMatchObject({ next: "Train one first by model_training." });
  });

  test("where nobody fits, it says so", async () => {
    await using bench = await openBench();
    const delegate = async () => {
      const error = { code: "route.unknown", message: "No swarm offers model_training.fit.", retryable: false };
      return { ok: false, status: "refused", executionId: undefined, error } as const;
    };
    await expect(bench.run(trainer, { name: "m", kind: "regression", ...sums }, { delegate })).rejects.toMatchObject({
      code: "training.not_done",
      message: expect.stringContaining("No swarm offers"),
    });
  });

  test.for([
    {},
    { kind: "regression" },
    {
      kind: "regression",
      features: [[1]],
      labels: [1],
      executions: [{ command: "a", acceptedAt: "2024-01-01T00:00:00Z" }],
    },
    { featureNames: ["a"], executions: [{ command: "a", acceptedAt: "2024-01-01T00:00:00Z" }] },
    { kind: "regression", features: [[1e300]], labels: [1] },
    { kind: "regression", features: [[]], labels: [1] },
    { executions: [{ command: "a", acceptedAt: "yesterday" }] },
  ])("%j does not fit", (args) => {
    expect(trainer.input.safeParse({ name: "m", ...args }).success).toBe(false);
  });
});
