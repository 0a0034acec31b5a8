// Proves what the registry finds, where it sends tasks, and how its entries come, stay and go: one process, and two on one store in
// memory, under simulated time.
import type { MemoryHub } from "@viable/bus";
import { createMemoryBus, createMemoryHub } from "@viable/bus";
import { joinCluster, leaseKey } from "@viable/cluster";
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, withContext } from "@viable/kernel";
import type { AppendOutcome, Log, Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import type { MigrationRule, Registration, SwarmMeasurement } from "@viable/protocol";
import { describe, expect, test, vi } from "vitest";
import type { RoutingRuleSettings } from "./check-routing-rules.ts";
import { checkRoutingRules } from "./check-routing-rules.ts";
import type { RegistrySettings } from "./registry.ts";
import { createRegistry } from "./registry.ts";
import type { RoutedTask } from "./route.ts";

const idle: SwarmMeasurement = { workers: 3, running: 0, queued: 0, completed: 0, failed: 0, latencyMs: 10 };

/** A registry's way to write: a test may hold up, refuse or fail what goes along it. */
interface Way {
  appends: number;
  pass(append: () => Promise<AppendOutcome>): Promise<AppendOutcome>;
}

const through = (way: Way, log: Log): Log => ({
  ...log,
  append: async (ctx, request) => {
    way.appends += 1;
    return await way.pass(() => log.append(ctx, request));
  },
});
const overloaded = { ok: false, reason: "overloaded", waiting: 10_000, retryAfterMs: 100 } as const;

/** One process with its registry, on a store that others may share. */
async function joinProcess(
  store: Store,
  time: SimulatedTime,
  seed: number,
  hub: MemoryHub = createMemoryHub(),
  more: Pick<RegistrySettings, "services" | "rules"> = {},
) {
  const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  const bus = createMemoryBus(runtime, { hub });
  const membership = joinCluster({ log, runtime, hosts: [] });
  const way = { appends: 0, pass: (append: () => Promise<AppendOutcome>) => append() };
  const registry = createRegistry({ log: through(way, log), bus, membership, ...more });
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    await time.until(() => done);
    return await promise;
  };
  for (const part of [log, bus, membership, registry]) await settled(part.start(ctx));
  return {
    ctx,
    log,
    way,
    registry,
    membership,
    settled,
    async register(
      service: string,
      capabilities: string[],
      measure: () => SwarmMeasurement = () => idle,
      more: Partial<Registration> = {},
    ) {
      const { processId, epoch } = membership;
      const registration = { service, capabilities, processId, epoch, version: "0.0.0", tags: [], ...more };
      const registered = await settled(registry.register(ctx, registration, measure));
      return { registered, withdraw: (within = ctx) => settled(registered.withdraw(within)) };
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
    await withdraw();
    expect(registry.discover("backup")).toEqual({ capability: "backup", swarms: [], near: [] });
  });

  test("finds by a name without operation whoever offers one of its operations, and routes nothing there", async () => {
    const { registry, register } = await joinProcess(createMemoryStore(), simulateTime(), 1);
    await register("storage", ["data_persistence.keep", "backup", "backup.restore"]);
    await register("other", ["data_persistence_test"]);
    const found = (capability: string) => registry.discover(capability).swarms.map((swarm) => swarm.service);
    expect([found("data_persistence"), found("backup"), found("data")]).toEqual([["storage"], ["storage"], []]);
    expect(registry.route("data_persistence")).toMatchObject({ ok: false, code: "registry.no_swarm" });
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

  test("forgets a dead process's swarms for good, and does not name what they offered as near", async () => {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1);
    const there = await joinProcess(store, time, 2);
    await there.register("ai", ["llm_routing"]);
    await time.advance(1_500);
    expect(here.registry.discover("llm_router").near).toEqual(["llm_routing"]);
    await there.die();
    // Neither expiry nor the purge of what expired is a change that a watch tells of.
    await time.until(() => here.membership.isGone(there.membership.processId, there.membership.epoch));
    expect(here.registry.discover("llm_router").near).toEqual([]);
    expect(here.registry.route("llm_router")).toMatchObject({ ok: false, near: [] });
    await time.advance(1_000);
    const asked = vi.spyOn(here.membership, "isGone");
    expect(here.registry.discover("llm_routing").swarms).toEqual([]);
    expect(asked).not.toHaveBeenCalled();
  });

  test("forgets an entry that is not renewed though its process lives, and takes it up again when it is", async () => {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1);
    const { processId, epoch } = (await joinProcess(store, time, 2)).membership;
    const value = JSON.stringify({ service: "ai", capabilities: ["llm_routing"], processId, epoch });
    const write = () => ({ key: `registry/ai/${processId}`, expected: -1, value, expiresAt: time.now() + 30_000 });
    const found = () => here.registry.discover("llm_routing").swarms.length;
    await store.commit([{ streams: [], records: [write()] }], time.now());
    await time.advance(29_000);
    expect(found()).toBe(1);
    await time.advance(2_000);
    expect(here.registry.discover("llm_routing")).toMatchObject({ swarms: [], near: [] });
    await store.commit([{ streams: [], records: [write()] }], time.now());
    await time.advance(1_500);
    expect(found()).toBe(1);
  });
});

