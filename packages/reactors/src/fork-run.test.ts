import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;

test("a fork that would take over more than fits one append is refused, and says where to fork instead", async () => {
  const large = () => "x".repeat(3 * 1024 * 1024);
  const definition = reactor("large", { input }, (steps) =>
    steps
      .step("a", { run: large })
      .step("b", { run: large })
      .step("c", { run: large })
      .step("d", { after: ["a", "b", "c"], run: () => 1 })
      .returns(({ results }) => results.d),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const runId = await world.begin("large", 1, "k");
  await world.finish(runId);
  const { reactors, ctx } = first(world);
  const forked = reactors.fork(ctx, runId, { from: "d" }).catch((error: unknown) => error);
  expect(await world.settled(forked)).toMatchObject({ code: "reactor.not_forkable" });
});
