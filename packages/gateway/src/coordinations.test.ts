/** Coordinations on a log in memory, in simulated time: what a word comes to, that each is settled once, and that crashes leave none open. */
import type { Context, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import type { Confirmation } from "@viable/protocol";
import type { Grant } from "@viable/security";
import { describe, expect, test } from "vitest";
import { createCoordinations } from "./coordinations.ts";

const sessionId = "ses_00000000000000000000000001";
const grantOf = (tenant = "default", session: string | undefined = sessionId): Grant => ({
  tokenId: "cap_1",
  tenant,
  principal: "owner",
  clientType: "web",
  operations: ["read", "write"],
  sessionId: session,
  commandsPerHour: 1,
  maxConcurrent: undefined,
  expiresAt: null,
});

async function startProcess(store: Store = createMemoryStore(), time: SimulatedTime = simulateTime()) {
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime, { principal: "owner" });
  const log = createLog(store, runtime);
  await log.start(ctx);
  const coordinations = createCoordinations(log);
  await coordinations.start(ctx);
  const ask = async (requiredConfirmations: number, timeoutMs = 10_000) => {
    const by = { grant: grantOf(), client: "asking" };
    const asked = { operation: "deploy", requiredConfirmations, timeoutMs };
    return (await coordinations.request(ctx, sessionId, by, asked)).coordinationId;
  };
  const say = async (id: string, client: string, decision: Confirmation["decision"] = "approve", as: Context = ctx) => {
    const said = await coordinations.confirm(as, id, { grant: grantOf(as.tenant), client }, { decision });
    return said.ok ? said.view.status : said.reason;
  };
  const statusOf = async (id: string) => (await coordinations.find(ctx, grantOf(), id))?.status;
  return { time, ctx, log, coordinations, ask, say, statusOf };
}

describe("what is asked of the clients of a session", () => {
  test("may be when so many others have said yes, each once", async () => {
    const { ask, say, statusOf } = await startProcess();
    const id = await ask(2);
    expect([await say(id, "asking"), await say(id, "one"), await say(id, "one")]).toEqual(["own", "pending", "said"]);
    expect(await say(id, "two")).toBe("approved");
    expect([await say(id, "three"), await statusOf(id)]).toEqual(["settled", "approved"]);
  });

  test("may not be when one says no", async () => {
    const { ask, say, statusOf } = await startProcess();
    const id = await ask(3);
    expect([await say(id, "one"), await say(id, "two", "reject"), await statusOf(id)]).toEqual([
      "pending",
      "rejected",
      "rejected",
    ]);
  });

  test("may not be when its time is over, from that moment on", async () => {
    const { time, ask, say, statusOf } = await startProcess();
    const id = await ask(1, 5_000);
    await time.advance(4_999);
    expect(await statusOf(id)).toBe("pending");
    await time.advance(1);
    expect(await say(id, "one")).toBe("settled");
    await time.advance(1_000);
    expect(await statusOf(id)).toBe("timed_out");
  });

  test("is told to its session alone, and to nobody of another tenant", async () => {
    const { ctx, coordinations, ask, say } = await startProcess();
    const id = await ask(1);
    const other = rootContext(ctx.runtime, { tenant: "other", principal: "owner" });
    expect(await coordinations.find(other, grantOf("other", undefined), id)).toBeUndefined();
    expect(await say(id, "one", "approve", other)).toBe("unknown");
    const otherSession = grantOf("default", "ses_00000000000000000000000002");
    expect(await coordinations.find(ctx, otherSession, id)).toBeUndefined();
    expect(await coordinations.find(ctx, grantOf("default", undefined), id)).toBeDefined();
    for (const none of ["apr_00000000000000000000000000", "apr_x", "exe_00000000000000000000000000", "../x", ""])
      expect(await coordinations.find(ctx, grantOf(), none)).toBeUndefined();
  });

  test("is settled once, of a hundred words at once in two processes", async () => {
    const store: Store = { ...createMemoryStore(), exclusive: false };
    const time = simulateTime();
    const [one, two] = [await startProcess(store, time), await startProcess(store, time)];
    const id = await one.ask(40);
    const said = await Promise.all(
      Array.from({ length: 100 }, (_, n) => (n % 2 === 0 ? one : two).say(id, `client-${n}`)),
    );
    expect(said.filter((each) => each === "pending")).toHaveLength(39);
    expect(said.filter((each) => each === "approved")).toHaveLength(1);
    expect(said.filter((each) => each === "settled")).toHaveLength(60);
    const settled = (await everyEvent(store)).filter(({ type }) => type === "coordination.settled");
    expect(settled.map(({ data }) => data)).toEqual([{ outcome: "approved" }]);
  });

  test("is timed out also where the process that was asked dies, and where none ran when its time was over", async () => {
    const store: Store = { ...createMemoryStore(), exclusive: false };
    const time = simulateTime();
    const first = await startProcess(store, time);
    const [soon, later] = [await first.ask(1, 5_000), await first.ask(1, 60_000)];
    // It dies: nothing of it goes on.
    await first.coordinations.stop(first.ctx);
    await time.advance(30_000);
    const next = await startProcess(store, time);
    await time.advance(1_000);
    expect([await next.statusOf(soon), await next.statusOf(later)]).toEqual(["timed_out", "pending"]);
    await time.advance(60_000);
    expect(await next.statusOf(later)).toBe("timed_out");
    const settled = (await everyEvent(store)).filter(({ type }) => type === "coordination.settled");
    expect(settled).toHaveLength(2);
  });
});