describe("an entry that another process wrote", () => {
  async function written(...values: readonly { readonly [member: string]: unknown }[]) {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1, undefined, { services: ["ai", "tools"] });
    const { processId, epoch } = (await joinProcess(store, time, 2)).membership;
    const write = async (value: { readonly [member: string]: unknown } | null, key = `registry/ai/${processId}`) => {
      const text = value && JSON.stringify({ service: "ai", capabilities: ["work"], processId, epoch, ...value });
      await store.commit(
        [{ streams: [], records: [{ key, expected: -1, value: text, expiresAt: time.now() + 30_000 }] }],
        time.now(),
      );
      await time.advance(1_500);
    };
    for (const value of values) await write(value);
    const found = () => here.registry.discover("work").swarms.map(({ service }) => service);
    return { time, here, processId, write, found };
  }
  const inMs = (ms: number) => new Date(simulateTime().now() + ms).toISOString();

  test("of an earlier release holds: it says no version, and has no tags", async () => {
    const { here } = await written({});
    expect(here.registry.discover("work").swarms).toMatchObject([{ service: "ai", version: "0.0.0", tags: [] }]);
    expect(here.registry.discover("work", { version: "^1" }).swarms).toEqual([]);
  });

  test.each<[string, { readonly [member: string]: unknown }, RegExp]>([
    ["whose version is none", { version: "1.4" }, /^version: must be a version such as 1\.4\.0/],
    ["that stands where another should", { service: "tools" }, /another's key/],
    ["whose health is at no address", { healthUrl: "localhost" }, /^healthUrl: must be an address/],
    ["whose metrics are at no web address", { metricsUrl: "file:///etc/passwd" }, /^metricsUrl: must be an address/],
    ["that registered in the future", { registeredAt: inMs(3_600_000) }, /^registeredAt: .* 35\d\d s in the future$/],
    [
      "that offers too much",
      { capabilities: Array.from({ length: 1_001 }, (_, index) => `c${index}`) },
      /^capabilities/,
    ],
    ["that offers no names", { capabilities: "work" }, /^capabilities/],
    ["with tags that cannot be told apart", { tags: ["gpu,eu"] }, /^tags\.0/],
  ])("%s is not obeyed, is counted, and is told of with the reason", async (_what, value, reason) => {
    const { here, processId, write, found } = await written({}, value);
    expect(here.registry.route("work")).toMatchObject({ ok: false });
    expect(found()).toEqual([]);
    expect(here.registry.discover(undefined).refused).toEqual([
      { service: "ai", processId, reason: expect.stringMatching(reason) },
    ]);
    expect(here.registry.stats()).toMatchObject({ entries: 0, entriesRefused: 1 });
    await write({});
    expect(found()).toEqual(["ai"]);
    expect(here.registry.discover("work")).not.toHaveProperty("refused");
  });

  test("of a service that the config of this process does not have is not obeyed", async () => {
    const { here, processId, write, found } = await written();
    await write({ service: "foreign" }, `registry/foreign/${processId}`);
    expect(found()).toEqual([]);
    const reason = "its service is not in the config of this process";
    expect(here.registry.discover("work").refused).toEqual([{ service: "foreign", processId, reason }]);
  });

  test("that was registered by a clock which is half a minute ahead is obeyed", async () => {
    const { found } = await written({ registeredAt: inMs(30_000) });
    expect(found()).toEqual(["ai"]);
  });

  test("and does not hold is forgotten with its time, and when it is taken back", async () => {
    const { time, here, write } = await written({ version: "new" });
    await write(null);
    expect(here.registry.stats().entriesRefused).toBe(0);
    await write({ version: "new" });
    await time.advance(31_000);
    expect(here.registry.stats().entriesRefused).toBe(0);
  });

  test("and does not hold is told of to those only that it would be open to (W11)", async () => {
    const { here } = await written({ version: "new", tenants: ["acme"] });
    const refused = (tenant?: string) => here.registry.discover("work", { tenant }).refused?.length;
    expect([refused("acme"), refused("other"), refused()]).toEqual([1, undefined, undefined]);
  });
});

describe("discovery", () => {
  async function threeServices() {
    const process = await joinProcess(createMemoryStore(), simulateTime(), 1);
    const { register, registry } = process;
    await register("old", ["work", "backup.restore"], undefined, { version: "1.4.2", tags: ["cpu"] });
    await register("new", ["work"], undefined, { version: "2.0.0", tags: ["gpu", "region:eu"], subsystem: "ai" });
    await register("own", ["work", "secret"], undefined, { version: "2.1.0", tags: ["gpu"], tenants: ["acme"] });
    const found = (...query: Parameters<typeof registry.discover>) =>
      registry.discover(...query).swarms.map(({ service }) => service);
    return { ...process, found };
  }

  test("goes by version, subsystem and tags, each by itself and all together (S3)", async () => {
    const { found } = await threeServices();
    expect(found("work", { version: "^1" })).toEqual(["old"]);
    expect(found("work", { version: ">=1 <3" })).toEqual(["old", "new"]);
    expect(found("work", { subsystem: "ai" })).toEqual(["new"]);
    expect(found("work", { tags: ["gpu", "region:eu"] })).toEqual(["new"]);
    expect(found("work", { tags: ["gpu", "cpu"] })).toEqual([]);
    expect(found(undefined, { tags: ["cpu"] })).toEqual(["old"]);
    expect(found("backup", { tags: ["cpu"] })).toEqual(["old"]);
    expect(found("backup", { tags: ["gpu"] })).toEqual([]);
    expect(found("work", { subsystem: "ai", tags: ["gpu"], version: "2" })).toEqual(["new"]);
  });

  test("shows a tenant what is open to it, and names nothing else as near (W11)", async () => {
    const { registry, found } = await threeServices();
    expect(found("work", { tenant: "acme" })).toEqual(["old", "new", "own"]);
    expect(found("work", { tenant: "other" })).toEqual(["old", "new"]);
    expect(found("work")).toEqual(["old", "new"]);
    expect(registry.discover("secrets", { tenant: "acme" }).near).toEqual(["secret"]);
    expect(registry.discover("secrets", { tenant: "other" }).near).toEqual([]);
  });

  test("a task goes only where its tenant may go (W11)", async () => {
    const { registry } = await threeServices();
    expect(registry.route("secret", { tenant: "acme" })).toMatchObject({ ok: true });
    for (const tenant of ["other", undefined])
      expect(registry.route("secret", { tenant })).toMatchObject({ ok: false, near: [] });
    const routed = registry.route("work", { tenant: "other" });
    expect(routed.ok && routed.decision.candidates.map(({ service }) => service).sort()).toEqual(["new", "old"]);
    expect(registry.route("work", { tenant: "other", service: "own" })).toMatchObject({
      ok: false,
      reasons: [expect.anything(), "These do: new, old."],
    });
  });

  test("forgets all that a swarm was found by when it is withdrawn", async () => {
    const { register, found } = await threeServices();
    const { withdraw } = await register("gone", ["group.one", "group.two"], undefined, { tags: ["t"], subsystem: "s" });
    expect([found("group"), found(undefined, { tags: ["t"] }), found(undefined, { subsystem: "s" })]).toEqual(
      Array.from({ length: 3 }, () => ["gone"]),
    );
    await withdraw();
    expect([found("group"), found(undefined, { tags: ["t"] }), found(undefined, { subsystem: "s" })].flat()).toEqual(
      [],
    );
  });

  test("by a range that is none is refused", async () => {
    const { registry } = await threeServices();
    expect(() => registry.discover("work", { version: "newest" })).toThrow(
      expect.objectContaining({ code: "registry.invalid_query" }),
    );
  });

  test("answers with a thousand swarms, and says how many more there are", async () => {
    const { register, registry } = await joinProcess(createMemoryStore(), simulateTime(), 1);
    for (let index = 0; index < 1_003; index++) await register(`s${index}`, ["work"]);
    expect(registry.discover("work")).toMatchObject({ more: 3, swarms: { length: 1_000 } });
  });

  test("a swarm that says of itself what does not hold is refused where it registers", async () => {
    const { register } = await joinProcess(createMemoryStore(), simulateTime(), 1);
    await expect(register("odd", ["work"], undefined, { version: "1" })).rejects.toMatchObject({
      code: "registry.invalid_registration",
    });
  });
});

