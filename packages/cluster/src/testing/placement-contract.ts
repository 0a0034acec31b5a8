import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { PlacementOptions } from "../create-placement.ts";
import { createPlacement } from "../create-placement.ts";
import { partPrefix } from "../ownership.ts";
import type { Holding } from "../part-keeper.ts";
import type { ContractProcess } from "./contract-processes.ts";
import { ContractProcesses, contractLeaseMs, longLeaseMs, patienceMs } from "./contract-processes.ts";
import type { MembershipWorld } from "./membership-contract.ts";

const parts = [..."abcdefgh"];

/** What a placement needs of a log and its store, with the machine's own clock: run against every store. */
export function placementContract(name: string, makeWorld: () => Promise<MembershipWorld>): void {
  describe(`placement contract: ${name}`, { timeout: 2 * patienceMs }, () => {
    let processes: ContractProcesses;
    let service: string;

    beforeEach(async () => {
      processes = new ContractProcesses(await makeWorld());
      service = `svc-${processes.ctx.runtime.ids.next("prc")}`;
    });
    afterEach(() => processes.stop());

    const placeIn = async (process: ContractProcess, options: Partial<PlacementOptions> = {}) => {
      const placement = createPlacement({
        ...process,
        service,
        parts,
        onGained: () => {},
        onLost: () => {},
        settleMs: 500,
        ...options,
      });
      processes.stopLater(placement);
      await placement.start(process.ctx);
      return { ...process, placement };
    };
    type Worker = Awaited<ReturnType<typeof placeIn>>;
    const join = async (options?: { leaseMs?: number; wallOffsetMs?: number }) =>
      await placeIn(await processes.join([service], options));
    const owned = ({ placement }: Worker) => placement.owned().map(({ part }) => part);
    const counts = (workers: readonly Worker[]) => workers.map((worker) => owned(worker).length);
    /** Every part has one owner, as even as can be. */
    const isSpread = (workers: readonly Worker[]) => {
      const all = workers.flatMap(owned);
      const [most, least] = [Math.max(...counts(workers)), Math.min(...counts(workers))];
      return all.length === parts.length && new Set(all).size === parts.length && most - least <= 1;
    };
    const write = ({ ctx }: Worker, holding: Holding) =>
      holding.append(ctx, {
        streams: [{ stream: `${service}/${holding.part}`, expected: "any", events: [{ type: "written", data: {} }] }],
      });

    test("parts are spread over who starts together, and the records say so", async () => {
      const long = { leaseMs: longLeaseMs };
      const workers = await Promise.all([join(long), join(long), join(long)]);
      await processes.until(() => isSpread(workers));
      const [one] = workers;
      const { records } = await one.log.listRecords(one.ctx, partPrefix(service));
      const written = records.map(({ value }) => value as { part: string; processId: string; epoch: number });
      for (const { membership, placement } of workers) {
        for (const { part } of placement.owned()) {
          const { processId, epoch } = membership;
          expect(written.find((record) => record.part === part)).toMatchObject({ processId, epoch });
        }
      }
    });

    test("who joins is given its share by who has more, and who stops leaves its parts to the others at once", async () => {
      const workers = [await join({ leaseMs: longLeaseMs })];
      await processes.until(() => isSpread(workers));
      workers.push(await join({ leaseMs: longLeaseMs }));
      await processes.until(() => isSpread(workers));
      const [one, two] = workers as [Worker, Worker];
      const kept = owned(two);
      await one.placement.stop(one.ctx);
      await processes.until(() => isSpread([two]));
      expect(owned(two)).toEqual(expect.arrayContaining(kept));
    });

    test("the parts of who is paused past its lease are adopted, and what it then writes is refused", async () => {
      const [one, two] = [await join(), await join()];
      await processes.until(() => isSpread([one, two]));
      const had = one.placement.owned();
      for (const holding of had) expect(await write(one, holding)).toMatchObject({ ok: true, versions: [1] });
      one.clock.paused = true;
      await processes.until(() => isSpread([two]));
      for (const holding of two.placement.owned()) expect(await write(two, holding)).toMatchObject({ ok: true });
      for (const holding of had) {
        expect(await write(one, holding)).toMatchObject({ ok: false, reason: "superseded" });
      }
      await one.clock.resume();
      await processes.until(() => isSpread([one, two]));
    });

    test("who is cut off from the log has nothing any more before anybody has it, and its share when it is back", async () => {
      const [one, two] = [await join(), await join()];
      await processes.until(() => isSpread([one, two]));
      two.link.up = false;
      let both = 0;
      await processes.until(() => {
        both = Math.max(both, new Set(owned(one)).size + owned(two).length);
        return isSpread([one]);
      });
      expect(both).toBe(parts.length);
      two.link.up = true;
      await processes.until(() => isSpread([one, two]));
    });

    test("wall clocks of which one is ten minutes off change nothing", async () => {
      const workers = [await join({ wallOffsetMs: 600_000 }), await join({ wallOffsetMs: -600_000 })];
      await processes.until(() => isSpread(workers));
      await processes.pass(2 * contractLeaseMs);
      await processes.until(() => isSpread(workers));
      const [one, two] = workers as [Worker, Worker];
      one.clock.paused = true;
      await processes.until(() => isSpread([two]));
    });
  });
}
