/** Batches: each request goes to whoever offers it, so many at once, and each outcome is told in order, whatever it is. */
import type { DelegateOutcome, JsonObject, JsonValue } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { requestRouter } from "./request-router.ts";
import { tableRenderer } from "./table-renderer.ts";

/** Tables are rendered by their agent; nobody offers anything else. */
const toTables =
  (bench: AgentBench) =>
  async (capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    if (capability === tableRenderer.capability) {
      return { ok: true, executionId: "exe_1", result: await bench.run(tableRenderer, args) };
    }
    const error = { code: "route.unknown", message: `No swarm offers ${capability}.`, retryable: false };
    return { ok: false, status: "refused", executionId: undefined, error };
  };

const outcomesOf = (result: JsonObject): JsonObject[] => result.outcomes as JsonObject[];

followsInput(requestRouter, "each request has its own outcome, in order", async (bench) => {
  const table = (n: number): JsonObject => ({ rows: [{ n }], format: "csv" });
  const first = await bench.run(
    requestRouter,
    {
      requests: [
        { id: "one", capability: "table_rendering", args: table(1) },
        { id: "odd", capability: "mind_reading" },
        { id: "two", capability: "table_rendering", args: table(2) },
      ],
    },
    { delegate: toTables(bench) },
  );
  expect(first).toMatchObject({
    count: 3,
    completed: 2,
    outcomes: [
      { id: "one", status: "completed", executionId: "exe_1", result: { csv: "n\r\n1\r\n" } },
      { id: "odd", status: "refused", error: { code: "route.unknown", message: "No swarm offers mind_reading." } },
      { id: "two", status: "completed", result: { csv: "n\r\n2\r\n" } },
    ],
  });
  expect(bench.progress.map(({ message }) => message).sort()).toEqual([
    "odd refused (1 of 3)",
    "one completed (2 of 3)",
    "two completed (3 of 3)",
  ]);
  const second = await bench.run(
    requestRouter,
    { requests: [{ id: "x", capability: "table_rendering", args: table(3) }] },
    { delegate: toTables(bench) },
  );
  expect(second).toMatchObject({ completed: 1, outcomes: [{ id: "x", result: { csv: "n\r\n3\r\n" } }] });
  return [first, second];
});

const requests = (count: number): JsonObject[] =>
  Array.from({ length: count }, (_, index) => ({ id: `r${index}`, capability: "work", args: { index } }));

test("so many at once as told, no more; the next begins when one is done", async () => {
  await using bench = await openBench();
  const waiting: (() => void)[] = [];
  let most = 0;
  let running = 0;
  const delegate = async (_: string, args: JsonValue): Promise<DelegateOutcome> => {
    most = Math.max(most, ++running);
    await new Promise<void>((resolve) => {
      waiting.push(resolve);
      // The third of three lets all go, and each that comes later lets itself go.
      if (waiting.length >= 3) for (const go of waiting) go();
    });
    running--;
    return { ok: true, executionId: "exe_1", result: args };
  };
  const result = await bench.run(requestRouter, { requests: requests(20), concurrency: 3 }, { delegate });
  expect(most).toBe(3);
  expect(outcomesOf(result).map(({ id, result: given }) => [id, (given as JsonObject).index])).toEqual(
    Array.from({ length: 20 }, (_, index) => [`r${index}`, index]),
  );
});

test("a failure is told and stops nobody else", async () => {
  await using bench = await openBench();
  const delegate = async (_: string, args: JsonValue): Promise<DelegateOutcome> =>
    (args as { index: number }).index === 0
      ? {
          ok: false,
          status: "timed_out",
          executionId: "exe_0",
          error: { code: "x", message: "Late.", retryable: true },
        }
      : { ok: true, executionId: "exe_1", result: null };
  const result = await bench.run(requestRouter, { requests: requests(3) }, { delegate });
  expect(result).toMatchObject({ completed: 2 });
  expect(outcomesOf(result).map(({ status }) => status)).toEqual(["timed_out", "completed", "completed"]);
  expect(outcomesOf(result)[0]).toMatchObject({ executionId: "exe_0", error: { message: "Late." } });
});

test("results that do not fit together leave out the largest, and say where it stands", async () => {
  await using bench = await openBench();
  const delegate = async (_: string, args: JsonValue): Promise<DelegateOutcome> => {
    const { index } = args as { index: number };
    return { ok: true, executionId: `exe_${index}`, result: "x".repeat(index === 1 ? 2_500_000 : 400_000) };
  };
  const result = await bench.run(requestRouter, { requests: requests(4) }, { delegate });
  expect(outcomesOf(result)[1]).toEqual({
    id: "r1",
    capability: "work",
    status: "completed",
    executionId: "exe_1",
    omittedChars: 2_500_002,
  });
  expect(outcomesOf(result).filter((each) => each.result !== undefined).length).toBe(3);
  expect(JSON.stringify(result).length).toBeLessThan(4 * 1024 * 1024);
});

test("a task that is stopped begins no more requests", async () => {
  await using bench = await openBench();
  const stop = new AbortController();
  let asked = 0;
  const delegate = async (): Promise<DelegateOutcome> => {
    if (++asked === 2) stop.abort(new Error("stopped"));
    return { ok: true, executionId: "exe_1", result: 1 };
  };
  const run = bench.run(requestRouter, { requests: requests(10), concurrency: 1 }, { delegate, signal: stop.signal });
  await expect(run).rejects.toThrow("stopped");
  expect(asked).toBe(2);
});

test("a batch in a batch is refused, and so are too many requests, none, and two of one id", async () => {
  await using bench = await openBench();
  const nested = await bench.run(requestRouter, { requests: [{ id: "a", capability: "request_routing" }] });
  expect(outcomesOf(nested)[0]).toMatchObject({ status: "refused", error: { code: "routing.nested" } });
  await expect(bench.run(requestRouter, { requests: requests(51) })).rejects.toThrow(/requests/);
  await expect(bench.run(requestRouter, { requests: [] })).rejects.toThrow(/requests/);
  await expect(bench.run(requestRouter, { requests: [...requests(1), ...requests(1)] })).rejects.toThrow(
    /two requests have one id/,
  );
});
