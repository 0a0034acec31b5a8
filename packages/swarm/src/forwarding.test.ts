// Proves that nobody but a process of the system can have a task accepted, or say that it was (W4), and that what is late or for another is not.
import type { BusHandler } from "@viable/bus";
import { createMemoryBus, createMemoryHub, maxMessageChars, toSubjectToken } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, JsonObject } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { createTextSigner, openSystemKey } from "@viable/security";
import { describe, expect, test } from "vitest";
import type { AcceptedTask } from "./acceptance.ts";
import type { Forwarded } from "./forwarding.ts";
import { createForwarding } from "./forwarding.ts";
import { executionState } from "./testing/execution-state.ts";

const task: AcceptedTask = {
  executionId: "exe_1",
  eventId: "evt_1",
  data: executionState().accepted,
  session: "ses_1",
  correlation: "exe_0",
  causation: "exe_0",
};
const subject = `tasks.accept.${toSubjectToken("prc_b")}`;

async function start() {
  const time = simulateTime({ random: seededRandom(3) });
  const runtime = createRuntime({ clock: time, random: seededRandom(3) });
  const hub = createMemoryHub();
  const ctx = rootContext(runtime, { tenant: "acme", principal: "somebody" });
  const log = createLog(createMemoryStore(), runtime);
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isDone = false;
    const done = () => {
      isDone = true;
    };
    promise.then(done, done);
    await time.until(() => isDone, 60_000);
    return await promise;
  };
  await settled(log.start(ctx));
  const accepted: { readonly ctx: Context; readonly task: AcceptedTask }[] = [];
  const join = async (processId: string) => {
    const bus = createMemoryBus(runtime, { hub });
    await settled(bus.start(ctx));
    const forwarding = createForwarding({
      bus,
      log,
      membership: { processId } as Membership,
      async accept(taskCtx, given): Promise<Forwarded> {
        if (given.eventId === "evt_fails") throw new Error("It fails.");
        accepted.push({ ctx: taskCtx, task: given });
        return { kind: "accepted", position: "7", time: 5 };
      },
    });
    await settled(forwarding.start(ctx));
    return { bus, forwarding };
  };
  const { bus: foreign, forwarding } = await join("prc_a");
  const counted = foreign.stats().published;
  return {
    ctx,
    accepted,
    join,
    settled,
    forwarding,
    /** How many messages the asking process has sent. */
    messages: () => foreign.stats().published - counted,
    forward: (to = "prc_b", context = ctx) => settled(forwarding.forward(context, to, task)),
    sign: async (text: string, purpose = "tasks.accept/1") =>
      createTextSigner(await settled(openSystemKey(ctx, log)), purpose).sign(text),
    ask: (message: JsonObject) => settled(foreign.request(ctx, subject, message).catch((error) => error.code)),
    answerAs: (handler: BusHandler) => foreign.subscribe(subject, {}, handler),
  };
}

test("a task arrives as it was sent, in the name of whose it is, and its answer comes back", async () => {
  const { join, forward, accepted } = await start();
  await join("prc_b");
  expect(await forward()).toEqual({ kind: "accepted", position: "7", time: 5 });
  expect(accepted).toMatchObject([{ ctx: { tenant: "acme", principal: "somebody" }, task: { ...task } }]);
});

test("tasks that are forwarded in one turn of the loop travel in one message, and each has its own answer", async () => {
  const { join, forwarding, settled, ctx, accepted, messages } = await start();
  await join("prc_b");
  const many = Array.from({ length: 300 }, (_, nr) => ({ ...task, eventId: `evt_${nr}` }));
  const outcomes = await settled(Promise.all(many.map((each) => forwarding.forward(ctx, "prc_b", each))));
  expect(outcomes.map(({ kind }) => kind)).toEqual(many.map(() => "accepted"));
  expect(accepted.map(({ task: { eventId } }) => eventId)).toEqual(many.map(({ eventId }) => eventId));
  // 256 fit one.
  expect(messages()).toBe(2);
});

test("what fails at one task says nothing of the others of its message", async () => {
  const { join, forwarding, settled, ctx } = await start();
  await join("prc_b");
  const ids = ["evt_1", "evt_fails", "evt_2"];
  const asked = ids.map((eventId) => forwarding.forward(ctx, "prc_b", { ...task, eventId }));
  expect((await settled(Promise.all(asked))).map(({ kind }) => kind)).toEqual(["accepted", "unanswered", "accepted"]);
});

test("one that is larger than the bus carries is not sent, and does not keep its neighbours from it", async () => {
  const { join, forwarding, settled, ctx } = await start();
  await join("prc_b");
  const large = { ...task, data: { ...task.data, args: "x".repeat(maxMessageChars) } };
  const asked = [task, large, task].map((each) => forwarding.forward(ctx, "prc_b", each));
  expect((await settled(Promise.all(asked))).map(({ kind }) => kind)).toEqual(["accepted", "unsent", "accepted"]);
});

describe("nothing is accepted", () => {
  const tasks = JSON.stringify([task]);
  test.each<[string, (sign: (text: string, purpose?: string) => Promise<string>) => Promise<JsonObject>]>([
    ["that is not signed", async () => ({ tasks })],
    ["that is signed with another key", async () => ({ tasks, signature: "AAAA" })],
    ["that is signed for something else", async (sign) => ({ tasks, signature: await sign(tasks, "log.written/1") })],
    ["that was changed on its way", async (sign) => ({ tasks: `${tasks} `, signature: await sign(tasks) })],
    ["that is no task", async () => ({ tasks: 3, signature: [] })],
  ])("%s", async (_what, message) => {
    const { join, ask, sign, accepted } = await start();
    await join("prc_b");
    await ask(await message(sign));
    expect(accepted).toEqual([]);
  });
});

describe("an answer is not believed", () => {
  const said = (about: unknown) => JSON.stringify([about, [{ kind: "accepted", position: "9" }]]);
  type Sign = (text: string) => Promise<string>;
  test.each<[string, (asked: JsonObject, sign: Sign) => Promise<JsonObject | string>]>([
    ["that is not signed", async ({ signature }) => ({ outcomes: said(signature) })],
    [
      "whose signature is another's",
      async ({ signature }, sign) => ({ outcomes: said(signature), signature: await sign("else") }),
    ],
    ["about other tasks", async (_asked, sign) => ({ outcomes: said("abc"), signature: await sign(said("abc")) })],
    ["that is none", async () => "accepted"],
  ])("%s", async (_what, answer) => {
    const { answerAs, forward, sign } = await start();
    answerAs((_ctx, asked) => answer(asked, sign));
    expect(await forward()).toEqual({ kind: "unanswered" });
  });
});

test("who is not there is not waited for again", async () => {
  const { join, forward, accepted } = await start();
  expect(await forward()).toEqual({ kind: "unanswered" });
  await join("prc_b");
  expect(await forward()).toEqual({ kind: "unanswered" });
  expect(accepted).toEqual([]);
});

test("whoever has no time any more is told so, and the process counts as well", async () => {
  const { join, forward, ctx, answerAs } = await start();
  const stopAnswering = answerAs(() => new Promise(() => {}));
  const hurried = { ...ctx, deadline: ctx.runtime.clock.now() + 100 };
  await expect(forward("prc_b", hurried)).rejects.toMatchObject({ code: "context.deadline_exceeded" });
  stopAnswering();
  await join("prc_b");
  expect(await forward()).toMatchObject({ kind: "accepted" });
});
