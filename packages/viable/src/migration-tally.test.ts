// Proves how comparisons add up, and that the tally survives crashes and others who count at the same time.
import type { JsonValue } from "@viable/kernel";
import { createRuntime, rootContext } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { createMemory, globalMemoryService } from "@viable/swarm";
import { describe, expect, test } from "vitest";
import type { Comparison } from "./migration-tally.ts";
import { countComparison, keepComparison, readTally } from "./migration-tally.ts";

const of = { service: "tools", capability: "code_analysis.sizes" };
const by = (comparisonId: string) => ({ comparisonId, at: "2026-01-01T00:00:00.000Z" });
const answered = (status: "equal" | "different", ms: { service: number; legacy: number }): Comparison => ({
  status,
  executionId: "exe_a",
  comparedWith: "exe_b",
  paths: status === "equal" ? [] : ["lines"],
  more: 0,
  ms,
});

describe("a tally", () => {
  test("adds up how answers compared, and how long both sides took on average", () => {
    const first = countComparison(undefined, answered("equal", { service: 10, legacy: 100 }), by("exe_1"));
    const second = countComparison(first, answered("different", { service: 30, legacy: 50 }), by("exe_2"));
    const third: Comparison = { status: "unanswered", executionId: "exe_c", comparedWith: undefined, reason: "none" };
    expect(countComparison(second, third, by("exe_3"))).toEqual({
      since: "2026-01-01T00:00:00.000Z",
      compared: 2,
      equal: 1,
      different: 1,
      unanswered: 1,
      meanMs: { service: 20, legacy: 75 },
      lastDifference: { at: by("").at, executionId: "exe_a", comparedWith: "exe_b", paths: ["lines"], more: 0 },
      lastUnanswered: { at: by("").at, executionId: "exe_c", reason: "none" },
      counted: ["exe_1", "exe_2", "exe_3"],
    });
  });

  test("has a comparison that was begun again after a crash once", () => {
    const once = countComparison(undefined, answered("equal", { service: 1, legacy: 1 }), by("exe_1"));
    expect(countComparison(once, answered("equal", { service: 1, legacy: 1 }), by("exe_1"))).toEqual(once);
  });
});

describe("the tally that is kept", () => {
  async function openMemory() {
    const runtime = createRuntime();
    const log = createLog(createMemoryStore(), runtime);
    const ctx = rootContext(runtime);
    await log.start(ctx);
    const memory = createMemory(log, ctx, globalMemoryService);
    return { memory, [Symbol.asyncDispose]: () => log.stop(ctx) };
  }

  test("has all comparisons that were counted at the same time", async () => {
    await using open = await openMemory();
    const count = (index: number) =>
      keepComparison(open.memory, of, answered("equal", { service: 1, legacy: 1 }), by(`exe_${index}`));
    await Promise.all([1, 2, 3, 4].map(count));
    expect(await readTally(open.memory, of.service, of.capability)).toMatchObject({ compared: 4, equal: 4 });
    expect(await readTally(open.memory, of.service, "other")).toBeUndefined();
  });

  test("begins anew where somebody wrote something else in its place", async () => {
    await using open = await openMemory();
    const odd: JsonValue = { compared: "many" };
    await open.memory.set("tools/code_analysis.sizes", odd, { namespace: "migration" });
    await keepComparison(open.memory, of, answered("equal", { service: 1, legacy: 1 }), by("exe_1"));
    expect(await readTally(open.memory, of.service, of.capability)).toMatchObject({ compared: 1 });
  });

  test("is left alone, with an error that says so, where others write it again and again", async () => {
    await using open = await openMemory();
    const { memory } = open;
    const contended = { ...memory, set: async () => ({ ok: false, reason: "conflict", actual: 9 }) as const };
    await expect(
      keepComparison(contended, of, answered("equal", { service: 1, legacy: 1 }), by("exe_1")),
    ).rejects.toMatchObject({ code: "migration.contended", retryable: true });
  });
});
