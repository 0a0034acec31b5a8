/** Capabilities on a log: what opens, for how long, and how a revocation reaches whoever knows one already. */
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuthorizationRequest } from "../authorize.ts";
import { authorize } from "../authorize.ts";
import type { Grant } from "../grant.ts";
import { follow } from "../grant.ts";
import { mintOwnerToken } from "../owner-token.ts";
import { arbitraryRestrictions } from "../testing/capability-contract.ts";
import { createCapabilities } from "./capabilities.ts";
import { createHmacChain } from "./hmac-chain.ts";
import { createUses } from "./uses.ts";

async function startProcess(store: Store = createMemoryStore(), time: SimulatedTime = simulateTime()) {
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const capabilities = createCapabilities({ log, open: async () => createHmacChain(new Uint8Array(32).fill(1)) });
  await capabilities.start(ctx);
  const owner = mintOwnerToken(ctx, capabilities);
  const revoke = async (capabilityId: string, expiresAt: number | null = null) => {
    const record = capabilities.revocation(ctx.tenant, capabilityId, expiresAt);
    if (record === undefined) throw new Error("There are too many revocations.");
    await log.append(ctx, { records: [record] });
  };
  const verify = (token: string) => capabilities.verify(ctx, token);
  return { time, ctx, log, capabilities, owner, revoke, verify, uses: createUses(log) };
}

const shared = (): Store => ({ ...createMemoryStore(), exclusive: false });

describe("a capability", () => {
  test("opens what it was minted for, the first time and again, as one and the same grant", async () => {
    const { owner, verify } = await startProcess();
    const grant = verify(owner.token);
    expect(grant).toEqual({
      tokenId: owner.capabilityId,
      tenant: "default",
      principal: "owner",
      clientType: "owner",
      operations: ["read", "write", "execute"],
      sessionId: undefined,
      commandsPerHour: 1_000_000_000,
      maxConcurrent: undefined,
      expiresAt: null,
      links: [{ capabilityId: owner.capabilityId, restrictions: {} }],
      shown: [owner.capabilityId],
    });
    expect(verify(owner.token)).toBe(grant);
  });

  test("that is narrowed holds to all of its links: what can be folded is, and the rest goes with the grant", async () => {
    const { capabilities, owner, verify } = await startProcess();
    const wide = { operations: ["read" as const, "write" as const], commandsPerHour: 10, denied: ["command/a"] };
    const middle = capabilities.attenuate(owner.token, wide);
    const narrow = { commandsPerHour: 20, maxConcurrent: 3, sessionId: "ses_1", denied: ["view/*"], maxUses: 5 };
    const last = capabilities.attenuate(middle.token, narrow);
    expect(verify(last.token)).toMatchObject({
      tokenId: last.capabilityId,
      operations: ["read", "write"],
      commandsPerHour: 10,
      maxConcurrent: 3,
      sessionId: "ses_1",
      isSessionToken: true,
      denied: ["command/a", "view/*"],
      links: [
        { capabilityId: owner.capabilityId },
        { capabilityId: middle.capabilityId, restrictions: wide },
        { capabilityId: last.capabilityId, restrictions: narrow },
      ],
    });
  });

  test("that is revoked from a moment on opens up to it, and nothing from it on, known or not", async () => {
    const { time, ctx, log, capabilities, owner, verify } = await startProcess();
    const narrowed = capabilities.attenuate(owner.token, { maxUses: 2 });
    const from = Math.floor(time.now()) + 1_000;
    const record = capabilities.revocation(ctx.tenant, owner.capabilityId, null, from);
    if (record === undefined) throw new Error("There are too many revocations.");
    await log.append(ctx, { records: [record] });
    await time.advance(999);
    expect(verify(owner.token)).toBeDefined();
    await time.advance(1);
    expect([verify(owner.token), verify(narrowed.token)]).toEqual([undefined, undefined]);
  });

  test("is worth nothing from its end on, whether it was known or not", async () => {
    const { time, capabilities, owner, verify } = await startProcess();
    const expiresAt = Math.floor(time.now()) + 1_000;
    const [known, unknown] = [1, 2].map(
      (maxUses) => capabilities.attenuate(owner.token, { expiresAt, maxUses }).token,
    ) as [string, string];
    expect(verify(known)).toBeDefined();
    await time.advance(1_000);
    expect([verify(known), verify(unknown)]).toEqual([undefined, undefined]);
  });

  test("W4: of 100,000 chains none allows what it did not allow without its last link", async () => {
    const { owner, verify } = await startProcess();
    const all = verify(owner.token) as Grant;
    const arbitraryRequest: fc.Arbitrary<AuthorizationRequest> = fc.record({
      subject: fc.constant("x"),
      address: fc.constantFrom("command/a", "command/b.c", "query/x", "view/x.y", "view/z"),
      operation: fc.constantFrom("read", "write", "execute"),
      risk: fc.constantFrom("low", "medium", "high"),
      sessionId: fc.constantFrom(undefined, "ses_1", "ses_2"),
      executionId: fc.constantFrom("exe_1", "exe_2"),
      tenant: fc.constant("default"),
      args: fc.string({ maxLength: 120 }),
    });
    let chains = 0;
    let granted = 0;
    fc.assert(
      fc.property(
        fc.array(arbitraryRestrictions, { minLength: 5, maxLength: 5 }),
        arbitraryRequest,
        fc.nat(2_000),
        (links, request, now) => {
          let grant = all;
          for (const restrictions of links) {
            const narrower = follow(grant, { capabilityId: "cap_x", restrictions });
            const isGranted = authorize(narrower, request, now).decision === "granted";
            if (isGranted && authorize(grant, request, now).decision !== "granted")
              throw new Error(`${JSON.stringify(narrower.links)} allows more than without its last link.`);
            chains += 1;
            if (isGranted) granted += 1;
            grant = narrower;
          }
        },
      ),
      { numRuns: 20_000 },
    );
    expect(chains).toBe(100_000);
    // Of chains that allow nothing nobody would learn anything.
    expect(granted).toBeGreaterThan(5_000);
  }, 120_000);
});