describe("a routing rule", () => {
  async function ruled(...settings: readonly RoutingRuleSettings[]) {
    const names = { services: ["old", "new", "eu"], capabilities: ["work", "put"] };
    const rules = checkRoutingRules(settings, names);
    const process = await joinProcess(createMemoryStore(), simulateTime(), 1, undefined, { rules });
    await process.register("old", ["work", "put"], undefined, { version: "1.4.2" });
    await process.register("new", ["work", "put"], () => ({ ...idle, queued: 9 }), {
      version: "2.0.0",
      subsystem: "ai",
    });
    await process.register("eu", ["work"], () => ({ ...idle, queued: 99 }), { version: "1.9.0", tags: ["eu"] });
    const chosen = (task: RoutedTask = {}, capability = "work") => {
      const routed = process.registry.route(capability, task);
      return routed.ok ? routed.decision.chosen.service : routed.code;
    };
    return { ...process, chosen };
  }

  test("that is met first decides; where none is, the least loaded gets it", async () => {
    const { chosen } = await ruled(
      { name: "acme", when: { capability: "work", tenant: "acme" }, to: { tags: ["eu"] } },
      { name: "others", when: { capability: "work", tenant: ["acme", "beta"] }, to: { service: "new" } },
    );
    expect([chosen({ tenant: "acme" }), chosen({ tenant: "beta" }), chosen({ tenant: "x" }), chosen()]).toEqual([
      "eu",
      "new",
      "old",
      "old",
    ]);
    expect(chosen({ tenant: "acme" }, "put")).toBe("old");
  });

  test.each<[string, RoutingRuleSettings["to"], string]>([
    ["by service", { service: ["new", "eu"] }, "new"],
    ["by version", { version: ">=1.5 <2" }, "eu"],
    ["by subsystem", { subsystem: "ai" }, "new"],
    ["by tag", { tags: ["eu"] }, "eu"],
  ])("says who may take a task, %s", async (_how, to, service) => {
    const { chosen } = await ruled({ name: "some", ...(to && { to }) });
    expect(chosen()).toBe(service);
  });

  test("is told in the decision, with who was left out and why (X5)", async () => {
    const { registry } = await ruled({ name: "grown-up", to: { version: "^1.5 || ^2" }, policy: "local-first" });
    expect(registry.route("work")).toMatchObject({
      ok: true,
      decision: {
        rule: "grown-up",
        policy: "local-first",
        chosen: { service: "new" },
        reason: "rule grown-up: it is in this process; lowest of 2 by (tasks + 1) / workers × latency",
        candidates: [{ service: "new" }, { service: "eu" }],
        leftOut: [{ service: "old", reason: "rule grown-up: its version 1.4.2 is not within ^1.5 || ^2" }],
      },
    });
  });

  test("that nobody fits leaves the task to nobody, and says why of each", async () => {
    const { registry } = await ruled({ name: "newest", to: { version: "^3" } });
    expect(registry.route("put")).toMatchObject({
      ok: false,
      code: "registry.no_swarm",
      reasons: [
        'No running swarm may take "put".',
        expect.stringMatching(/^old in prc_\w+: rule newest: its version 1\.4\.2 is not within \^3\.$/),
        expect.stringMatching(/^new in prc_/),
      ],
    });
  });

  test("holds for a task that is asked of one service by name, and says so", async () => {
    const { registry } = await ruled({ name: "newer", to: { version: "^2" } });
    expect(registry.route("put", { service: "new" })).toMatchObject({ ok: true });
    expect(registry.route("put", { service: "old" })).toMatchObject({
      ok: false,
      reasons: ['No running swarm may take "put".', expect.stringMatching(/^old in .* 1\.4\.2 is not within \^2\.$/)],
    });
    expect(registry.route("put", { service: "eu" })).toMatchObject({
      ok: false,
      reasons: ['No running swarm of eu offers "put".', "These do: new."],
    });
  });

  test("that refuses a task does so with its reason, also where one service was asked by name", async () => {
    const { registry } = await ruled({
      name: "frozen",
      when: { capability: "put" },
      refuse: "No writes before Monday.",
    });
    for (const service of [undefined, "old"])
      expect(registry.route("put", { service })).toEqual({
        ok: false,
        code: "registry.refused",
        reasons: ['The rule "frozen" refuses "put": No writes before Monday.'],
        near: [],
      });
    expect(registry.route("work").ok).toBe(true);
  });

  test("with weights shares tasks out by their keys, and gives nothing to a service without a share", async () => {
    const { registry } = await ruled({ name: "canary", policy: "weighted", weights: { old: 90, new: 10 } });
    const counts: Record<string, number> = {};
    for (let index = 0; index < 2_000; index++) {
      const routed = registry.route("work", { key: `exe_${index}` });
      const service = routed.ok ? routed.decision.chosen.service : "nobody";
      counts[service] = (counts[service] ?? 0) + 1;
    }
    // Four standard deviations of a fair draw; the keys are fixed.
    expect(Math.abs((counts.new ?? 0) - 200)).toBeLessThan(4 * Math.sqrt(2_000 * 0.1 * 0.9));
    expect(counts.eu).toBeUndefined();
    expect(registry.route("work", { key: "exe_1" })).toMatchObject({
      decision: { policy: "weighted", leftOut: [{ service: "eu", reason: "rule canary: it has no share" }] },
    });
  });

  /** Where a thousand tasks went, and what was said of the last. */
  async function withLegacy(rule: RoutingRuleSettings, migration?: number) {
    const time = simulateTime();
    const rules = checkRoutingRules([rule], { services: ["new", "old", "other"], capabilities: ["work"] });
    const process = await joinProcess(createMemoryStore(), time, 1, createMemoryHub(), { rules });
    await process.register("new", ["work"], () => ({ ...idle, queued: 1_000 }), { version: "2.0.0" });
    await process.register("old", ["work"], undefined, { legacy: true });
    await process.register("other", ["work"], undefined, { legacy: true, version: "2.0.0" });
    const { ctx, registry, settled } = process;
    if (migration !== undefined)
      await settled(registry.setMigration(ctx, "new", { percent: migration, compare: false }));
    const counts: Record<string, number> = {};
    let reason = "";
    for (let index = 0; index < 1_000; index++) {
      const routed = registry.route("work", { key: `exe_${index}` });
      if (!routed.ok) continue;
      const { chosen } = routed.decision;
      counts[chosen.service] = (counts[chosen.service] ?? 0) + 1;
      reason = routed.decision.reason;
    }
    return { counts, reason };
  }

  test("with weights gives a legacy service its share too", async () => {
    const { counts } = await withLegacy({ name: "canary", policy: "weighted", weights: { new: 1, old: 99 } });
    expect(counts.old).toBeGreaterThan(970);
    expect(counts.new).toBeGreaterThan(0);
    expect(counts.other).toBeUndefined();
  });

  test("that names a legacy service has it chosen as any other, by load, whatever a migration rule says", async () => {
    const to = { service: ["new", "old"] };
    expect(await withLegacy({ name: "both", to })).toMatchObject({ counts: { old: 1_000 } });
    expect(await withLegacy({ name: "both", to, policy: "power-of-two" }, 100)).toMatchObject({
      counts: { old: 1_000 },
    });
    expect((await withLegacy({ name: "both", to: { service: "old" } })).reason).toBe(
      "rule both: the only swarm that may take it",
    );
  });

  test("that names no service sets legacy ones aside as ever", async () => {
    expect(await withLegacy({ name: "newer", to: { version: "^2" } })).toEqual({
      counts: { new: 1_000 },
      reason: "rule newer: the only swarm that may take it, the legacy one aside",
    });
    const { counts } = await withLegacy({ name: "newer", to: { version: "^2" } }, 50);
    expect(counts.new).toBeGreaterThan(400);
    expect(counts.other).toBeGreaterThan(400);
  });

  test("does not open to a tenant what is not open to it (W11)", async () => {
    const { registry, register } = await ruled({ name: "own", to: { tags: ["own"] } });
    await register("secret", ["work"], undefined, { tags: ["own"], tenants: ["acme"] });
    expect(registry.route("work", { tenant: "acme" })).toMatchObject({ decision: { chosen: { service: "secret" } } });
    const refused = registry.route("work", { tenant: "other" });
    expect(refused).toMatchObject({ ok: false });
    expect(JSON.stringify(refused)).not.toContain("secret");
  });
});

