// Proves who has a resource after any claims: one at a time, by the declared policy, with a higher token each time, told of and recorded.
// Two processes on one store in memory, under simulated time; then random histories of claims, releases, ends of time and crashes of
// three processes, against a reference that keeps one line for each resource.
import { joinCluster } from "@viable/cluster";
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, sleep, withContext } from "@viable/kernel";
import type { Log, Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { holdingKey } from "./claim-record.ts";
import type { ResourceClaim, ResourceClaimOutcome } from "./conflicts.ts";
import { createConflicts } from "./conflicts.ts";
import { conflictEventTypes } from "./event-types.ts";
import type { ConflictPolicy } from "./policy.ts";

/** Long enough for every process to find out that another is gone. */
const goneMs = 45_000;
const lock: ConflictPolicy = { kind: "lock" };
const newest: ConflictPolicy = { kind: "newest" };
const priority: ConflictPolicy = { kind: "priority" };

/** One process, on a store that others share. */
async function joinProcess(store: Store, time: SimulatedTime, seed: number) {
  const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime, { types: conflictEventTypes });
  const membership = joinCluster({ log, runtime, hosts: [] });
  const conflicts = createConflicts({ log, membership });
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    await time.until(() => done);
    return await promise;
  };
  for (const part of [log, membership, conflicts]) await settled(part.start(ctx));
  const { processId } = membership;
  return {
    ctx,
    log,
    conflicts,
    processId,
    settled,
    claim: (resource: string, claim: ResourceClaim, within = ctx) => settled(conflicts.claim(within, resource, claim)),
    release: (resource: string, token: number) => settled(conflicts.release(ctx, resource, token)),
    holder: (resource: string) => settled(conflicts.holder(ctx, resource)),
    /** The process dies without a word: nothing of it runs on. */
    async die() {
      for (const part of [conflicts, log]) await settled(part.stop(ctx));
    },
  };
}

/** One that processes share: each looks for what the others wrote. */
const sharedStore = (): Store => ({ ...createMemoryStore(), exclusive: false });

async function twoProcesses() {
  const time = simulateTime();
  const store = sharedStore();
  const one = await joinProcess(store, time, 1);
  const two = await joinProcess(store, time, 2);
  const events = async () =>
    (await everyEvent(store, { types: ["conflict.*"] })).map(({ stream, data }) => ({ stream, data }));
  return { time, store, one, two, events };
}

/** The outcome of a claim that must have been granted. */
function granted(outcome: ResourceClaimOutcome) {
  if (!outcome.ok) throw new Error(`refused: ${outcome.reason}`);
  return outcome;
}
const codeOfEnd = (signal: AbortSignal): string | undefined => (signal.aborted ? signal.reason.code : undefined);

/** A resource that keeps what is written to it, and of whom: it refuses a lower token than it has seen. */
async function writeGuarded(
  log: Log,
  ctx: Parameters<Log["append"]>[0],
  token: number,
  text: string,
): Promise<boolean> {
  const before = await log.getRecord(ctx, "guarded");
  const seen = (before?.value as { token?: number } | undefined)?.token ?? 0;
  if (token < seen) return false;
  const outcome = await log.append(ctx, {
    records: [{ key: "guarded", value: { token, text }, expected: before?.version ?? 0 }],
  });
  return outcome.ok;
}

