import type { JsonObject, JsonValue } from "@viable/kernel";
import type { DelegateOutcome } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import type { AgentBench } from "../../../testing/run-agent.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { coordinator } from "./coordinator.ts";
import { legacyFiles } from "./legacy-files.ts";
import { legacySizes } from "./legacy-sizes.ts";

/** Has the agents that are there do what is asked, as the system would; says in which order they were asked. */
function delegating(bench: AgentBench) {
  const asked: string[] = [];
  const delegate = async (capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    asked.push(capability);
    const agent = [legacySizes, legacyFiles].find((each) => each.capability === capability);
    if (agent !== undefined)
      return { ok: true, executionId: `exe_${asked.length}`, result: await bench.run(agent, args) };
    const error = { code: "intake.unknown_command", message: "There is no such command.", retryable: false };
    return { ok: false, status: "refused", executionId: undefined, error };
  };
  return { asked, delegate };
}

followsInput(coordinator, "a list of tasks by priority, each with its outcome", async (bench) => {
  await using tree = await plantTree({ "a.ts": "one\ntwo\n", "b.txt": "x" });
  const args = { path: tree.path };
  const { asked, delegate } = delegating(bench);
  const tasks = [
    { capability: "code_analysis.sizes", args, priority: "low" },
    { capability: "interpretive_dance" },
    { capability: "file_management", args, priority: "critical" },
  ];
  const first = await bench.run(coordinator, { tasks }, { delegate });
  expect(asked).toEqual(["file_management", "interpretive_dance", "code_analysis.sizes"]);
  expect(first).toMatchObject({
    tasks: 3,
    completed: 2,
    outcomes: [
      { place: 2, priority: "critical", status: "completed", executionId: "exe_1", result: { count: 2, bytes: 9 } },
      { place: 1, priority: "medium", status: "refused", code: "intake.unknown_command" },
      { place: 0, priority: "low", status: "completed", executionId: "exe_3", result: { lines: 2 } },
    ],
    truncated: {},
  });
  expect(bench.progress.map(({ percent, message }) => [percent, message])).toContainEqual([
    66,
    "3 of 3: code_analysis.sizes",
  ]);

  const second = await bench.run(coordinator, { tasks: tasks.slice(0, 1) }, delegating(bench));
  expect(second).toMatchObject({ tasks: 1, completed: 1, outcomes: [{ result: { lines: 2 } }] });
  return [first, second];
});

/** A delegate that answers all tasks alike. */
const answering = (result: JsonValue) => ({
  delegate: async (): Promise<DelegateOutcome> => ({ ok: true, executionId: "exe_1", result }),
});

test("the order given holds among tasks of the same priority", async () => {
  await using bench = await openBench();
  const tasks = ["a", "b", "c", "d"].map((capability, place) => ({
    capability,
    ...(place === 2 && { priority: "high" }),
  }));
  const { outcomes } = await bench.run(coordinator, { tasks }, answering(null));
  expect((outcomes as JsonObject[]).map(({ capability }) => capability)).toEqual(["c", "a", "b", "d"]);
});

test("results beyond a mebibyte are left out and counted; what is smaller after them still fits", async () => {
  await using bench = await openBench();
  const sizes = [700_000, 500_000, 10];
  let next = 0;
  const delegate = async (): Promise<DelegateOutcome> => ({
    ok: true,
    executionId: `exe_${next}`,
    result: "x".repeat(sizes[next++] ?? 0),
  });
  const tasks = sizes.map((size) => ({ capability: `of_${size}` }));
  const { outcomes, completed, truncated } = await bench.run(coordinator, { tasks }, { delegate });
  expect([completed, truncated]).toEqual([3, { results: 1 }]);
  expect((outcomes as JsonObject[]).map((each) => "result" in each)).toEqual([true, false, true]);
});

test("a list of nothing, or of too many, is refused before it is begun; one that was cancelled goes no further", async () => {
  await using bench = await openBench();
  for (const count of [0, 101]) {
    const tasks = Array.from({ length: count }, () => ({ capability: "a" }));
    await expect(bench.run(coordinator, { tasks })).rejects.toThrow();
  }
  const signal = AbortSignal.abort(new Error("Cancelled."));
  await expect(bench.run(coordinator, { tasks: [{ capability: "a" }] }, { signal })).rejects.toThrow("Cancelled.");
});