describe("two processes that offer the same", () => {
  const slow: SwarmMeasurement = { ...idle, latencyMs: 1_000 };
  const loaded = (tasks: number): SwarmMeasurement => ({
    ...slow,
    running: Math.min(3, tasks),
    queued: Math.max(0, tasks - 3),
  });

  /** Two processes on one store, each with a swarm for `work` of so many tasks, once each has seen the other's. */
  async function twoProcesses(hubs: { here?: MemoryHub; there?: MemoryHub } = {}) {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1, hubs.here);
    const there = await joinProcess(store, time, 2, hubs.there);
    const tasks = { here: 0, there: 0 };
    await here.register("work", ["work"], () => loaded(tasks.here));
    await there.register("work", ["work"], () => loaded(tasks.there));
    await time.advance(1_500);
    /** Routes a task as `from` does, and lets it arrive. Answers where it went. */
    const send = (from: typeof here) => {
      const routed = from.registry.route("work");
      if (!routed.ok) throw new Error(routed.reasons.join(" "));
      const to = routed.decision.chosen.processId === here.membership.processId ? "here" : "there";
      tasks[to] += 1;
      return to;
    };
    return { time, store, here, there, tasks, send };
  }

  test("an idle one keeps its tasks: none costs a claim by the other", async () => {
    const { here, there, tasks, send } = await twoProcesses();
    for (let round = 0; round < 10; round++) {
      expect([send(here), send(there)]).toEqual(["here", "there"]);
      tasks.here = tasks.there = 0;
    }
  });

  test("a burst that comes to one is spread over both, though the other's load is not heard of meanwhile", async () => {
    const { here, tasks, send } = await twoProcesses();
    for (let task = 0; task < 60; task++) send(here);
    expect(tasks).toEqual({ here: 32, there: 28 });
  });

  test("what was told of a load counts, with no word on the bus: a process that is busier than this one gets nothing", async () => {
    const { time, here, there, tasks, send } = await twoProcesses();
    tasks.there = 50;
    await time.advance(12_000);
    tasks.here = 30;
    expect(send(here)).toBe("here");
    expect(send(there)).toBe("here");
    tasks.there = 0;
    await time.advance(12_000);
    expect(send(here)).toBe("there");
  });

  test("each measurement begins the count of what was routed there anew", async () => {
    const { time, here, tasks, send } = await twoProcesses();
    tasks.here = 20;
    for (let task = 0; task < 10; task++) expect(send(here)).toBe("there");
    expect(here.registry.route("work")).toMatchObject({ decision: { candidates: [{ queued: 0, routed: 10 }, {}] } });
    await time.advance(12_000);
    expect(here.registry.route("work")).toMatchObject({
      decision: { candidates: [{ running: 3, queued: 7, routed: 0 }, {}] },
    });
  });

  test("what was seen to end since is load no more, also of what the measurement still told", async () => {
    const { time, here, there, tasks, send } = await twoProcesses();
    tasks.there = 10;
    await time.advance(12_000);
    tasks.here = 9;
    const { processId } = there.membership;
    const end = (key: string, isQuery = false) =>
      here.registry.taskEnded({ key, service: "work", processId, end: "done", isQuery });
    expect(send(here)).toBe("here");
    for (let task = 0; task < 10; task++) end(`exe_${task}`, true);
    expect(send(here), "questions are none of its tasks").toBe("here");
    for (let task = 0; task < 30; task++) end(`exe_${task}`);
    expect(send(here)).toBe("there");
    const routed = here.registry.route("work");
    expect(routed).toMatchObject({ decision: { candidates: [{ queued: 7, routed: -29 }, {}] } });
  });

  test("queries are spread over the others, and are neither load for tasks nor counted among them", async () => {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const hub = createMemoryHub();
    const here = await joinProcess(store, time, 1, hub);
    for (const seed of [2, 3]) await (await joinProcess(store, time, seed, hub)).register("work", ["work"], () => slow);
    await time.advance(1_500);
    const counts = new Map<string, number>();
    for (let query = 0; query < 100; query++) {
      const routed = here.registry.route("work", { key: `query ${query}`, isQuery: true });
      const to = routed.ok ? routed.decision.chosen.processId : routed.code;
      counts.set(to, (counts.get(to) ?? 0) + 1);
    }
    expect([...counts.values()]).toEqual([50, 50]);
    expect(here.registry.stats()).toMatchObject({ routed: 0, refused: 0, local: 0, meanRouteMs: 0 });
    expect(here.registry.route("work")).toMatchObject({ decision: { candidates: [{ routed: 0 }, { routed: 0 }] } });
    expect(here.registry.stats()).toMatchObject({ routed: 1 });
    await time.advance(1_000);
    const next = here.registry.route("work", { key: "query 100", isQuery: true });
    expect(next, "a measurement begins anew").toMatchObject({
      decision: { candidates: [{ routed: 0 }, { routed: 0 }] },
    });
  });

  test("a bus that reaches both tells of loads each second, without a write", async () => {
    const hub = createMemoryHub();
    const { time, here, tasks, send } = await twoProcesses({ here: hub, there: hub });
    tasks.here = 30;
    tasks.there = 50;
    await time.advance(1_000);
    expect(send(here)).toBe("here");
    tasks.there = 0;
    await time.advance(1_000);
    expect(send(here)).toBe("there");
  });

  test("an entry that tells no load gets nothing while there is a swarm here, and the task where there is none", async () => {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const [here, there] = [await joinProcess(store, time, 1), await joinProcess(store, time, 2)];
    const { processId, epoch } = there.membership;
    const value = JSON.stringify({ service: "odd", capabilities: ["work"], processId, epoch, measurement: "a lot" });
    const write = { key: `registry/odd/${processId}`, expected: -1, value, expiresAt: null };
    await store.commit([{ streams: [], records: [write] }], time.now());
    await time.advance(1_500);
    const odd = { ok: true, local: false, decision: { chosen: { service: "odd", processId } } };
    expect(here.registry.route("work")).toMatchObject(odd);
    const own = await here.register("work", ["work"], () => loaded(1_000));
    expect(here.registry.route("work")).toMatchObject({ local: true, decision: { chosen: { service: "work" } } });
    await own.withdraw();
    expect(here.registry.route("work")).toMatchObject(odd);
  });

  test("renewals carry the load and are not more of them: three in the time that an entry holds", async () => {
    const { time, store, tasks } = await twoProcesses();
    const from = (await store.head()).change;
    for (let second = 0; second < 60; second++) {
      tasks.there = second;
      await time.advance(1_000);
    }
    const { changes } = await store.readChanges(from, 1_000, ["registry/work/"]);
    const versions = changes.map(({ version }) => version);
    expect(versions).toEqual([7, 7]);
  });
});