describe("a revocation", () => {
  test("takes the link and all that came of it, here at once, and nothing beside", async () => {
    const { capabilities, owner, verify, revoke } = await startProcess();
    const middle = capabilities.attenuate(owner.token, { maxUses: 10 });
    const sibling = capabilities.attenuate(owner.token, { maxUses: 11 });
    const last = capabilities.attenuate(middle.token, { maxUses: 5 });
    const all = [owner, middle, sibling, last].map(({ token }) => token);
    expect(all.map((token) => verify(token) !== undefined)).toEqual([true, true, true, true]);
    await revoke(middle.capabilityId);
    expect(all.map((token) => verify(token) !== undefined)).toEqual([true, false, true, false]);
    // What is narrowed from it afterwards is none either.
    expect(verify(capabilities.attenuate(last.token, {}).token)).toBeUndefined();
  });

  test("of another tenant's link does nothing here", async () => {
    const { ctx, log, capabilities, owner, verify } = await startProcess();
    const record = capabilities.revocation("other", owner.capabilityId, null);
    if (record === undefined) throw new Error("There are too many revocations.");
    await log.append(ctx, { records: [record] });
    expect(verify(owner.token)).toBeDefined();
  });

  test("reaches another process within a second without a bus, and with a word at once; one that starts later knows it", async () => {
    const time = simulateTime();
    const store = shared();
    const [here, there] = [await startProcess(store, time), await startProcess(store, time)];
    const [one, two] = [1, 2].map((maxUses) => here.capabilities.attenuate(here.owner.token, { maxUses })) as [
      { token: string; capabilityId: string },
      { token: string; capabilityId: string },
    ];
    expect([there.verify(one.token), there.verify(two.token)].every((grant) => grant !== undefined)).toBe(true);
    await here.revoke(one.capabilityId);
    await time.advance(1_000);
    expect(there.verify(one.token)).toBeUndefined();
    await here.revoke(two.capabilityId);
    there.log.wake();
    await time.advance(0);
    expect(there.verify(two.token)).toBeUndefined();
    const later = await startProcess(store, time);
    expect([later.verify(one.token), later.verify(two.token)]).toEqual([undefined, undefined]);
    expect(later.verify(here.owner.token)).toBeDefined();
  });

  test("is not known to be all there are once the database could not be read for 30 seconds, and is again when it can", async () => {
    const time = simulateTime();
    const there = shared();
    let isAway = false;
    const store: Store = {
      ...there,
      readChanges: async (...asked) => {
        if (isAway) throw new ViableError(storeUnavailable, "It is away.", { retryable: true });
        return await there.readChanges(...asked);
      },
    };
    const { capabilities } = await startProcess(store, time);
    await time.advance(60_000);
    expect(capabilities.isFresh()).toBe(true);
    isAway = true;
    await time.advance(20_000);
    expect(capabilities.isFresh()).toBe(true);
    await time.advance(15_000);
    expect(capabilities.isFresh()).toBe(false);
    isAway = false;
    await time.advance(2_000);
    expect(capabilities.isFresh()).toBe(true);
  });
});