describe("claims on a resource (S5)", () => {
  test("of two at once, in two processes, exactly one is granted, and the conflict is recorded with why", async () => {
    const { time, one, two, events } = await twoProcesses();
    const asked = [one, two].map(({ conflicts, ctx }, index) =>
      conflicts.claim(ctx, "report", { by: `agent-${index}`, policy: lock }),
    );
    const outcomes = await one.settled(Promise.all(asked));
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
    const winner = outcomes.findIndex(({ ok }) => ok);
    expect(outcomes[1 - winner]).toMatchObject({
      ok: false,
      because: "held",
      holder: { by: `agent-${winner}`, token: 1 },
      reason: `agent-${winner} was first, and keeps it until it lets go or is gone`,
    });
    await time.advance(2_000);
    expect(await events()).toEqual([
      {
        stream: "conflict:default/report",
        data: {
          resource: "report",
          policy: lock,
          claims: [
            expect.objectContaining({ by: `agent-${winner}`, token: 1 }),
            expect.objectContaining({ by: `agent-${1 - winner}`, lost: `agent-${winner} was first` }),
          ],
          winner: 0,
          reason: `agent-${winner} was first, and keeps it until it lets go or is gone`,
        },
      },
    ]);
  });

  test("a hundred at once in one process: one is granted, and all others are told by whom", async () => {
    const { one, events } = await twoProcesses();
    const asked = Array.from({ length: 100 }, (_, index) =>
      one.conflicts.claim(one.ctx, "report", { by: `agent-${index}`, policy: lock }),
    );
    const outcomes = await one.settled(Promise.all(asked));
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
    expect(outcomes.filter((outcome) => !outcome.ok && outcome.because === "held")).toHaveLength(99);
    expect(await events()).toHaveLength(99);
  });

  test("let go, it is the next one's, with a higher token, also after its record was forgotten", async () => {
    const { time, one, two, events } = await twoProcesses();
    const first = granted(await one.claim("report", { by: "a", policy: lock }));
    expect(await two.release("report", first.token + 1)).toMatchObject({ ok: false, holder: { by: "a" } });
    expect(await one.release("report", first.token)).toEqual({ ok: true });
    expect(codeOfEnd(first.ended)).toBe("registry.claim_released");
    await time.advance(10_000);
    await one.settled(one.log.purgeRecords(one.ctx, 1, 1_000));
    const second = granted(await two.claim("report", { by: "b", policy: lock }));
    expect([first.token, second.token]).toEqual([1, 2]);
    expect(await one.release("report", first.token)).toMatchObject({ ok: false, because: "not_holder" });
    expect(await events()).toEqual([]);
  });

  test("a higher priority displaces the holder, who is told, and whose guarded write is refused by its token", async () => {
    const { time, one, two, events } = await twoProcesses();
    const low = granted(await one.claim("disk", { by: "backup", policy: priority, priority: 1 }));
    expect(await one.settled(writeGuarded(one.log, one.ctx, low.token, "by backup"))).toBe(true);
    const high = granted(await two.claim("disk", { by: "restore", policy: priority, priority: 9 }));
    expect(high).toMatchObject({ displaced: { by: "backup", token: low.token }, reason: "restore has priority 9" });
    expect(await two.settled(writeGuarded(two.log, two.ctx, high.token, "by restore"))).toBe(true);
    expect(await one.settled(writeGuarded(one.log, one.ctx, low.token, "by backup, too late"))).toBe(false);
    await time.advance(2_000);
    expect([codeOfEnd(low.ended), codeOfEnd(high.ended)]).toEqual(["registry.claim_displaced", undefined]);
    expect(await one.claim("disk", { by: "backup", policy: priority, priority: 9 })).toMatchObject({
      ok: false,
      reason: "restore has priority 9, and of those that are equal it came first",
    });
    expect((await events()).map(({ data }) => [data.winner, data.reason])).toEqual([
      [1, "restore has priority 9"],
      [0, "restore has priority 9, and of those that are equal it came first"],
    ]);
  });

  test("a holder that raises its priority while another claims is not displaced by what was decided before", async () => {
    const { one, two } = await twoProcesses();
    granted(await one.claim("disk", { by: "a", policy: priority, priority: 1 }));
    const raised = one.conflicts.claim(one.ctx, "disk", { by: "a", policy: priority, priority: 9 });
    const other = two.conflicts.claim(two.ctx, "disk", { by: "b", policy: priority, priority: 5 });
    await one.settled(Promise.all([raised, other]));
    expect(await two.holder("disk")).toMatchObject({ by: "a", priority: 9 });
  });

  test("what is let go while another is about to be refused is the other's", async () => {
    const { one, two } = await twoProcesses();
    const { token } = granted(await one.claim("report", { by: "a", policy: lock }));
    const letGo = one.conflicts.release(one.ctx, "report", token);
    const claimed = two.conflicts.claim(two.ctx, "report", { by: "b", policy: lock });
    const [released, outcome] = await one.settled(Promise.all([letGo, claimed]));
    expect(released).toEqual({ ok: true });
    expect(granted(outcome).token).toBe(2);
    expect(await one.holder("report")).toMatchObject({ by: "b" });
  });

  test("who is displaced before its own grant is answered is told", async () => {
    const time = simulateTime();
    const store = sharedStore();
    let lateMs = 0;
    const commit: Store["commit"] = async (...given) => {
      const result = await store.commit(...given);
      if (lateMs > 0) await new Promise<void>((resolve) => time.setTimer(resolve, lateMs));
      return result;
    };
    const one = await joinProcess({ ...store, commit }, time, 1);
    const two = await joinProcess(store, time, 2);
    lateMs = 3_000;
    const first = one.conflicts.claim(one.ctx, "draft", { by: "a", policy: newest });
    await time.advance(100);
    granted(await two.claim("draft", { by: "b", policy: newest }));
    expect(codeOfEnd(granted(await one.settled(first)).ended)).toBe("registry.claim_displaced");
  });

  test("within one process too, who is displaced is told", async () => {
    const { one } = await twoProcesses();
    const first = granted(await one.claim("draft", { by: "a", policy: newest }));
    const second = granted(await one.claim("draft", { by: "b", policy: newest }));
    expect([codeOfEnd(first.ended), codeOfEnd(second.ended)]).toEqual(["registry.claim_displaced", undefined]);
  });

  test("what a gone process held is free, and nobody was in conflict over it", async () => {
    const { time, one, two, events } = await twoProcesses();
    granted(await one.claim("report", { by: "a", policy: lock }));
    await one.die();
    expect(await two.claim("report", { by: "b", policy: lock })).toMatchObject({ ok: false, because: "held" });
    await time.advance(goneMs);
    expect(await two.holder("report")).toBeUndefined();
    const taken = granted(await two.claim("report", { by: "b", policy: lock }));
    expect(taken).toMatchObject({ token: 2, reason: `a had it, and its process ${one.processId} is gone` });
    expect(await events()).toHaveLength(1);
  });

  test("a process that loses its lease holds nothing any more, and knows", async () => {
    const { time, store, one } = await twoProcesses();
    const mine = granted(await one.claim("report", { by: "a", policy: lock }));
    // Cut off: nothing of what it writes arrives.
    const commit = store.commit;
    (store as { commit: Store["commit"] }).commit = () => new Promise(() => {});
    await time.advance(goneMs);
    (store as { commit: Store["commit"] }).commit = commit;
    expect(codeOfEnd(mine.ended)).toBe("registry.claim_gone");
  });

  test("a time of its own: over first for its holder, then for others, and begun anew by each claim", async () => {
    const { time, one, two } = await twoProcesses();
    const brief = { by: "a", policy: lock, holdMs: 5_000 };
    const first = granted(await one.claim("report", brief));
    await time.advance(4_000);
    const again = granted(await one.claim("report", brief));
    expect(again).toMatchObject({ token: first.token, repeated: true, ended: first.ended });
    await time.advance(4_500);
    expect(await two.claim("report", { by: "b", policy: lock })).toMatchObject({ ok: false, holder: { by: "a" } });
    await time.advance(500);
    expect(codeOfEnd(first.ended)).toBe("registry.claim_expired");
    await time.advance(1_000);
    expect(granted(await two.claim("report", { by: "b", policy: lock }))).toMatchObject({
      token: 2,
      reason: "a had it, and its 5000 ms are over",
    });
  });

  test("the same claimant has it already, and no event says otherwise; asking in vain again is recorded once", async () => {
    const { one, two, events } = await twoProcesses();
    const first = granted(await one.claim("report", { by: "a", policy: lock }));
    expect(granted(await one.claim("report", { by: "a", policy: lock }))).toMatchObject({
      token: first.token,
      repeated: true,
      ended: first.ended,
    });
    for (let times = 0; times < 3; times++)
      expect(await two.claim("report", { by: "a", policy: lock })).toMatchObject({ ok: false, because: "held" });
    expect(await events()).toHaveLength(1);
  });

  test("two policies for one resource are a conflict themselves, and said to be", async () => {
    const { one, two, events } = await twoProcesses();
    granted(await one.claim("report", { by: "a", policy: lock }));
    expect(await two.claim("report", { by: "b", policy: newest })).toMatchObject({
      ok: false,
      because: "policies_differ",
      reason: "two policies for one resource are a conflict themselves: the one it is held under stays, and a with it",
    });
    expect((await events())[0]?.data).toMatchObject({
      policy: lock,
      claims: [
        { by: "a" },
        { by: "b", lost: 'it names the policy {"kind":"newest"}, and the resource is held under {"kind":"lock"}' },
      ],
    });
  });

  test("what does not make a claim is refused, and nothing is asked", async () => {
    const { one } = await twoProcesses();
    const claim = (resource: string, more: object) =>
      one.claim(resource, { by: "a", policy: lock, ...more } as ResourceClaim).then(
        () => "made",
        (error) => error.code,
      );
    expect([
      await claim("report", { policy: { kind: "loudest" } }),
      await claim("report", { policy: { kind: "vote" } }),
      await claim("", {}),
      await claim("ü".repeat(51), {}),
      await claim("\ud800", {}),
      await claim("report", { by: "a".repeat(201) }),
      await claim("report", { priority: Number.NaN }),
      await claim("report", { holdMs: 0 }),
    ]).toEqual(["registry.unknown_policy", ...Array(7).fill("registry.invalid_claim")]);
  });

  test("no tenant sees or meets another's (W11), and lists are read page by page", async () => {
    const { one, two } = await twoProcesses();
    const other = withContext(two.ctx, { tenant: "other/default" });
    for (const resource of ["c", "a/b", "ü"]) granted(await one.claim(resource, { by: "a", policy: lock }));
    granted(await two.claim("c", { by: "b", policy: lock }, other));
    const list = (ctx = one.ctx, options = {}) => one.settled(one.conflicts.list(ctx, options));
    const first = await list(one.ctx, { limit: 2 });
    expect(first.holders.map(({ resource }) => resource)).toEqual(["ü", "a/b"]);
    const rest = await list(one.ctx, { limit: 2, after: first.next });
    expect([rest.holders.map(({ resource }) => resource), rest.next]).toEqual([["c"], undefined]);
    expect((await list(other)).holders).toMatchObject([{ resource: "c", by: "b" }]);
  });

  test("records of what is over are forgotten within two minutes", async () => {
    const { time, one, two } = await twoProcesses();
    granted(await one.claim("report", { by: "a", policy: lock }));
    await one.die();
    await time.advance(goneMs + 75_000);
    expect(await two.settled(two.log.getRecord(two.ctx, holdingKey("default", "report")))).toBeUndefined();
  });
});