describe("a swarm's entry", () => {
  async function seenByAnother() {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1);
    const there = await joinProcess(store, time, 2);
    const entry = await there.register("ai", ["llm_routing"]);
    await time.advance(1_500);
    return { time, here, there, entry, found: () => here.registry.discover("llm_routing").swarms };
  }

  test("outlasts renewals that fail, for as long as one arrives in its time", async () => {
    const { time, there, found } = await seenByAnother();
    for (let tick = 0; tick < 120; tick++) {
      const cut = tick >= 10 && tick < 42;
      const { pass } = there.way;
      if (cut)
        there.way.pass =
          tick % 2 === 0 ? async () => overloaded : () => Promise.reject(new Error("The database is away."));
      await time.advance(500);
      there.way.pass = pass;
      expect(found(), `after ${tick} half seconds`).toHaveLength(1);
    }
  });

  test("is of its process's present life: after a lost lease it comes back under the new epoch", async () => {
    const { time, there, found } = await seenByAnother();
    const { processId, epoch } = there.membership;
    await there.log.append(there.ctx, { records: [{ key: leaseKey(processId), value: null, expected: "any" }] });
    await time.until(() => there.membership.epoch > epoch);
    expect(found()).toEqual([]);
    await time.until(() => found().length > 0, 2_500);
    expect(found()).toMatchObject([{ processId, epoch: there.membership.epoch }]);
    // And it is renewed under that epoch from then on, no sooner than before.
    there.way.appends = 0;
    await time.advance(60_000);
    expect(there.way.appends).toBe(6);
    expect(found()).toHaveLength(1);
  });

  test("counts as written under a new epoch once it is, not when it was tried", async () => {
    const { time, there, found } = await seenByAnother();
    const { processId, epoch } = there.membership;
    await there.log.append(there.ctx, { records: [{ key: leaseKey(processId), value: null, expected: "any" }] });
    await time.until(() => there.membership.epoch > epoch);
    const { pass } = there.way;
    there.way.pass = async () => overloaded;
    await time.advance(2_000);
    expect(found()).toEqual([]);
    there.way.pass = pass;
    await time.until(() => found().length > 0, 2_500);
  });

  test("is not written again while a write of it is on its way", async () => {
    const { time, there, found } = await seenByAnother();
    const { promise, resolve } = Promise.withResolvers<void>();
    const { pass } = there.way;
    there.way.appends = 0;
    there.way.pass = async (append) => {
      await promise;
      return await append();
    };
    await time.advance(25_000);
    expect(there.way.appends).toBe(1);
    there.way.pass = pass;
    resolve();
    await time.advance(20_000);
    expect(found()).toHaveLength(1);
  });

  test("is withdrawn though the log is overloaded for a while", async () => {
    const { time, there, entry, found } = await seenByAnother();
    const { pass } = there.way;
    let refusals = 5;
    there.way.pass = async (append) => (refusals-- > 0 ? overloaded : await pass(append));
    await entry.withdraw();
    expect(refusals).toBeLessThan(0);
    await time.until(() => found().length === 0, 1_500);
  });

  test("that cannot be withdrawn in the time given says so, and is offered here no more", async () => {
    const { time, there, entry } = await seenByAnother();
    there.way.pass = async () => overloaded;
    const deadline = time.now() + 2_000;
    await expect(entry.withdraw(withContext(there.ctx, { deadline }))).rejects.toMatchObject({
      code: "context.deadline_exceeded",
    });
    expect(time.now()).toBe(deadline);
    expect(there.registry.discover("llm_routing").swarms).toEqual([]);
  });

  test("that could not be withdrawn is, when that is asked for again", async () => {
    const { time, there, entry, found } = await seenByAnother();
    const { pass } = there.way;
    there.way.pass = async () => overloaded;
    await expect(entry.withdraw(withContext(there.ctx, { deadline: time.now() + 2_000 }))).rejects.toThrow();
    there.way.pass = pass;
    expect(found()).toHaveLength(1);
    await entry.withdraw();
    await time.until(() => found().length === 0, 1_500);
  });

  test("is not withdrawn for longer than it holds by itself", async () => {
    const { time, there, entry, found } = await seenByAnother();
    there.way.pass = async () => overloaded;
    const from = time.now();
    await expect(entry.withdraw()).rejects.toMatchObject({ code: "context.deadline_exceeded" });
    expect(time.now() - from).toBe(30_000);
    expect(found()).toEqual([]);
  });

  test("that another registration has replaced outlives the withdrawal of the first, also one that was begun before", async () => {
    const { time, there, entry, found } = await seenByAnother();
    const again = await there.register("ai", ["llm_routing", "llm_review"]);
    await entry.withdraw();
    await time.advance(1_500);
    expect(found()).toMatchObject([{ capabilities: ["llm_routing", "llm_review"] }]);
    expect(there.registry.route("llm_review")).toMatchObject({ ok: true, local: true });

    const { pass } = there.way;
    there.way.pass = async () => overloaded;
    const withdrawing = again.registered.withdraw(there.ctx);
    await time.advance(overloaded.retryAfterMs / 2);
    there.way.pass = pass;
    await there.register("ai", ["llm_routing"]);
    await time.advance(1_500);
    await withdrawing;
    expect(found()).toMatchObject([{ capabilities: ["llm_routing"] }]);
  });
});