describe("uses", () => {
  test("of 100 at once on a capability for one, one is had", async () => {
    const { ctx, capabilities, owner, verify, uses } = await startProcess();
    const grant = verify(capabilities.attenuate(owner.token, { maxUses: 1 }).token) as Grant;
    const taken = await Promise.all(Array.from({ length: 100 }, () => uses.take(ctx, grant)));
    expect(taken.filter(({ ok }) => ok)).toHaveLength(1);
    expect(taken.filter((each) => !each.ok && each.reason === "used_up")).toHaveLength(99);
  });

  test("are counted over processes: of 100 at once in two of them on a capability for seven, seven are had", async () => {
    const time = simulateTime();
    const store = shared();
    const processes = [await startProcess(store, time), await startProcess(store, time)];
    const [first] = processes as [Awaited<ReturnType<typeof startProcess>>];
    const { token } = first.capabilities.attenuate(first.owner.token, { maxUses: 7 });
    const taken = await Promise.all(
      Array.from({ length: 100 }, (_, n) => {
        const each = processes[n % 2] as Awaited<ReturnType<typeof startProcess>>;
        return each.uses.take(each.ctx, each.verify(token) as Grant);
      }),
    );
    expect(taken.filter(({ ok }) => ok)).toHaveLength(7);
    expect(taken.filter((each) => !each.ok && each.reason === "used_up")).toHaveLength(93);
  });

  test("of whatever was narrowed from it count on it, too, and all or none are taken", async () => {
    const { ctx, capabilities, owner, verify, uses } = await startProcess();
    const three = capabilities.attenuate(owner.token, { maxUses: 3 });
    const [a, b] = [{ maxUses: 2 }, { maxUses: 2, maxConcurrent: 1 }].map(
      (to) => verify(capabilities.attenuate(three.token, to).token) as Grant,
    ) as [Grant, Grant];
    const outcomes: string[] = [];
    for (const grant of [a, a, a, b, b]) {
      const taken = await uses.take(ctx, grant);
      outcomes.push(taken.ok ? "had" : taken.reason);
    }
    // Of a's two and the three in all, b has one left; a's third try took none of the three.
    expect(outcomes).toEqual(["had", "had", "used_up", "had", "used_up"]);
  });

  test("that came to nothing are given back", async () => {
    const { ctx, capabilities, owner, verify, uses } = await startProcess();
    const grant = verify(capabilities.attenuate(owner.token, { maxUses: 1 }).token) as Grant;
    const taken = await uses.take(ctx, grant);
    expect((await uses.take(ctx, grant)).ok).toBe(false);
    if (!taken.ok) throw new Error("It was not had.");
    await taken.giveBack();
    expect((await uses.take(ctx, grant)).ok).toBe(true);
    expect((await uses.take(ctx, grant)).ok).toBe(false);
  });

  test("are counted for as long as the link holds, not what was narrowed from it", async () => {
    const { time, ctx, capabilities, owner, verify, uses } = await startProcess();
    const one = capabilities.attenuate(owner.token, { maxUses: 1 });
    const short = capabilities.attenuate(one.token, { expiresAt: Math.floor(time.now()) + 1_000 });
    expect((await uses.take(ctx, verify(short.token) as Grant)).ok).toBe(true);
    await time.advance(30 * 24 * 3_600_000);
    expect((await uses.take(ctx, verify(one.token) as Grant)).ok).toBe(false);
  });

  test("of what has no number of them cost nothing", async () => {
    const { ctx, log, owner, verify, uses } = await startProcess();
    const before = log.stats().flushes;
    expect((await uses.take(ctx, verify(owner.token) as Grant)).ok).toBe(true);
    expect(log.stats().flushes).toBe(before);
  });
});
