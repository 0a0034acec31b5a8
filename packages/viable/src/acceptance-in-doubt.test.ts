// An acceptance that is written and not answered for seconds, since the connection was lost: who looks at the log meanwhile finds a task that is
// claimed and in no hand.
import { seededRandom, simulateTime, ViableError } from "@viable/kernel";
import { createMemoryStore, storeUnavailable } from "@viable/log";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, service } from "./index.ts";

const attempts: number[] = [];
const system = defineSystem({
  name: "doubting",
  services: [
    service({
      name: "work",
      description: "Takes five seconds.",
      port: 0,
      agents: [
        agent({
          name: "worker",
          capability: "work.do",
          description: "Takes five seconds.",
          input: z.strictObject({}),
          handle: async (ctx) => {
            attempts.push(ctx.attempt);
            await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 5_000));
            return ctx.attempt;
          },
        }),
      ],
    }),
  ],
});

test("a task whose acceptance is read before it is answered is begun once, by whoever accepted it", async () => {
  const time = simulateTime({ random: seededRandom(7) });
  const memory = createMemoryStore();
  let lostUntilMs = 0;
  const startedMs = time.now();
  const store = {
    ...memory,
    exclusive: false,
    async commit(...batch: Parameters<typeof memory.commit>) {
      const result = await memory.commit(...batch);
      const isAcceptance = batch[0].some(({ streams }) =>
        streams.some(({ events }) => events[0]?.type === "execution.accepted"),
      );
      if (isAcceptance && lostUntilMs === 0) lostUntilMs = time.now() + 3_000;
      if (isAcceptance && time.now() < lostUntilMs)
        throw new ViableError(storeUnavailable, "The connection was lost.", { retryable: true });
      return result;
    },
  };
  const own = await startTestSystem(system, { seed: 1, store, time });
  const client = await own.connect();
  const view = await client.run("work.do");
  expect(view).toMatchObject({ status: "completed", result: 1 });
  expect(time.now() - startedMs).toBeGreaterThan(8_000);
  const events = await own.settled(own.system.log.readStream(own.ctx, `execution:${view.executionId}`));
  expect(events.map(({ type }) => type)).toEqual(["execution.accepted", "execution.completed"]);
  expect(attempts).toEqual([1]);
  await own.stop();
});
