// Reactions: every event at least once, in order, in one process at a time, and none again that was written down as done.
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, sleep, ViableError } from "@viable/kernel";
import { expect, test } from "vitest";
import { createLog } from "./create-log.ts";
import type { StoredEvent } from "./events.ts";
import { createMemoryStore } from "./memory-store.ts";
import { createProjections } from "./projections.ts";
import type { ReactionSettings } from "./reaction.ts";
import { reaction } from "./reaction.ts";
import type { Store } from "./store.ts";
import { storeUnavailable } from "./store.ts";

const unavailable = () => new ViableError(storeUnavailable, "away", { retryable: true });

function setup() {
  const clock = simulateTime();
  const shared = { ...createMemoryStore(), exclusive: false };
  let seed = 0;
  const startProcess = async (settings: Partial<ReactionSettings> & Pick<ReactionSettings, "react">) => {
    let isCutOff = false;
    const store: Store = {
      ...shared,
      commit: (...args) => (isCutOff ? Promise.reject(unavailable()) : shared.commit(...args)),
    };
    const runtime = createRuntime({ clock, random: seededRandom(++seed) });
    const ctx = rootContext(runtime);
    const log = createLog(store, runtime);
    await log.start(ctx);
    const projections = createProjections(log, [reaction({ name: "mail", filter: { types: ["paid"] }, ...settings })]);
    await projections.start(ctx);
    return {
      ctx,
      log,
      projections,
      /** The database does not answer this process any more, until the returned function is called. */
      cutOff: () => {
        isCutOff = true;
        return () => {
          isCutOff = false;
        };
      },
      pay: (...amounts: number[]) => {
        const events = amounts.map((amount) => ({ type: "paid", data: { amount } }));
        return log.append(ctx, { streams: [{ stream: "payments", expected: "any", events }] });
      },
      stop: async () => {
        await passing(clock, projections.stop(ctx));
        await passing(clock, log.stop(ctx));
      },
    };
  };
  return { clock, startProcess };
}

async function passing(clock: SimulatedTime, promise: Promise<void>): Promise<void> {
  let done = false;
  void promise.finally(() => {
    done = true;
  });
  for (let steps = 0; !done && steps < 10_000; steps++) await clock.advance(10);
  await promise;
}

const amountOf = ({ data }: StoredEvent): number => Number(data.amount);

test("begins with what comes, or with the first event where it is told to", async () => {
  const { clock, startProcess } = setup();
  const payer = await startProcess({ name: "nobody", react: async () => {} });
  await payer.pay(1, 2);
  const sent: number[] = [];
  const fromStart: number[] = [];
  await startProcess({ react: async (event) => void sent.push(amountOf(event)) });
  await startProcess({ name: "all", begins: "start", react: async (event) => void fromStart.push(amountOf(event)) });
  await clock.advance(100);
  await payer.pay(3);
  await clock.advance(5_000);
  expect(sent).toEqual([3]);
  expect(fromStart).toEqual([1, 2, 3]);
});

test("what one process has done the next does not do again; what it was cut off in, it does", async () => {
  const { clock, startProcess } = setup();
  const sent: string[] = [];
  const one = await startProcess({ react: async (event) => void sent.push(`one ${amountOf(event)}`) });
  await clock.advance(100);
  await one.pay(1, 2);
  await clock.advance(100);
  await one.stop();
  const two = await startProcess({
    react: async (event, ctx) => {
      sent.push(`two ${amountOf(event)}`);
      if (amountOf(event) === 4) await new Promise((_, reject) => ctx.signal.addEventListener("abort", reject));
    },
  });
  await clock.advance(100);
  await two.pay(3, 4, 5);
  await clock.advance(100);
  await two.stop();
  await startProcess({ react: async (event) => void sent.push(`three ${amountOf(event)}`) });
  await clock.advance(100);
  const order = sent.map((text) => Number(text.split(" ")[1]));
  expect(sent.slice(0, 4)).toEqual(["one 1", "one 2", "two 3", "two 4"]);
  expect(sent).toContain("three 4");
  expect(sent.filter((text) => text.endsWith(" 5"))).toEqual(["three 5"]);
  expect(order.filter((amount, index) => order.indexOf(amount) === index)).toEqual([1, 2, 3, 4, 5]);
});

