import { createMemoryBus } from "@viable/bus";
import { joinCluster } from "@viable/cluster";
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import type { SwarmMeasurement } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { createRegistry } from "./registry.ts";

const idle: SwarmMeasurement = { workers: 3, running: 0, queued: 0, completed: 0, failed: 0, latencyMs: 10 };

/** One process with its registry, on a store that others may share. */
async function joinProcess(store: Store, time: SimulatedTime, seed: number) {
  const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  const bus = createMemoryBus(runtime);
  const membership = joinCluster({ log, runtime, hosts: [] });
  const registry = createRegistry({ log, bus, membership });
  const settled = async (promise: Promise<unknown>) => {
    let done = false;
    promise.finally(() => {
      done = true;
    });
    await time.until(() => done);
    await promise;
  };
  for (const part of [log, bus, membership, registry]) await settled(part.start(ctx));
  return {
    ctx,
    registry,
    membership,
    async register(service: string, capabilities: string[], measure: () => SwarmMeasurement = () => idle) {
      let entry: Awaited<ReturnType<typeof registry.register>> | undefined;
      const registering = registry.register(
        ctx,
        {
          service,
          capabilities,
          processId: membership.processId,
          epoch: membership.epoch,
        },
        measure,
      );
      registering.then((it) => {
        entry = it;
      });
      await settled(registering);
      return { withdraw: () => settled((entry as NonNullable<typeof entry>).withdraw(ctx)) };
    },
    /** The process dies without a word: nothing of it runs on. */
    async die() {
      for (const part of [registry, log]) await settled(part.stop(ctx));
    },
  };
}

describe("the registry", () => {
  test("finds a swarm by what it can do, until it withdraws (S3)", async () => {
    const time = simulateTime();
    const { registry, register } = await joinProcess(createMemoryStore(), time, 1);
    const { withdraw } = await register("storage", ["data_persistence", "backup"]);
    expect(registry.discover("backup").swarms.map((swarm) => swarm.service)).toEqual(["storage"]);
    expect(registry.capabilities()).toEqual(["backup", "data_persistence"]);
    await withdraw();
    expect(registry.discover("backup").swarms).toEqual([]);
    expect(registry.capabilities()).toEqual([]);
  });

  test("an entry names no address for tasks, which travel by the log alone", async () => {
    const { registry, membership, ctx } = await joinProcess(createMemoryStore(), simulateTime(), 1);
    const { processId, epoch } = membership;
    const registration = { service: "storage", capabilities: ["backup"], processId, epoch };
    await registry.register(ctx, { ...registration, queen: "swarm.storage.queen" }, () => idle);
    expect(registry.discover("backup").swarms).toEqual([registration]);
  });

  test("names what is near where nothing is found", async () => {
    const { registry, register } = await joinProcess(createMemoryStore(), simulateTime(), 1);
    await register("storage", ["data_persistence"]);
    expect(registry.route("data_persistance")).toMatchObject({
      ok: false,
      code: "registry.no_swarm",
      near: ["data_persistence"],
      reasons: ['No running swarm offers "data_persistance".', "Near to it: data_persistence."],
    });
  });

  test("sends a task to the least loaded, and says why (S6, X5)", async () => {
    const { registry, register } = await joinProcess(createMemoryStore(), simulateTime(), 1);
    const busy = { ...idle, running: 3, queued: 6 };
    const loads = { a: busy, b: idle };
    await register("a", ["work"], () => loads.a);
    await register("b", ["work"], () => loads.b);
    const first = registry.route("work");
    expect(first).toMatchObject({
      ok: true,
      local: true,
      decision: { chosen: { service: "b" }, policy: "least-loaded" },
    });
    expect(first.ok && first.decision.candidates.map(({ service, score }) => [service, score])).toEqual([
      ["b", 3.333],
      ["a", 33.333],
    ]);
    loads.b = { ...idle, queued: 100 };
    expect(registry.route("work")).toMatchObject({ decision: { chosen: { service: "a" } } });
  });

  test("prefers the faster of two that are equally busy", async () => {
    const { registry, register } = await joinProcess(createMemoryStore(), simulateTime(), 1);
    await register("slow", ["work"], () => ({ ...idle, latencyMs: 500 }));
    await register("quick", ["work"], () => ({ ...idle, latencyMs: 5 }));
    expect(registry.route("work")).toMatchObject({ decision: { chosen: { service: "quick" } } });
  });

  test("learns of other processes' swarms from the log, and forgets a dead process's", async () => {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1);
    const there = await joinProcess(store, time, 2);
    await there.register("ai", ["llm_routing"]);
    await time.advance(1_500);
    expect(here.registry.route("llm_routing")).toMatchObject({
      ok: true,
      local: false,
      decision: { chosen: { service: "ai", processId: there.membership.processId } },
    });
    await time.advance(60_000);
    expect(here.registry.discover("llm_routing").swarms).toHaveLength(1);
    await there.die();
    await time.advance(60_000);
    expect(here.registry.discover("llm_routing").swarms).toEqual([]);
  });

  test("does not send work to an entry it cannot read", async () => {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1);
    await store.commit(
      [
        {
          streams: [],
          records: [
            {
              key: "registry/odd/prc_x",
              expected: -1,
              value: '{"service":1,"capabilities":["work"]}',
              expiresAt: null,
            },
          ],
        },
      ],
      time.now(),
    );
    await time.advance(1_500);
    expect(here.registry.discover("work").swarms).toEqual([]);
  });
});