type Step =
  | {
      readonly kind: "claim";
      readonly process: number;
      readonly resource: number;
      readonly by: string;
      readonly priority: number;
    }
  | { readonly kind: "release"; readonly process: number; readonly resource: number }
  | { readonly kind: "crash"; readonly process: number }
  | { readonly kind: "wait" };

const resources = [
  { name: "locked", policy: lock },
  { name: "ranked", policy: priority },
  { name: "fresh", policy: newest },
  { name: "brief", policy: lock, holdMs: 10_000 },
];

describe("random histories", () => {
  test("end as the reference says, with one holder at a time and tokens that only grow", {
    timeout: 60_000,
  }, async () => {
    const process = fc.nat(2);
    const step: fc.Arbitrary<Step> = fc.oneof(
      {
        weight: 10,
        arbitrary: fc.record({
          kind: fc.constant("claim" as const),
          process,
          resource: fc.nat(3),
          by: fc.constantFrom("a", "b"),
          priority: fc.nat(2),
        }),
      },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant("release" as const), process, resource: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), process }) },
      { weight: 2, arbitrary: fc.constant<Step>({ kind: "wait" }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), (steps) => playHistory(steps)),
      { numRuns: 60 },
    );
  });
});

describe("many at once", () => {
  test.each([lock, priority, newest])(
    "in three processes are settled one by one under $kind, each once, and one has it",
    async (policy) => {
      const wanted = fc.array(fc.record({ process: fc.nat(2), priority: fc.nat(3), delayMs: fc.nat(3) }), {
        minLength: 1,
        maxLength: 12,
      });
      await fc.assert(
        fc.asyncProperty(wanted, fc.integer(), (all, seed) => claimAtOnce(policy, all, seed)),
        { numRuns: 40 },
      );
    },
  );
});