describe("a swarm that fails (S6)", () => {
  async function twoServices() {
    const time = simulateTime();
    const process = await joinProcess(createMemoryStore(), time, 1);
    const { registry, register, membership } = process;
    const good = await register("good", ["work"], () => ({ ...idle, queued: 30 }));
    await register("bad", ["work"]);
    let task = 0;
    const route = () => {
      const key = `exe_${task++}`;
      const routed = registry.route("work", { key });
      return { key, ...(routed.ok ? routed.decision : { chosen: { service: routed.code }, reason: "" }) };
    };
    const end = (key: string, service: string, how: "done" | "failed") =>
      registry.taskEnded({ key, service, processId: membership.processId, end: how });
    const fail = () => {
      for (let count = 0; count < 5; count++) end(`exe_${task++}`, "bad", "failed");
    };
    const outlierOf = (service: string) =>
      registry.discover("work").swarms.find((each) => each.service === service)?.outlier;
    return { ...process, time, good, route, end, fail, outlierOf };
  }

  test("gets nothing for a while, then one task, then more and more, and each is told with what was measured (X5)", async () => {
    const { time, route, end, fail, outlierOf } = await twoServices();
    expect(route().chosen.service).toBe("bad");
    fail();
    expect(route()).toMatchObject({
      chosen: { service: "good" },
      reason: "the only swarm that may take it",
      leftOut: [{ service: "bad", reason: expect.stringMatching(/^ejected: 5 of 5 tasks in 30 s were its fault/) }],
    });
    expect(outlierOf("bad")).toMatchObject({
      state: "ejected",
      leftMs: 30_000,
      reason: expect.stringMatching(/^5 of 5/),
    });
    expect(outlierOf("good")).toBeUndefined();

    await time.advance(30_000);
    const probe = route();
    expect(probe).toMatchObject({
      chosen: { service: "bad" },
      probe: true,
      reason: expect.stringMatching(/^probe: this task tries whether it is well again \(5 of 5/),
    });
    expect(route()).toMatchObject({
      chosen: { service: "good" },
      leftOut: [{ reason: expect.stringMatching(/^probing:/) }],
    });
    end(probe.key, "bad", "done");
    expect(outlierOf("bad")).toMatchObject({ state: "recovering", share: 0.1 });
    // A tenth of its share: its score is ten times what it would be.
    expect(route()).toMatchObject({ chosen: { service: "bad" }, candidates: [{ score: 33.333 }, { service: "good" }] });
    await time.advance(30_000);
    expect(outlierOf("bad")).toBeUndefined();
    expect(route()).toMatchObject({ chosen: { service: "bad" }, candidates: [{ score: 3.333 }, {}] });
  });

  test("is used all the same where it is the last", async () => {
    const { good, route, fail } = await twoServices();
    await good.withdraw();
    fail();
    const last = route();
    expect(last).toMatchObject({ chosen: { service: "bad" }, reason: "the only swarm that offers it" });
    expect(last).not.toHaveProperty("leftOut");
  });

  test("is used where it is asked for by name", async () => {
    const { registry, fail } = await twoServices();
    fail();
    expect(registry.route("work", { key: "exe_x", service: "bad" })).toMatchObject({ ok: true });
  });

  test("is not thrown out by what its agents throw", async () => {
    const { route, end } = await twoServices();
    for (let count = 0; count < 50; count++) end(route().key, "bad", "done");
    expect(route().chosen.service).toBe("bad");
  });

  test("is tried again after a task that was routed there and never accepted", async () => {
    const { time, route, fail } = await twoServices();
    fail();
    await time.advance(30_000);
    expect(route()).toMatchObject({ probe: true });
    await time.advance(59_000);
    expect(route()).not.toHaveProperty("probe");
    await time.advance(1_000);
    expect(route()).toMatchObject({ probe: true });
  });

  test("because its process is late is left out until that renews, and a process that is cut off itself blames nobody", async () => {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1);
    const there = await joinProcess(store, time, 2);
    await there.register("work", ["work"]);
    await here.register("work", ["work"], () => ({ ...idle, queued: 10_000, latencyMs: 60_000 }));
    await time.advance(1_500);
    const chosen = () => {
      const routed = here.registry.route("work", { key: "exe_1" });
      return routed.ok && routed.decision.chosen.processId === there.membership.processId ? "there" : "here";
    };
    expect(chosen()).toBe("there");
    vi.spyOn(here.membership, "members").mockImplementation(() => [
      { id: there.membership.processId, epoch: 1, hosts: [], address: undefined, state: "late" },
    ]);
    const state = vi.spyOn(here.membership, "state", "get").mockReturnValue("failing");
    await time.advance(6_000);
    expect(chosen()).toBe("there");
    state.mockRestore();
    await time.advance(6_000);
    expect(chosen()).toBe("here");
    const { swarms } = here.registry.discover("work");
    expect(swarms.find(({ processId }) => processId === there.membership.processId)?.outlier?.reason).toMatch(/late/);
  });
});

