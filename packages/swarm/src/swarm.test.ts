// Proves that a drain and its undo can be asked for again until they are recorded, and that nothing is registered that does not run.
import { createRuntime, rootContext, simulateTime, ViableError, withContext } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { agent } from "./agent.ts";
import { service } from "./service.ts";
import type { SwarmSettings } from "./swarm.ts";
import { createSwarm } from "./swarm.ts";

const overloaded = () => new ViableError("registry.not_recorded", "Overloaded.", { retryable: true });
const broken = () => new ViableError("registry.invalid_registration", "Not so.");

/** A swarm whose registry does what it is told: `fail` is thrown by all that it is asked for, `held` is waited for first. */
async function startSwarm() {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const registry = {
    fail: undefined as (() => ViableError) | undefined,
    held: undefined as Promise<void> | undefined,
    entries: 0,
    asked: [] as string[],
  };
  const ask = async (what: string, change: number) => {
    registry.asked.push(what);
    await registry.held;
    if (registry.fail !== undefined) throw registry.fail();
    registry.entries += change;
  };
  const worker = agent({
    name: "a",
    capability: "work",
    description: "Works.",
    input: z.object({}),
    handle: () => null,
  });
  const settings = {
    service: service({ name: "work", description: "Works.", port: 0, agents: [worker] }),
    runtime,
    log: { listRecords: async () => ({ records: [] }) },
    registry: {
      async register() {
        await ask("register", 1);
        return { withdraw: () => ask("withdraw", -1) };
      },
    },
    membership: { processId: "here", epoch: 1, canClaim: true, isGone: () => false },
    executions: { open: () => [], onWork: () => () => {}, onSettled: () => () => {} },
    isStopping: () => false,
    drainMs: 1_000,
  };
  const swarm = createSwarm(settings as unknown as SwarmSettings);
  const child = await swarm.childSpec().start(ctx);
  child.done.catch(() => undefined);
  registry.asked.length = 0;
  const codeOf = (doing: Promise<void>) =>
    doing.then(
      () => "done",
      (error: ViableError) => error.code,
    );
  const settled = async <T>(doing: Promise<T>): Promise<T> => {
    let isSettled = false;
    void doing.then(() => {
      isSettled = true;
    });
    await time.until(() => isSettled, 60_000);
    return await doing;
  };
  const begin = (isDrained: boolean) =>
    codeOf(swarm.drain(withContext(ctx, { deadline: time.now() + 10_000 }), isDrained));
  /** Moves time on until it is done, or its time is up; answers why not. */
  const drain = (isDrained: boolean) => settled(begin(isDrained));
  const stop = () => settled(child.stop(ctx));
  return { swarm, time, registry, begin, drain, settled, stop, reasons: () => swarm.status().reasons };
}
const drained = ["drained: it is asked for nothing more"];

test("undone while the log is overloaded, it is registered as soon as that has caught up", async () => {
  const { time, registry, drain, stop, reasons } = await startSwarm();
  expect(await drain(true)).toBe("done");
  registry.fail = overloaded;
  time.setTimer(() => {
    registry.fail = undefined;
  }, 3_500);
  expect(await drain(false)).toBe("done");
  expect(registry).toMatchObject({ entries: 1, asked: ["withdraw", ...Array(5).fill("register")] });
  expect(reasons()).toEqual([]);
  await stop();
});

test.each([
  ["its time was over", overloaded, "context.deadline_exceeded"],
  ["it was refused", broken, "registry.invalid_registration"],
])("an undo that failed since %s leaves it drained, and can be done again", async (_why, fail, code) => {
  const { registry, drain, stop, reasons } = await startSwarm();
  await drain(true);
  registry.fail = fail;
  expect(await drain(false)).toBe(code);
  expect(reasons()).toEqual(drained);
  registry.fail = undefined;
  expect(await drain(false)).toBe("done");
  expect(registry.entries).toBe(1);
  expect(reasons()).toEqual([]);
  await stop();
});

test("a drain that could not be recorded holds here, and is recorded when it is asked for again", async () => {
  const { swarm, time, registry, drain, stop, reasons } = await startSwarm();
  registry.fail = broken;
  expect(await drain(true)).toBe("registry.invalid_registration");
  expect(reasons()).toEqual(drained);
  registry.fail = undefined;
  expect(await drain(true)).toBe("done");
  expect(registry).toMatchObject({ entries: 0, asked: ["withdraw", "withdraw"] });
  // A meta client that begins again does not register what is drained.
  swarm.kill("meta-client", "a test does so");
  await time.advance(5_000);
  expect(registry.entries).toBe(0);
  await stop();
});

describe("what is on its way to the registry", () => {
  test("for an undo is tried no more once the swarm stops", async () => {
    const { registry, begin, drain, settled, stop } = await startSwarm();
    await drain(true);
    registry.fail = overloaded;
    const undoing = begin(false);
    await stop();
    registry.fail = undefined;
    expect(await settled(undoing)).toBe("done");
    expect(registry).toMatchObject({ entries: 0, asked: ["withdraw", "register"] });
  });

  test("for an undo as the swarm stops is withdrawn", async () => {
    const { registry, begin, drain, settled, stop } = await startSwarm();
    await drain(true);
    const held = Promise.withResolvers<void>();
    registry.held = held.promise;
    const undoing = begin(false);
    await stop();
    held.resolve();
    expect(await settled(undoing)).toBe("done");
    expect(registry).toMatchObject({ entries: 0, asked: ["withdraw", "register", "withdraw"] });
  });

  test("for a meta client that begins as the swarm is drained is withdrawn", async () => {
    const { swarm, time, registry, drain, stop } = await startSwarm();
    const held = Promise.withResolvers<void>();
    swarm.kill("meta-client", "a test does so");
    registry.held = held.promise;
    await time.until(() => registry.asked.includes("register"));
    registry.held = undefined;
    expect(await drain(true)).toBe("done");
    held.resolve();
    await time.advance(1_000);
    // The one of the life that was killed, which the real registry puts the later one in the place of, and the later one.
    expect(registry.asked.filter((what) => what === "withdraw")).toHaveLength(2);
    expect(registry.entries).toBe(0);
    await stop();
  });
});
