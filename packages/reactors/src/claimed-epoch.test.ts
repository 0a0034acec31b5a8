// That a process carries a run on under the claim that the log has, and not under a membership that it came to while the claim was on its way.
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { reactor } from "./reactor.ts";
import { createReactors } from "./reactors.ts";
import { soleMembership } from "./testing/sole-membership.ts";

test("a run whose claim was answered after the lease was lost and taken anew is claimed again before anything of it is done", async () => {
  const time = simulateTime({ random: seededRandom(1) });
  const memory: Store = { ...createMemoryStore(), exclusive: false };
  const claims: unknown[] = [];
  const calls: string[] = [];
  let epoch = 1;
  const store: Store = {
    ...memory,
    commit: async (batch, now, follow) => {
      const result = await memory.commit(batch, now, follow);
      for (const { type, data } of batch.flatMap(({ streams }) => streams.flatMap(({ events }) => events))) {
        if (type !== "run.claimed") continue;
        const { processId, epoch: claimedIn, attempt } = JSON.parse(data as string);
        claims.push([processId, claimedIn, attempt]);
        epoch = 2;
      }
      return result;
    },
  };
  const definition = reactor("one", { input: z.unknown() }, (steps) =>
    steps
      .step("a", {
        run: ({ fencingToken }) => {
          calls.push(`a, in epoch ${epoch}, with the token ${fencingToken}`);
        },
      })
      .returns(() => 1),
  );
  const start = async (seed: number, membership: ReturnType<typeof soleMembership>) => {
    const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
    const ctx = rootContext(runtime);
    const log = createLog(store, runtime, { types: reactorEventTypes });
    const reactors = createReactors({ log, runtime, membership, definitions: [definition] });
    const started = log.start(ctx).then(() => reactors.start(ctx));
    await time.settle();
    await started;
    return { ctx, reactors };
  };
  // Runs begin in it, and it carries none on.
  const front = await start(1, { ...soleMembership("prc_a", 1), canClaim: false });
  const membership = {
    ...soleMembership("prc_b", 1),
    get epoch() {
      return epoch;
    },
    isGone: (processId: string, claimedIn: number) => processId !== "prc_b" || claimedIn !== epoch,
  };
  const { ctx, reactors } = await start(2, membership);
  await front.reactors.begin(front.ctx, "one", 1);
  await time.advance(20_000);
  expect(claims).toEqual([
    ["prc_b", 1, 1],
    ["prc_b", 2, 2],
  ]);
  expect(calls).toEqual(["a, in epoch 2, with the token 2"]);
  await reactors.stop(ctx);
});