describe("a service that moves over from a legacy one (S11)", () => {
  /** `tools` in one process and the legacy `swarm` in another, once each knows of the other. */
  async function twoSides() {
    const time = simulateTime();
    const store = { ...createMemoryStore(), exclusive: false };
    const here = await joinProcess(store, time, 1);
    const there = await joinProcess(store, time, 2);
    const tools = await here.register("tools", ["work"]);
    await there.register("swarm", ["work"], undefined, { legacy: true });
    await time.advance(1_500);
    const set = (from: typeof here, rule: MigrationRule | undefined, expected?: number) =>
      here.settled(from.registry.setMigration(from.ctx, "tools", rule, { expected }));
    const sidesOf = (of: typeof here) =>
      Array.from({ length: 200 }, (_, index) => {
        const routed = of.registry.route("work", { key: `exe_${index}` });
        return routed.ok ? routed.decision.chosen.service : routed.code;
      });
    return { time, store, here, there, tools, set, sidesOf };
  }
  const percent = (percent: number): MigrationRule => ({ percent, compare: false });

  test("a rule that one process sets is obeyed there at once, and in the other within a poll", async () => {
    const { time, here, there, set, sidesOf } = await twoSides();
    expect(new Set(sidesOf(there))).toEqual(new Set(["tools"]));
    expect(await set(here, { percent: 25, compare: true })).toEqual({ ok: true, version: 1 });
    const sides = sidesOf(here);
    expect(sides.filter((side) => side === "tools").length).toBeGreaterThan(20);
    expect(sides.filter((side) => side === "swarm").length).toBeGreaterThan(120);
    await time.advance(1_000);
    expect(sidesOf(there)).toEqual(sides);
    const rule = { service: "tools", percent: 25, compare: true, version: 1 };
    expect([here.registry.migrations(), there.registry.migrations()]).toEqual([[rule], [rule]]);
  });

  test("moves on and back, and with its rule taken away is switched over for good", async () => {
    const { time, here, there, set, sidesOf } = await twoSides();
    for (const [share, services] of [
      [0, ["swarm"]],
      [100, ["tools"]],
      [0, ["swarm"]],
    ] as const) {
      await set(here, percent(share));
      await time.advance(1_000);
      expect(new Set([...sidesOf(here), ...sidesOf(there)])).toEqual(new Set(services));
    }
    await set(there, undefined);
    await time.advance(1_000);
    expect(new Set([...sidesOf(here), ...sidesOf(there)])).toEqual(new Set(["tools"]));
    expect(here.registry.migrations()).toEqual([]);
  });

  test.each(["tools", "swarm"])(
    "its rule parts tasks as before while %s fails, and tells so truly (W8)",
    async (service) => {
      const { here, there, set, sidesOf } = await twoSides();
      await set(here, percent(1));
      const before = sidesOf(here);
      expect(new Set(before)).toEqual(new Set(["tools", "swarm"]));
      const { processId } = (service === "tools" ? here : there).membership;
      for (let task = 0; task < 5; task++)
        here.registry.taskEnded({ key: `exe_t${task}`, service, processId, end: "timed_out" });
      expect(sidesOf(here)).toEqual(before);
      const moved = here.registry.route("work", { key: `exe_${before.indexOf("swarm")}` });
      expect(moved).toMatchObject({
        decision: { reason: "migration: 1 % of the tasks of tools stay with it, this one goes to swarm" },
      });
    },
  );

  test("a rule is known to a process that joins later", async () => {
    const { time, store, here, set } = await twoSides();
    await set(here, percent(40));
    const later = await joinProcess(store, time, 3);
    expect(later.registry.migrations()).toMatchObject([{ service: "tools", percent: 40 }]);
  });

  test("of two who change a rule that both have read, one is told to read it again", async () => {
    const { time, here, there, set } = await twoSides();
    expect(await set(here, percent(10), 0)).toEqual({ ok: true, version: 1 });
    expect(await set(there, percent(90), 0)).toEqual({ ok: false, reason: "conflict", actual: 1 });
    expect(await set(there, percent(20), 1)).toEqual({ ok: true, version: 2 });
    expect(await set(here, undefined, 1)).toEqual({ ok: false, reason: "conflict", actual: 2 });
    await time.advance(1_000);
    expect(here.registry.migrations()).toMatchObject([{ percent: 20 }]);
  });

  test("falls back to the legacy one while no swarm of its own is there", async () => {
    const { time, there, tools, sidesOf } = await twoSides();
    await tools.withdraw();
    await time.advance(1_500);
    expect(there.registry.discover("work").swarms).toMatchObject([{ service: "swarm", legacy: true }]);
    expect(new Set(sidesOf(there))).toEqual(new Set(["swarm"]));
  });

  test("a task that is asked of one of them by name goes there or nowhere", async () => {
    const { here, tools } = await twoSides();
    expect(here.registry.route("work", { service: "swarm" })).toMatchObject({
      ok: true,
      local: false,
      decision: { chosen: { service: "swarm" }, pinned: "swarm" },
    });
    await tools.withdraw();
    expect(here.registry.route("work", { service: "tools" })).toEqual({
      ok: false,
      code: "registry.no_swarm",
      reasons: ['No running swarm of tools offers "work".', "These do: swarm."],
      near: [],
    });
  });

  test("a rule that does not hold is refused, and one that cannot be read is not obeyed", async () => {
    const { time, store, here, set, sidesOf } = await twoSides();
    await expect(set(here, percent(101))).rejects.toMatchObject({ code: "registry.invalid_migration" });
    await set(here, percent(0));
    const odd = { key: "migration/tools", expected: 1, value: '{"percent":"most"}', expiresAt: null };
    await store.commit([{ streams: [], records: [odd] }], time.now());
    await time.advance(1_000);
    expect(new Set(sidesOf(here))).toEqual(new Set(["tools"]));
  });

  test("there are at most 256 rules, and one more is refused with that bound (W10)", async () => {
    const { here } = await twoSides();
    const set = (service: string) => here.settled(here.registry.setMigration(here.ctx, service, percent(50)));
    for (let index = 0; index < 256; index++) await set(`service-${index}`);
    expect(await set("tools")).toEqual({ ok: false, reason: "too_many", max: 256 });
    expect(await set("service-7")).toEqual({ ok: true, version: 2 });
  });

  test("while the log is overloaded its rule stays as it was, and whoever sets it is told when to try again", async () => {
    const { here, set } = await twoSides();
    here.way.pass = async () => overloaded;
    expect(await set(here, percent(50))).toEqual({ ok: false, reason: "overloaded", retryAfterMs: 100 });
    expect(here.registry.migrations()).toEqual([]);
  });
});