async function claimAtOnce(
  policy: ConflictPolicy,
  wanted: readonly { readonly process: number; readonly priority: number; readonly delayMs: number }[],
  seed: number,
): Promise<void> {
  const time = simulateTime({ random: seededRandom(seed) });
  const store = sharedStore();
  const processes: Awaited<ReturnType<typeof joinProcess>>[] = [];
  for (const number of [1, 2, 3]) processes.push(await joinProcess(store, time, number));
  const [one] = processes as [Awaited<ReturnType<typeof joinProcess>>];
  const claims = wanted.map(async ({ process, priority: rank, delayMs }, index) => {
    const { ctx, conflicts } = processes[process] as typeof one;
    await sleep(ctx, delayMs);
    return await conflicts.claim(ctx, "report", { by: `agent-${index}`, policy, priority: rank });
  });
  const outcomes = await one.settled(Promise.all(claims));
  await time.advance(2_000);
  const won = outcomes.flatMap((outcome) => (outcome.ok ? [outcome] : []));
  const last = Math.max(...won.map(({ token }) => token));
  expect(new Set(won.map(({ token }) => token)).size).toBe(won.length);
  // Whoever has it knows, and whoever had it knows that, too.
  expect(won.filter(({ ended }) => !ended.aborted).map(({ token }) => token)).toEqual([last]);
  const holder = await one.holder("report");
  expect(holder?.token).toBe(last);
  expect(outcomes.every((outcome) => outcome.ok || outcome.because === "held")).toBe(true);
  if (policy.kind === "lock") expect(won).toHaveLength(1);
  if (policy.kind === "newest") expect(won).toHaveLength(outcomes.length);
  if (policy.kind === "priority") expect(holder?.priority).toBe(Math.max(...wanted.map((each) => each.priority)));
  expect(await everyEvent(store, { types: ["conflict.settled"] })).toHaveLength(outcomes.length - 1);
  for (const process of processes) await process.die();
}

