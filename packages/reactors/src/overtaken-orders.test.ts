// That an order to a run which others write to all the time is not taken for placed: whoever gave it can give it again, and a run does.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const child = reactor("child", { input }, (steps) =>
  steps
    .step("first", { run: ({ runtime }) => sleep(rootContext(runtime), 20_000) })
    .step("second", { after: ["first"], run: () => 1 })
    .returns(() => 1),
);

/** Somebody else is quicker each of the next times that a run is told to end. */
function overtakeOrders(world: ProcessWorld, times: number): void {
  const { commit } = world.store;
  let overtaken = 0;
  world.store.commit = async (batch, now, follow) => {
    const isOrder = batch.some(({ streams }) =>
      streams.some(({ events }) => events.some(({ type }) => type === "run.cancel_requested")),
    );
    if (!isOrder || overtaken === times) return await commit(batch, now, follow);
    overtaken += 1;
    const outcomes = batch.map(({ streams }) => ({
      kind: "stream_conflict" as const,
      stream: streams[0]?.stream ?? "",
      actual: 99,
    }));
    return { outcomes };
  };
}

test("a composed run is told again to end", async () => {
  const parent = reactor("parent", { input }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1 })
      .step("bad", {
        run: async ({ runtime }): Promise<number> => {
          await sleep(rootContext(runtime), 1_000);
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [parent] });
  overtakeOrders(world, 60);
  const runId = await world.begin("parent", 1, "k");
  expect(await world.finish(runId)).toMatchObject({ type: "run.failed" });
  expect(world.calls.map(({ step }) => step)).not.toContain("second");
});

test("a person is told to say it again", async () => {
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [child] });
  overtakeOrders(world, 60);
  const runId = await world.begin("child", 1, "k");
  const [{ ctx, reactors }] = world.processes as [SimulatedProcess];
  await expect(world.settled(reactors.cancel(ctx, runId, "enough"))).rejects.toMatchObject({
    code: "reactor.order_overtaken",
    retryable: true,
  });
  expect(await world.settled(reactors.cancel(ctx, runId, "enough"))).toEqual({ ok: true });
});
