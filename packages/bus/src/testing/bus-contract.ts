import type { Context, JsonObject, JsonValue, Runtime } from "@viable/kernel";
import { createRuntime, rootContext, ViableError, withContext } from "@viable/kernel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Bus, Present } from "../bus.ts";

/** What a contract run is given: buses of different processes that hear each other, and how to let go of them. */
export interface BusWorld {
  /** Makes another bus on the same broker. Not started. */
  connect(runtime: Runtime): Bus;
  /** Ends a bus as the death of its process would: it says nothing to anybody, and nothing reaches it. */
  kill(bus: Bus): Promise<void>;
  close(): Promise<void>;
}

/** Within this time anything that arrives at all has arrived, in milliseconds. */
const patienceMs = 5_000;
/** How long something is given to happen that must not. */
const quietMs = 50;

/**
 * What every bus must do, run against each of them. It holds a bus to what the port promises, over a transport that happens to
 * lose nothing: it cannot show what a bus does when messages are lost, and nothing may depend on that (W3).
 */
export function busContract(name: string, makeWorld: () => Promise<BusWorld>): void {
  describe(`bus contract: ${name}`, () => {
    const runtime = createRuntime();
    let world: BusWorld;
    let ctx: Context;
    let started: Bus[];

    const connect = async (): Promise<Bus> => {
      const bus = world.connect(runtime);
      started.push(bus);
      await bus.start(ctx);
      return bus;
    };
    const until = async (done: () => boolean): Promise<void> => {
      const from = runtime.clock.monotonicMs();
      while (!done()) {
        if (runtime.clock.monotonicMs() - from > patienceMs) throw new Error("Not reached in time.");
        await pause(5);
      }
    };
    const pause = (ms: number) => new Promise<void>((resolve) => runtime.clock.setTimer(resolve, ms));
    const soon = (ms = patienceMs): Context => withContext(ctx, { deadline: runtime.clock.now() + ms });
    /** Until a subscription of one bus is known to another, requests to it find nobody. */
    const untilAnswered = async (bus: Bus, subject: string, message: JsonObject = {}): Promise<JsonValue> => {
      for (const end = runtime.clock.monotonicMs() + patienceMs; ; ) {
        try {
          return await bus.request(soon(1_000), subject, message);
        } catch (error) {
          const notYet = error instanceof ViableError && error.code === "bus.no_responder";
          if (!notYet || runtime.clock.monotonicMs() > end) throw error;
          await pause(5);
        }
      }
    };

    /** A deadline travels as what is left of it: it is not earlier for that, and later by no more than anything takes. */
    const expectTravelled = (deadline: number | undefined, sent: number | undefined): void => {
      expect(deadline).toBeGreaterThanOrEqual(sent as number);
      expect(deadline).toBeLessThan((sent as number) + patienceMs);
    };

    beforeEach(async () => {
      world = await makeWorld();
      ctx = rootContext(runtime);
      started = [];
    });
    afterEach(async () => {
      // Handlers that never answer are not waited for.
      for (const bus of started) await bus.stop(soon(10));
      await world.close();
    });

    describe("publish", () => {
      test("reaches every subscription that matches, and no other", async () => {
        const bus = await connect();
        const heard: string[] = [];
        for (const pattern of ["a.b", "a.*", "a.>", ">", "a.c", "a.b.c", "*"]) {
          bus.subscribe(pattern, {}, (_ctx, _message, subject) => void heard.push(`${pattern} ${subject}`));
        }
        bus.publish(ctx, "a.b", {});
        await until(() => heard.length === 4);
        await pause(quietMs);
        expect(heard.sort()).toEqual(["> a.b", "a.* a.b", "a.> a.b", "a.b a.b"]);
      });

      test("never calls a handler inside itself", async () => {
        const bus = await connect();
        let inside = false;
        let calledInside: boolean | undefined;
        bus.subscribe("a", {}, () => {
          calledInside = inside;
        });
        inside = true;
        bus.publish(ctx, "a", {});
        inside = false;
        await until(() => calledInside !== undefined);
        expect(calledInside).toBe(false);
      });

      test("gives every receiver a copy: changing one, or the sender's, changes no other", async () => {
        const bus = await connect();
        const received: JsonObject[] = [];
        const spoil = (_ctx: Context, message: JsonObject) => {
          received.push(structuredClone(message) as JsonObject);
          (message.list as JsonValue[]).push("spoilt");
        };
        bus.subscribe("a", {}, spoil);
        bus.subscribe("a", {}, spoil);
        const message = { list: [1] };
        bus.publish(ctx, "a", message);
        message.list.push(2);
        await until(() => received.length === 2);
        expect(received).toEqual([{ list: [1] }, { list: [1] }]);
        expect(message.list).toEqual([1, 2]);
      });

      test("carries who speaks: tenant, principal, trace and deadline", async () => {
        const bus = await connect();
        const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        const deadline = runtime.clock.now() + 60_000;
        let heard: Context | undefined;
        bus.subscribe("a", {}, (handlerCtx) => {
          heard = handlerCtx;
        });
        bus.publish(withContext(ctx, { tenant: "acme", principal: "session:ses_1", traceparent, deadline }), "a", {});
        await until(() => heard !== undefined);
        expect(heard).toMatchObject({ tenant: "acme", principal: "session:ses_1", traceparent });
        expectTravelled(heard?.deadline, deadline);
      });

      test("does not learn of a handler's failure, and neither does the next handler", async () => {
        const bus = await connect();
        let heard = 0;
        bus.subscribe("a", {}, () => {
          throw new Error("broken handler");
        });
        bus.subscribe("a", {}, async () => {
          throw new Error("broken handler");
        });
        bus.subscribe("a", {}, () => {
          heard += 1;
        });
        bus.publish(ctx, "a", {});
        bus.publish(ctx, "a", {});
        await until(() => heard === 2 && bus.stats().handlerErrors === 4);
      });

      test("reaches subscriptions of another process", async () => {
        const [one, two] = [await connect(), await connect()];
        const heard: JsonObject[] = [];
        two.subscribe("a.*", {}, (_ctx, message) => {
          heard.push(message);
        });
        two.subscribe("ready", {}, () => true);
        await untilAnswered(one, "ready");
        one.publish(ctx, "a.b", { n: 1 });
        await until(() => heard.length === 1);
        expect(heard).toEqual([{ n: 1 }]);
      });

      test.each(["a b", "a..b", "a.*", ""])("refuses the subject %j", async (subject) => {
        const bus = await connect();
        expect(() => bus.publish(ctx, subject, {})).toThrow(expect.objectContaining({ code: "bus.invalid_subject" }));
      });

      test.each([
        ["a function", { f: () => 1 } as unknown as JsonObject],
        ["a date", { d: new Date() } as unknown as JsonObject],
        ["NaN", { n: Number.NaN }],
        ["more than fits", { text: "x".repeat(400_000) }],
      ])("refuses %s as a message", async (_what, message) => {
        const bus = await connect();
        expect(() => bus.publish(ctx, "a", message)).toThrow(expect.objectContaining({ code: "bus.invalid_message" }));
      });

      test("on a bus that does not run is dropped and counted", async () => {
        const bus = world.connect(runtime);
        bus.publish(ctx, "a", {});
        expect(bus.stats()).toMatchObject({ published: 0, dropped: 1 });
      });
    });

    describe("subscribe", () => {
      test("of a group, one member gets each message, over processes too; those outside the group get all", async () => {
        const [one, two] = [await connect(), await connect()];
        const heard = { first: 0, second: 0, third: 0, outside: 0 };
        one.subscribe("work", { group: "g" }, () => void heard.first++);
        one.subscribe("work", { group: "g" }, () => void heard.second++);
        two.subscribe("work", { group: "g" }, () => void heard.third++);
        two.subscribe("work", {}, () => void heard.outside++);
        two.subscribe("ready", {}, () => true);
        await untilAnswered(one, "ready");
        for (let number = 0; number < 60; number++) one.publish(ctx, "work", { number });
        await until(() => heard.outside === 60 && heard.first + heard.second + heard.third === 60);
        await pause(quietMs);
        expect(heard.first + heard.second + heard.third).toBe(60);
        expect(heard.first).toBeGreaterThan(0);
        expect(heard.second).toBeGreaterThan(0);
      });

      test("two groups each get every message", async () => {
        const bus = await connect();
        const heard = { a: 0, b: 0 };
        bus.subscribe("work", { group: "a" }, () => void heard.a++);
        bus.subscribe("work", { group: "b" }, () => void heard.b++);
        for (let number = 0; number < 10; number++) bus.publish(ctx, "work", { number });
        await until(() => heard.a === 10 && heard.b === 10);
      });

      test("a group belongs to its pattern: one of the same name on another pattern gets its own copy", async () => {
        const bus = await connect();
        const heard = { exact: 0, wildcard: 0, all: 0 };
        bus.subscribe("work.one", { group: "g" }, () => void heard.exact++);
        bus.subscribe("work.*", { group: "g" }, () => void heard.wildcard++);
        bus.subscribe("work.>", { group: "g" }, () => void heard.all++);
        for (let number = 0; number < 10; number++) bus.publish(ctx, "work.one", { number });
        await until(() => heard.exact === 10 && heard.wildcard === 10 && heard.all === 10);
      });

      test("ends when it is told to", async () => {
        const bus = await connect();
        let heard = 0;
        let other = 0;
        const unsubscribe = bus.subscribe("a", {}, () => void heard++);
        bus.subscribe("a", {}, () => void other++);
        unsubscribe();
        unsubscribe();
        bus.publish(ctx, "a", {});
        await until(() => other === 1);
        expect(heard).toBe(0);
        expect(bus.stats().subscriptions).toBe(1);
      });

      test.each(["is ended", "is stopped with its bus"])(
        "what waits for a subscription that %s is dropped",
        async (how) => {
          const bus = await connect();
          const gate = Promise.withResolvers<void>();
          const begun: JsonValue[] = [];
          const unsubscribe = bus.subscribe("a", { maxConcurrent: 1 }, async (_ctx, message) => {
            begun.push(message.number as number);
            await gate.promise;
          });
          for (let number = 0; number < 3; number++) bus.publish(ctx, "a", { number });
          await until(() => begun.length === 1);
          if (how === "is ended") unsubscribe();
          else await bus.stop(ctx);
          gate.resolve();
          await pause(quietMs);
          expect(begun).toEqual([0]);
        },
      );

      test("drops the oldest where a receiver is too slow, counts it, and keeps to its bounds", async () => {
        const bus = await connect();
        const gate = Promise.withResolvers<void>();
        const begun: JsonValue[] = [];
        let underWay = 0;
        let most = 0;
        bus.subscribe("a", { maxWaiting: 3, maxConcurrent: 2 }, async (_ctx, message) => {
          begun.push(message.number as number);
          most = Math.max(most, ++underWay);
          await gate.promise;
          underWay -= 1;
        });
        bus.publish(ctx, "a", { number: 0 });
        bus.publish(ctx, "a", { number: 1 });
        await until(() => begun.length === 2);
        for (let number = 2; number < 10; number++) bus.publish(ctx, "a", { number });
        await until(() => bus.stats().dropped === 5);
        gate.resolve();
        await until(() => begun.length === 5);
        await pause(quietMs);
        expect(begun).toEqual([0, 1, 7, 8, 9]);
        expect(most).toBe(2);
      });

      test("may be made before the start, and takes effect with it", async () => {
        const bus = world.connect(runtime);
        started.push(bus);
        let heard = 0;
        bus.subscribe("a", {}, () => void heard++);
        const other = await connect();
        other.publish(ctx, "a", {});
        await pause(quietMs);
        expect(heard).toBe(0);
        await bus.start(ctx);
        bus.publish(ctx, "a", {});
        await until(() => heard === 1);
      });

      test("refuses a pattern that is none", async () => {
        const bus = await connect();
        for (const pattern of ["a.>.b", "a b", "", "a."]) {
          expect(() => bus.subscribe(pattern, {}, () => {})).toThrow(
            expect.objectContaining({ code: "bus.invalid_subject" }),
          );
        }
      });
    });

    describe("request", () => {
      test("resolves with the answer, from another process too", async () => {
        const [one, two] = [await connect(), await connect()];
        two.subscribe("double", { group: "g" }, async (_ctx, message) => ({ doubled: (message.n as number) * 2 }));
        expect(await untilAnswered(one, "double", { n: 21 })).toEqual({ doubled: 42 });
        expect(await two.request(ctx, "double", { n: 1 })).toEqual({ doubled: 2 });
      });

      test.each([[null], [0], [""], [false], [[1, 2]]])("any JSON value is an answer: %j", async (value) => {
        const bus = await connect();
        bus.subscribe("a", {}, () => value as JsonValue);
        expect(await bus.request(soon(), "a", {})).toEqual(value);
      });

      test("whoever returns nothing does not answer: a listener does not take the answer's place", async () => {
        const bus = await connect();
        let heard = 0;
        bus.subscribe(">", {}, () => void heard++);
        bus.subscribe("a", {}, async () => {
          await pause(20);
          return "answer";
        });
        expect(await bus.request(soon(), "a", {})).toBe("answer");
        await until(() => heard === 1);
      });

      test("rejects at once with bus.no_responder where nobody listens", async () => {
        const bus = await connect();
        const from = runtime.clock.monotonicMs();
        await expect(bus.request(soon(60_000), "nobody", {})).rejects.toMatchObject({
          code: "bus.no_responder",
          retryable: true,
        });
        expect(runtime.clock.monotonicMs() - from).toBeLessThan(patienceMs);
      });

      test("rejects with the handler's error: code, advice, details and cause", async () => {
        const bus = await connect();
        bus.subscribe("a", {}, () => {
          throw new ViableError("shop.sold_out", "No more.", {
            next: "Come tomorrow.",
            retryable: true,
            details: { left: 0 },
            cause: new Error("truck broke down"),
          });
        });
        await expect(bus.request(soon(), "a", {})).rejects.toMatchObject({
          name: "ViableError",
          code: "shop.sold_out",
          message: "No more.",
          next: "Come tomorrow.",
          retryable: true,
          details: { left: 0 },
          cause: { message: "truck broke down" },
        });
      });

      test("an answer that is not JSON is the answerer's error, and reaches the asker", async () => {
        const bus = await connect();
        bus.subscribe("a", {}, () => ({ when: new Date() }) as unknown as JsonValue);
        await expect(bus.request(soon(), "a", {})).rejects.toMatchObject({ code: "bus.invalid_message" });
      });

      test("rejects by the context's deadline, and tells the handler of it", async () => {
        const bus = await connect();
        let handlers: Context | undefined;
        bus.subscribe("a", {}, (handlerCtx) => {
          handlers = handlerCtx;
          return new Promise<JsonValue>(() => {});
        });
        const bounded = soon(100);
        await expect(bus.request(bounded, "a", {})).rejects.toMatchObject({ code: "context.deadline_exceeded" });
        expectTravelled(handlers?.deadline, bounded.deadline);
      });

      test("rejects when the asker goes away", async () => {
        const bus = await connect();
        const controller = new AbortController();
        let asked = false;
        bus.subscribe("a", {}, () => {
          asked = true;
          return new Promise<JsonValue>(() => {});
        });
        const answer = bus.request(withContext(ctx, { signal: controller.signal }), "a", {});
        const outcome = expect(answer).rejects.toMatchObject({ code: "context.cancelled" });
        await until(() => asked);
        controller.abort();
        await outcome;
      });

      test("rejects with bus.closed when the bus stops, or does not run", async () => {
        const bus = await connect();
        let asked = false;
        bus.subscribe("a", {}, () => {
          asked = true;
          return new Promise<JsonValue>(() => {});
        });
        const outcome = expect(bus.request(soon(60_000), "a", {})).rejects.toMatchObject({ code: "bus.closed" });
        await until(() => asked);
        await bus.stop(soon(10));
        await outcome;
        await expect(bus.request(soon(), "a", {})).rejects.toMatchObject({ code: "bus.closed" });
      });

      test("many at once each get their own answer", async () => {
        const bus = await connect();
        bus.subscribe("echo", { maxConcurrent: 4 }, async (_ctx, message) => {
          await pause(1);
          return message;
        });
        const answers = await Promise.all(
          Array.from({ length: 200 }, (_, number) => bus.request(soon(), "echo", { number })),
        );
        expect(answers).toEqual(Array.from({ length: 200 }, (_, number) => ({ number })));
      });
    });

    describe("request, where others fail", () => {
      test("a handler slower than its requester's deadline answers nobody, and no later request", async () => {
        const [one, two] = [await connect(), await connect()];
        const gate = Promise.withResolvers<void>();
        two.subscribe("slow", { maxConcurrent: 1 }, async (_ctx, message) => {
          if (message.number === 0) await gate.promise;
          return message;
        });
        two.subscribe("ready", {}, () => true);
        await untilAnswered(one, "ready");
        await expect(one.request(soon(100), "slow", { number: 0 })).rejects.toMatchObject({
          code: "context.deadline_exceeded",
        });
        const later = [1, 2, 3].map((number) => one.request(soon(), "slow", { number }));
        gate.resolve();
        expect(await Promise.all(later)).toEqual([{ number: 1 }, { number: 2 }, { number: 3 }]);
      });

      test("a member of a group dies under load: every request ends, none wrongly, and the others answer from then on", async () => {
        const [one, two, three] = [await connect(), await connect(), await connect()];
        const answered = { two: 0, three: 0 };
        const work = (name: "two" | "three") => async (_ctx: Context, message: JsonObject) => {
          answered[name] += 1;
          await pause(1);
          return { number: message.number as number, by: name };
        };
        two.subscribe("work", { group: "g" }, work("two"));
        three.subscribe("work", { group: "g" }, work("three"));
        two.subscribe("ready.two", {}, () => true);
        three.subscribe("ready.three", {}, () => true);
        await untilAnswered(one, "ready.two");
        await untilAnswered(one, "ready.three");

        let asked = 0;
        let isDead = false;
        let inARow = 0;
        const wrong: unknown[] = [];
        const ask = async (): Promise<void> => {
          const number = asked++;
          // What died with a request cannot say so: its requester's deadline does.
          const ended = await one.request(soon(500), "work", { number }).catch((error: unknown) => error);
          if (ended instanceof ViableError) {
            inARow = 0;
            if (!mayHappen.has(ended.code)) wrong.push(ended);
            // As one who retries does.
            await pause(5);
          } else {
            const { number: got, by } = ended as { number: number; by: string };
            if (got !== number) wrong.push(ended);
            inARow = isDead && by === "two" ? inARow + 1 : 0;
          }
        };
        const mayHappen = new Set(["context.deadline_exceeded", "bus.no_responder", "bus.disconnected", "bus.closed"]);
        const callers = Array.from({ length: 16 }, async () => {
          while (inARow < 200) await ask();
        });
        await until(() => answered.two > 50 && answered.three > 50);
        await world.kill(three);
        isDead = true;
        await Promise.all(callers);
        expect(wrong).toEqual([]);
      });
    });

    describe("presence", () => {
      test("shows who announced themselves, to other processes too, until they leave", async () => {
        const [one, two] = [await connect(), await connect()];
        const leave = one.presence.announce(ctx, "worker", "w1", { load: 1 });
        two.presence.announce(ctx, "worker", "w2", {});
        two.presence.announce(ctx, "gateway", "g1", {});
        await until(() => one.presence.present("worker").length === 2 && two.presence.present("worker").length === 2);
        expect(two.presence.present("worker")).toEqual([
          { kind: "worker", id: "w1", info: { load: 1 } },
          { kind: "worker", id: "w2", info: {} },
        ]);
        leave();
        leave();
        await until(() => two.presence.present("worker").length === 1);
        expect(two.presence.present("worker").map(({ id }) => id)).toEqual(["w2"]);
      });

      test("a later announcement of an id replaces the earlier, and outlives its end", async () => {
        const bus = await connect();
        const leaveFirst = bus.presence.announce(ctx, "worker", "w", { load: 1 });
        bus.presence.announce(ctx, "worker", "w", { load: 2 });
        leaveFirst();
        await until(() => bus.presence.present("worker")[0]?.info.load === 2);
        expect(bus.presence.present("worker")).toHaveLength(1);
      });

      test("ends with the context's signal, and with the bus", async () => {
        const [one, two] = [await connect(), await connect()];
        const controller = new AbortController();
        one.presence.announce(withContext(ctx, { signal: controller.signal }), "worker", "w1", {});
        one.presence.announce(ctx, "worker", "w2", {});
        await until(() => two.presence.present("worker").length === 2);
        controller.abort();
        await until(() => two.presence.present("worker").length === 1);
        await one.stop(ctx);
        await until(() => two.presence.present("worker").length === 0);
      });

      test("what is shown is a copy", async () => {
        const bus = await connect();
        const info = { tags: ["a"] };
        bus.presence.announce(ctx, "worker", "w", info);
        info.tags.push("b");
        await until(() => bus.presence.present("worker").length === 1);
        const shown = () => bus.presence.present("worker")[0] as Present;
        (shown().info.tags as string[]).push("c");
        expect(shown().info).toEqual({ tags: ["a"] });
      });
    });

    test("start and stop are safe twice, and a stopped bus hears nothing", async () => {
      const [one, two] = [await connect(), await connect()];
      let heard = 0;
      one.subscribe("a", {}, () => void heard++);
      await one.start(ctx);
      await one.stop(ctx);
      await one.stop(ctx);
      two.publish(ctx, "a", {});
      await pause(quietMs);
      expect(heard).toBe(0);
    });
  });
}
