// A database that is away for a moment costs a task time, not its outcome: also a task that is begun again and asks once more for what it had
// delegated, which is then read from the log.
import type { Store } from "@viable/log";
import { createMemoryStore, storeUnavailable } from "@viable/log";
import { agent, defineSystem, service, ViableError } from "viable";
import { expect, test } from "vitest";
import { z } from "zod";
import { startTestSystem } from "./described-system.ts";

const child = agent({
  name: "child",
  capability: "child",
  description: "Answers at once.",
  input: z.strictObject({}),
  handle: () => "answered",
});
const parent = agent({
  name: "parent",
  capability: "parent",
  description: "Asks another, and waits.",
  timeoutMs: 600_000,
  input: z.strictObject({}),
  handle: async (ctx) => {
    const asked = await ctx.delegate("child", {});
    await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 30_000));
    return asked.ok ? asked.result : asked.error.code;
  },
});
const system = defineSystem({
  name: "away",
  services: [service({ name: "family", description: "Parent and child.", port: 0, agents: [parent, child] })],
});

test("a database that is away as a task begun again asks for what it had delegated costs time, not its outcome", async () => {
  const store = createMemoryStore();
  const first = await startTestSystem(system, { store });
  const executionId = await (await first.connect()).begin("parent");
  // Long enough that the next process need not read of the child. Then this one is gone without a word.
  await first.time.advance(20_000);

  let refusals = 1;
  const flaky: Store = {
    ...store,
    async readStream(...args) {
      // The parent's own stream is read by whoever begins it again.
      if (refusals > 0 && args[0] !== `execution:${executionId}` && args[0].startsWith("execution:")) {
        refusals -= 1;
        throw new ViableError(storeUnavailable, "Away.", { retryable: true });
      }
      return await store.readStream(...args);
    },
  };
  await using next = await startTestSystem(system, { store: flaky, seed: 2 });
  const state = await next.settled(next.system.executions.whenSettled(next.ctx, executionId));
  expect(refusals).toBe(0);
  expect(state.error).toBeUndefined();
  expect(state).toMatchObject({ status: "completed", result: "answered", attempts: 2 });
});
