// That a run gets what was sent to it and nothing else, or fails at once where it could get nothing.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
const first = (world: ProcessWorld) => world.processes[0] as SimulatedProcess;

test("what would be sent under a name that reaches into its key is refused, and is nobody else's", async () => {
  const definition = reactor("waits", { input }, (steps) =>
    steps
      .waitFor("pay", { event: "paid", args: () => ({ key: "b/c", timeoutMs: 60_000 }) })
      .returns(({ results }) => ({ got: results.pay })),
  );
  const world = await simulateProcesses({ seed: 1, processes: 1, definitions: [definition] });
  const { reactors, ctx } = first(world);
  await expect(world.settled(reactors.send(ctx, "paid/b", "c", 1))).rejects.toMatchObject({
    code: "reactor.invalid_input",
  });
  expect((await world.finish(await world.begin("waits", 1, "k"))).type).toBe("run.failed");
});

test.for([
  ["a time that is no number", { key: "k", timeoutMs: "5" }],
  ["a key that nothing can be sent under", { key: "x".repeat(600), timeoutMs: 5 }],
] as const)("a wait for %s fails at once, as a sleep does", async ([, args]) => {
  const definition = reactor("waits", { input: z.strictObject({ key: z.string(), timeoutMs: z.unknown() }) }, (steps) =>
    steps
      .waitFor("w", { event: "e", args: ({ input }) => ({ key: input.key, timeoutMs: input.timeoutMs as never }) })
      .returns(() => 1),
  );
  expect(await testReactor(definition, { input: args })).toMatchObject({
    status: "failed",
    error: { code: "reactor.invalid_argument" },
  });
});