test("one that may pass is tried until it goes; one that does not parks it, with those before done once", async () => {
  const { clock, startProcess } = setup();
  const sent: number[] = [];
  let away = 3;
  const one = await startProcess({
    react: async (event) => {
      if (amountOf(event) === 2 && away-- > 0) throw new ViableError("mail.away", "away", { retryable: true });
      if (amountOf(event) === 4) throw new Error("no such address");
      sent.push(amountOf(event));
    },
  });
  await clock.advance(100);
  await one.pay(1, 2, 3, 4, 5);
  await clock.advance(20_000);
  expect(sent).toEqual([1, 2, 3]);
  const [status] = await one.projections.status(one.ctx);
  expect(status).toMatchObject({ name: "mail", parked: { message: "no such address" } });
  await one.projections.skip(one.ctx, "mail", status?.parked?.position as string, "bounced");
  await clock.advance(5_000);
  expect(sent).toEqual([1, 2, 3, 5]);
});

test("one that takes long is done by one process alone, and written down within a second or so", async () => {
  const { clock, startProcess } = setup();
  const sent: number[] = [];
  const react: ReactionSettings["react"] = async (event, ctx) => {
    await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 300));
    sent.push(amountOf(event));
  };
  const one = await startProcess({ react });
  await clock.advance(100);
  await startProcess({ react });
  await one.pay(...Array.from({ length: 100 }, (_, nr) => nr));
  for (let steps = 0; steps < 400; steps++) await clock.advance(100);
  expect(sent).toEqual(Array.from({ length: 100 }, (_, nr) => nr));
  const slow = await startProcess({
    name: "slow",
    react: async (_event, ctx) => {
      await new Promise<void>((resolve) => void ctx.runtime.clock.setTimer(resolve, 25_000));
      sent.push(-1);
    },
  });
  await clock.advance(100);
  await startProcess({ name: "slow", react: async () => void sent.push(-2) });
  await slow.pay(7);
  for (let steps = 0; steps < 400; steps++) await clock.advance(100);
  expect(sent.filter((amount) => amount < 0)).toEqual([-1]);
});

test("an event that it cannot do is tried three times, whatever comes before or after it", async () => {
  for (const [first, last] of [
    [13, 500],
    [1, 13],
    [1, 500],
  ] as const) {
    const { clock, startProcess } = setup();
    let tries = 0;
    const one = await startProcess({
      react: async (event) => {
        if (amountOf(event) !== 13) return;
        tries += 1;
        throw new Error("no such address");
      },
    });
    await clock.advance(100);
    await one.pay(...Array.from({ length: last - first + 1 }, (_, nr) => first + nr));
    await clock.advance(30_000);
    expect(await one.projections.status(one.ctx)).toMatchObject([{ parked: { message: "no such address" } }]);
    expect(tries).toBe(3);
  }
});

test("one that is cut off from the database ends when another process may have taken over", async () => {
  const { clock, startProcess } = setup();
  const doing = new Set<string>();
  let together = 0;
  const react =
    (name: string): ReactionSettings["react"] =>
    async (_, ctx) => {
      doing.add(name);
      if (doing.size > 1) together += 1;
      await sleep(ctx, 60_000).finally(() => doing.delete(name));
    };
  const one = await startProcess({ react: react("one") });
  await clock.advance(100);
  const two = await startProcess({ react: react("two") });
  await two.pay(1);
  await clock.advance(3_500);
  expect([...doing]).toEqual(["one"]);
  one.cutOff();
  await clock.advance(20_000);
  expect([...doing]).toEqual(["two"]);
  expect(together).toBe(0);
});

test("an event whose reaction was ended because the database was away is done later, and parks nothing", async () => {
  const { clock, startProcess } = setup();
  let done = 0;
  const one = await startProcess({
    react: async (_, ctx) => {
      await sleep(ctx, 15_000);
      done += 1;
    },
  });
  await clock.advance(100);
  await one.pay(1);
  await clock.advance(1_000);
  const reconnect = one.cutOff();
  await clock.advance(10_000);
  reconnect();
  await clock.advance(40_000);
  const [status] = await one.projections.status(one.ctx);
  expect([done, status?.parked]).toEqual([1, undefined]);
});

test("a renewal that finds the log overloaded does not end what its lease still covers", async () => {
  const { clock, startProcess } = setup();
  let ended: unknown;
  let done = 0;
  const one = await startProcess({
    react: async (_, ctx) => {
      await sleep(ctx, 5_000).catch((error) => {
        ended = error;
        throw error;
      });
      done += 1;
    },
  });
  const { append } = one.log;
  await clock.advance(100);
  await one.pay(1);
  await clock.advance(1_000);
  one.log.append = async () => ({ ok: false, reason: "overloaded", waiting: 1, retryAfterMs: 1_000 });
  await clock.advance(3_500);
  one.log.append = append;
  await clock.advance(2_000);
  expect([ended, done]).toEqual([undefined, 1]);
});

test("what it has done is not done anew", async () => {
  const { startProcess } = setup();
  const one = await startProcess({ react: async () => {} });
  await expect(one.projections.rebuild(one.ctx, "mail")).rejects.toMatchObject({ code: "log.not_rebuildable" });
});