/** One line for each resource: who has it. */
interface Line {
  readonly process: number;
  readonly by: string;
  readonly priority: number;
  readonly token: number;
  readonly ended: AbortSignal;
}

async function playHistory(steps: readonly Step[]): Promise<void> {
  const time = simulateTime();
  const store = sharedStore();
  const processes: Awaited<ReturnType<typeof joinProcess>>[] = [];
  for (const seed of [1, 2, 3]) processes.push(await joinProcess(store, time, seed));
  const alive = [true, true, true];
  const lines: (Line | undefined)[] = resources.map(() => undefined);
  const lastTokens = resources.map(() => 0);
  const notes = new Set<string>();
  let conflicts = 0;
  const at = (index: number) => processes[index] as (typeof processes)[number];

  for (const step of steps) {
    if (step.kind === "wait") {
      await time.advance(15_000);
      lines[3] = undefined;
    } else if (step.kind === "crash") {
      if (alive.filter(Boolean).length === 1 || !alive[step.process]) continue;
      alive[step.process] = false;
      await at(step.process).die();
      await time.advance(goneMs);
      for (const [index, line] of lines.entries())
        if (index === 3 || line?.process === step.process) lines[index] = undefined;
    } else if (alive[step.process]) {
      const line = lines[step.resource];
      const { name, policy, holdMs } = resources[step.resource] as (typeof resources)[number];
      if (step.kind === "release") {
        if (line?.process !== step.process) continue;
        expect(await at(step.process).release(name, line.token)).toEqual({ ok: true });
        expect(line.ended.aborted).toBe(true);
        lines[step.resource] = undefined;
      } else {
        const { by } = step;
        const outcome = await at(step.process).claim(name, {
          by,
          policy,
          priority: step.priority,
          ...(holdMs !== undefined && { holdMs }),
        });
        const same = line?.process === step.process && line.by === by;
        const wins =
          line === undefined ||
          policy.kind === "newest" ||
          (policy.kind === "priority" && step.priority > line.priority);
        if (same) expect(outcome).toMatchObject({ ok: true, token: line.token, repeated: true });
        else if (!wins) {
          expect(outcome).toMatchObject({ ok: false, because: "held", holder: { by: line.by, token: line.token } });
          const note = JSON.stringify([step.process, step.resource, line.token, by, step.priority]);
          if (!notes.has(note)) conflicts += 1;
          notes.add(note);
          continue;
        } else {
          const { token, ended } = granted(outcome);
          expect(token).toBeGreaterThan(lastTokens[step.resource] as number);
          lastTokens[step.resource] = token;
          if (line !== undefined) {
            conflicts += 1;
            // The other process hears of it with its next look.
            await time.advance(1_500);
            expect(line.ended.aborted).toBe(true);
          }
          lines[step.resource] = { process: step.process, by, priority: step.priority, token, ended };
        }
        if (same) lines[step.resource] = { ...line, priority: step.priority };
      }
    }
    await time.advance(10);
    const observer = at(alive.lastIndexOf(true));
    for (const [index, { name }] of resources.entries()) {
      const line = lines[index];
      const holder = await observer.holder(name);
      expect(holder === undefined ? undefined : [holder.by, holder.token]).toEqual(line && [line.by, line.token]);
      expect(line?.ended.aborted ?? false).toBe(false);
    }
  }
  expect(await everyEvent(store, { types: ["conflict.settled"] })).toHaveLength(conflicts);
  for (const [index, process] of processes.entries()) if (alive[index]) await process.die();
}
