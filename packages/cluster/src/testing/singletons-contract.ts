import type { Context } from "@viable/kernel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { SingletonOffer } from "../create-singletons.ts";
import { createSingletons } from "../create-singletons.ts";
import type { Holding } from "../part-keeper.ts";
import type { ContractProcess } from "./contract-processes.ts";
import { ContractProcesses, contractLeaseMs, longLeaseMs, patienceMs } from "./contract-processes.ts";
import type { MembershipWorld } from "./membership-contract.ts";

/** What singletons need of a log and its store, with the machine's own clock: run against every store. */
export function singletonsContract(name: string, makeWorld: () => Promise<MembershipWorld>): void {
  describe(`singletons contract: ${name}`, { timeout: 2 * patienceMs }, () => {
    let processes: ContractProcesses;
    let singleton: string;

    beforeEach(async () => {
      processes = new ContractProcesses(await makeWorld());
      singleton = `one-${processes.ctx.runtime.ids.next("prc")}`;
    });
    afterEach(() => processes.stop());

    const offerIn = async (process: ContractProcess) => {
      const singletons = createSingletons({ ...process, giveBackMs: 1_000 });
      processes.stopLater(singletons);
      await singletons.start(process.ctx);
      const holdings: Holding[] = [];
      let ends = 0;
      const start = (ctx: Context, holding: Holding) => {
        holdings.push(holding);
        return new Promise<void>((resolve) => {
          ctx.signal.addEventListener("abort", () => {
            ends += 1;
            resolve();
          });
        });
      };
      const offer = singletons.run(process.ctx, singleton, { start });
      return { ...process, singletons, offer, holdings, ends: () => ends };
    };
    type Worker = Awaited<ReturnType<typeof offerIn>>;
    const join = async (options?: { leaseMs?: number; wallOffsetMs?: number }) =>
      await offerIn(await processes.join(["orders"], options));
    const runs = ({ offer }: { readonly offer: SingletonOffer }) => offer.status().state === "running";
    const write = (worker: Worker) =>
      (worker.holdings.at(-1) as Holding).append(worker.ctx, {
        streams: [{ stream: `written/${singleton}`, expected: "any", events: [{ type: "written", data: {} }] }],
      });

    test("of many that offer it at the same moment one runs, and the others know who", async () => {
      const joined = await Promise.all(
        Array.from({ length: 5 }, () => processes.join(["orders"], { leaseMs: longLeaseMs })),
      );
      const workers = await Promise.all(joined.map(offerIn));
      await processes.until(() => workers.filter(runs).length === 1);
      const [holder] = workers.filter(runs) as [Worker];
      const { processId, epoch } = holder.membership;
      await processes.until(() => workers.every(({ offer }) => offer.status().holder?.token === 1));
      for (const { offer } of workers) expect(offer.status().holder).toEqual({ processId, epoch, token: 1 });
      expect(workers.flatMap(({ holdings }) => holdings)).toHaveLength(1);
    });

    test("who stops hands over at once, and not because its lease has run out", async () => {
      const [one, two] = [await join({ leaseMs: longLeaseMs }), await join({ leaseMs: longLeaseMs })];
      await processes.until(() => runs(one));
      await one.singletons.stop(one.ctx);
      await processes.until(() => runs(two));
      expect(two.holdings[0]?.token).toBeGreaterThan(one.holdings[0]?.token as number);
    });

    test("a holder that is paused past its lease is followed, and its guarded write is refused", async () => {
      const [one, two] = [await join(), await join()];
      await processes.until(() => runs(one));
      expect(await write(one)).toMatchObject({ ok: true, versions: [1] });
      one.clock.paused = true;
      await processes.until(() => runs(two));
      expect(await write(two)).toMatchObject({ ok: true, versions: [2] });
      expect(await write(one)).toMatchObject({ ok: false, reason: "superseded" });
      await one.clock.resume();
      await processes.until(() => one.ends() === 1);
      expect(await write(two)).toMatchObject({ ok: true, versions: [3] });
      expect(one.holdings).toHaveLength(1);
    });

    test("a holder that is cut off from the log is told to end, and is followed", async () => {
      const [one, two] = [await join(), await join()];
      await processes.until(() => runs(one));
      one.link.up = false;
      await processes.until(() => one.ends() === 1);
      await processes.until(() => runs(two));
      one.link.up = true;
      expect(await write(one)).toMatchObject({ ok: false, reason: "superseded" });
      await processes.until(() => one.membership.canClaim && one.offer.status().state === "waiting");
      expect(await write(two)).toMatchObject({ ok: true });
    });

    test("wall clocks of which one is ten minutes off change nothing", async () => {
      const workers = [await join({ wallOffsetMs: 600_000 }), await join({ wallOffsetMs: -600_000 })];
      await processes.until(() => workers.some(runs));
      await processes.pass(2 * contractLeaseMs);
      await processes.until(() => workers.filter(runs).length === 1);
      const holder = workers.find(runs) as Worker;
      const other = workers.find((worker) => worker !== holder) as Worker;
      for (const { clock } of workers) clock.wallOffsetMs *= -1;
      holder.clock.paused = true;
      await processes.until(() => runs(other));
      expect(await write(holder)).toMatchObject({ ok: false, reason: "superseded" });
      expect(await write(other)).toMatchObject({ ok: true });
    });

    test("through stops, pauses and joins tokens only grow, one runs, and every write is by the last holder", async () => {
      const workers = [await join(), await join(), await join()];
      const tokens: number[] = [];
      const isHolder = (worker: Worker) => runs(worker) && !worker.clock.paused;
      for (const fault of ["stop", "pause", "stop", "pause"]) {
        await processes.until(() => workers.some(isHolder));
        const holder = workers.find((worker) => runs(worker) && !worker.clock.paused) as Worker;
        const { token } = holder.holdings.at(-1) as Holding;
        if ((await write(holder)).ok) tokens.push(token);
        if (fault === "stop") await holder.singletons.stop(holder.ctx);
        else holder.clock.paused = true;
        workers.push(await join());
      }
      expect(tokens.length).toBeGreaterThan(1);
      expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
      await processes.until(() => workers.some(isHolder));
      // Of those that are paused each believes that it runs.
      for (const worker of workers.filter(({ clock }) => clock.paused)) {
        expect(await write(worker)).toMatchObject({ ok: false, reason: "superseded" });
      }
    });
  });
}
