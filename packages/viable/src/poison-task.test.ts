// A task that ends whoever works on it, and all that is beside it, each time: it fails after its attempts, and what was beside it, in whatever
// service of the process, does not fail with it.
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import type { AgentContext } from "./index.ts";
import { agent, defineSystem, service } from "./index.ts";

const names = ["poisoned", "beside"];
const pause = (ctx: AgentContext, ms: number) =>
  new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, ms));

test("of tasks that were lost and have one attempt left a process begins one at a time", async () => {
  let endAll = () => {};
  /** What is at its last attempt now, and the most that ever were. */
  let last = 0;
  let mostLast = 0;
  const does = (name: string, capability: string, act: (ctx: AgentContext) => Promise<void>) =>
    agent({
      name,
      capability,
      description: "Does it.",
      input: z.strictObject({}),
      handle: async (ctx) => {
        if (ctx.attempt === 3) mostLast = Math.max(mostLast, ++last);
        ctx.signal.addEventListener("abort", () => {
          if (ctx.attempt === 3) last -= 1;
        });
        await act(ctx);
        if (ctx.attempt === 3 && !ctx.signal.aborted) last -= 1;
        return null;
      },
    });
  const system = defineSystem({
    name: "poison",
    services: names.map((name) =>
      service({
        name,
        description: "Works.",
        port: 0,
        workers: 1,
        agents: [
          does("poison", `${name}.poison`, async (ctx) => {
            await pause(ctx, 500);
            endAll();
          }),
          does("wait", `${name}.wait`, (ctx) => pause(ctx, 800)),
        ],
      }),
    ),
  });
  await using t = await startTestSystem(system);
  endAll = () => {
    for (const name of names) t.system.swarms.get(name)?.kill("worker-1", "a poison task");
  };
  const client = await t.connect();
  const poison = await client.begin("poisoned.poison", {});
  const beside = await client.begin("beside.wait", {});
  expect(await client.outcome(poison)).toMatchObject({
    status: "failed",
    attempts: 3,
    error: { code: "swarm.attempts_exhausted", message: expect.stringContaining("its worker is gone") },
  });
  expect(await client.outcome(beside)).toMatchObject({ status: "completed", attempts: 3 });
  expect(mostLast).toBe(1);
});
