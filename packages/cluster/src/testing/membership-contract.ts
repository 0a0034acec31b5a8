import type { Context } from "@viable/kernel";
import { createRuntime, rootContext, waitFor, withContext } from "@viable/kernel";
import type { Log } from "@viable/log";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { JoinClusterOptions } from "../join-cluster.ts";
import { joinCluster } from "../join-cluster.ts";
import { epochKey, leaseKey, leasePrefix } from "../lease.ts";
import type { Loss, Membership } from "../membership.ts";
import { cutWhereDown } from "./cut-log.ts";

/** What a contract run is given: the same database, opened by as many processes as it asks for. */
export interface MembershipWorld {
  /** Opens the log as one more process does. Not started. */
  makeLog(): Log;
  close(): Promise<void>;
}

/** Short, so that leases run out within a test, and long against a flush. */
const leaseMs = 1_200;
/** Within this time anything that happens at all has happened, in milliseconds. */
const patienceMs = 15_000;
const timeoutMs = 2 * patienceMs;

/** What a membership needs of a log and its store, with the machine's own clock: run against every store. */
export function membershipContract(name: string, makeWorld: () => Promise<MembershipWorld>): void {
  describe(`membership contract: ${name}`, { timeout: timeoutMs }, () => {
    const runtime = createRuntime();
    let world: MembershipWorld;
    let ctx: Context;
    let started: { stop(ctx: Context): Promise<void> }[];

    beforeEach(async () => {
      world = await makeWorld();
      ctx = rootContext(runtime);
      started = [];
    });
    afterEach(async () => {
      for (const part of started.reverse()) await part.stop(ctx);
      await world.close();
    });

    const until = async (done: () => boolean): Promise<void> => {
      const from = runtime.clock.monotonicMs();
      while (!done()) {
        if (runtime.clock.monotonicMs() - from > patienceMs) throw new Error("Not reached in time.");
        await new Promise<void>((resolve) => runtime.clock.setTimer(resolve, 10));
      }
    };
    const makeProcess = async (options: Partial<JoinClusterOptions> = {}) => {
      const log = world.makeLog();
      await log.start(ctx);
      started.push(log);
      const link = { up: true };
      const membership = joinCluster({ log: cutWhereDown(log, link), runtime, hosts: ["orders"], leaseMs, ...options });
      started.push(membership);
      return { log, membership, link };
    };
    const join = async (options: Partial<JoinClusterOptions> = {}) => {
      const joined = await makeProcess(options);
      await joined.membership.start(ctx);
      return joined;
    };
    const ids = (membership: Membership) => membership.members().map(({ id }) => id);

    test("processes see each other, with what they host and where they are", async () => {
      // Longer than a busy machine can keep a process from renewing: nothing runs out here.
      const long = { leaseMs: timeoutMs };
      const one = await join({ hosts: ["orders", "billing"], address: "http://one", ...long });
      const two = await join(long);
      await until(() => one.membership.members().length === 2);
      expect(two.membership.members()).toEqual(
        [
          {
            id: one.membership.processId,
            epoch: one.membership.epoch,
            hosts: ["orders", "billing"],
            address: "http://one",
            state: "member",
          },
          {
            id: two.membership.processId,
            epoch: two.membership.epoch,
            hosts: ["orders"],
            address: undefined,
            state: "member",
          },
        ].sort((a, b) => (a.id < b.id ? -1 : 1)),
      );
      expect(two.membership.epoch).toBeGreaterThan(one.membership.epoch);
      expect(one.membership.isGone(two.membership.processId, two.membership.epoch)).toBe(false);
      expect(two.membership.isGone(one.membership.processId, one.membership.epoch)).toBe(false);
    });

    test("an epoch is never given twice, however many join at once", async () => {
      const processes = await Promise.all(Array.from({ length: 6 }, () => makeProcess()));
      await Promise.all(processes.map(({ membership }) => membership.start(ctx)));
      const epochs = processes.map(({ membership }) => membership.epoch);
      expect(new Set(epochs).size).toBe(6);
      const counter = await processes[0]?.log.getRecord(ctx, epochKey);
      expect(counter?.value).toEqual({ epoch: Math.max(...epochs) });
      await until(() => processes.every(({ membership }) => membership.members().length === 6));
    });

    test("leases are renewed: processes that live stay members over many leases", async () => {
      const losses: Loss[] = [];
      const onLost = (loss: Loss) => losses.push(loss);
      const [one, two] = [await join({ onLost }), await join({ onLost })];
      const { epoch } = two.membership;
      const from = runtime.clock.monotonicMs();
      await until(() => runtime.clock.monotonicMs() - from > 3 * leaseMs);
      expect(losses).toEqual([]);
      expect(one.membership.isGone(two.membership.processId, epoch)).toBe(false);
      expect(two.membership).toMatchObject({ state: "member", epoch, canClaim: true });
    });

    test("a process that stops is gone for the others, and its lease is deleted", async () => {
      const [one, two] = [await join(), await join()];
      const gone: unknown[] = [];
      one.membership.onGone((life) => gone.push(life));
      const { processId, epoch } = two.membership;
      await until(() => ids(one.membership).includes(processId));
      await two.membership.stop(ctx);
      expect(two.membership).toMatchObject({ state: "left", canClaim: false });
      expect(await one.log.getRecord(ctx, leaseKey(processId))).toBeUndefined();
      await until(() => one.membership.isGone(processId, epoch));
      await until(() => gone.length > 0);
      expect(gone).toEqual([{ id: processId, epoch }]);
      expect(ids(one.membership)).toEqual([one.membership.processId]);
    });

    test("a process cut off from the log loses its lease, is gone for the others, and comes back as a new life", async () => {
      const losses: Loss[] = [];
      const one = await join();
      const two = await join({ onLost: (loss) => losses.push(loss) });
      const { processId, epoch } = two.membership;
      two.link.up = false;
      await until(() => losses.length === 1);
      expect(losses).toEqual([{ epoch, reason: "expired" }]);
      expect(two.membership).toMatchObject({ state: "lost", canClaim: false });
      await until(() => one.membership.isGone(processId, epoch));
      expect(ids(one.membership)).toEqual([one.membership.processId]);

      two.link.up = true;
      await until(() => two.membership.canClaim);
      expect(two.membership.epoch).toBeGreaterThan(epoch);
      await until(() => ids(one.membership).includes(processId));
      expect(one.membership.isGone(processId, epoch)).toBe(true);
      expect(one.membership.isGone(processId, two.membership.epoch)).toBe(false);
    });

    test("a process whose lease was deleted finds out, though it was never cut off", async () => {
      const losses: Loss[] = [];
      const one = await join({ onLost: (loss) => losses.push(loss) });
      const { processId, epoch } = one.membership;
      await one.log.append(ctx, { records: [{ key: leaseKey(processId), value: null, expected: "any" }] });
      await until(() => losses.length === 1 && one.membership.canClaim);
      expect(losses).toEqual([{ epoch, reason: "taken" }]);
      expect(one.membership.epoch).toBeGreaterThan(epoch);
    });

    test("a process nobody has heard of counts as gone, one that joined since the last look does not", async () => {
      const one = await join();
      expect(one.membership.isGone("prc_nobody", 1)).toBe(true);
      const two = await join();
      expect(one.membership.isGone(two.membership.processId, two.membership.epoch)).toBe(false);
      await until(() => ids(one.membership).includes(two.membership.processId));
    });

    test("a process that came and went before anybody looked is gone", async () => {
      const [one, two] = [await join(), await join()];
      const { processId, epoch } = two.membership;
      await two.membership.stop(ctx);
      await until(() => one.membership.isGone(processId, epoch));
    });

    test("an exclusive process finds all others gone at once, and their leases deleted", async () => {
      const left = [await join({ leaseMs: 60_000 }), await join({ leaseMs: 60_000 })];
      const gone: unknown[] = [];
      const { membership, log } = await makeProcess({ exclusive: true });
      membership.onGone((life) => gone.push(life));
      await membership.start(ctx);
      expect(left.map(({ membership: { processId, epoch } }) => membership.isGone(processId, epoch))).toEqual([
        true,
        true,
      ]);
      await until(() => gone.length === 2);
      expect((await log.listRecords(ctx, leasePrefix)).records.map(({ key }) => key)).toEqual([
        leaseKey(membership.processId),
      ]);
      expect(ids(membership)).toEqual([membership.processId]);
    });

    test("a start without a database rejects, within its deadline, and holds nothing", async () => {
      const { membership, link, log } = await makeProcess();
      link.up = false;
      const bounded = withContext(ctx, { deadline: runtime.clock.now() + 300 });
      await expect(
        waitFor(withContext(ctx, { deadline: runtime.clock.now() + patienceMs }), membership.start(bounded)),
      ).rejects.toMatchObject({ code: "context.deadline_exceeded" });
      expect(membership).toMatchObject({ canClaim: false, epoch: 0 });
      expect(await log.getRecord(ctx, leaseKey(membership.processId))).toBeUndefined();
    });

    test("stop is safe twice and before the start", async () => {
      const { membership } = await makeProcess();
      await membership.stop(ctx);
      await membership.stop(ctx);
      await expect(membership.start(ctx)).rejects.toMatchObject({ code: "cluster.left" });
    });
  });
}
