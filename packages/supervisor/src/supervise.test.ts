// Proves the supervisor's promises under simulated time: the order of starting and stopping, what each strategy restarts, when it
// gives up and how that reaches the parent, and that no child can hold it up. Children are puppets: the test crashes them, ends
// them, or lets them hang, and reads the order of events from one trace.
import type { Context, Runtime, SimulatedTime } from "@viable/kernel";
import { codeOf, createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Child, ChildSpec, Restart } from "./child.ts";
import type { SupervisorEvent } from "./events.ts";
import { supervise } from "./supervise.ts";
import type { SuperviseOptions, Supervisor } from "./supervisor.ts";

interface Life {
  crash(error?: unknown): void;
  end(): void;
  readonly ctx: Context;
}

/** Children by name, whose lives the test holds in its hands, and a trace of what they saw. */
class Puppets {
  readonly trace: string[] = [];
  readonly lives = new Map<string, Life[]>();
  readonly events: SupervisorEvent[] = [];
  readonly time: SimulatedTime;
  readonly runtime: Runtime;
  readonly ctx: Context;
  /** Taken from by every start of a child: an error to fail with, or `hang`. */
  readonly startFaults = new Map<string, (Error | "hang")[]>();
  readonly neverStops = new Set<string>();
  /** Those whose `done` does not settle when their signal is aborted. */
  readonly ignoresSignal = new Set<string>();
  readonly stopTakesMs = new Map<string, number>();

  constructor(seed = 1) {
    this.time = simulateTime();
    this.runtime = createRuntime({ clock: this.time, random: seededRandom(seed) });
    this.ctx = rootContext(this.runtime);
  }

  readonly onEvent = (event: SupervisorEvent): void => {
    this.events.push(event);
  };

  spec(id: string, restart: Restart = "permanent", more: Partial<ChildSpec> = {}): ChildSpec {
    return {
      id,
      restart,
      stopWithinMs: 1_000,
      ...more,
      start: async (ctx) => {
        const fault = this.startFaults.get(id)?.shift();
        if (fault === "hang") await new Promise(() => {});
        if (fault instanceof Error) {
          this.trace.push(`fail ${id}`);
          throw fault;
        }
        this.trace.push(`start ${id}`);
        return this.#live(id, ctx);
      },
    };
  }

  #live(id: string, ctx: Context): Child {
    const ended = Promise.withResolvers<void>();
    const life: Life = {
      ctx,
      crash: (error = new Error(`${id} broke`)) => ended.reject(error),
      end: () => ended.resolve(),
    };
    this.lives.set(id, [...(this.lives.get(id) ?? []), life]);
    ctx.signal.addEventListener("abort", () => {
      if (!this.ignoresSignal.has(id)) ended.resolve();
    });
    return {
      done: ended.promise,
      stop: async () => {
        this.trace.push(`stop ${id}`);
        if (this.neverStops.has(id)) await new Promise(() => {});
        const takesMs = this.stopTakesMs.get(id) ?? 0;
        if (takesMs > 0) await new Promise<void>((resolve) => this.time.setTimer(resolve, takesMs));
        ended.resolve();
      },
    };
  }

  life(id: string): Life {
    return this.lives.get(id)?.at(-1) as Life;
  }

  types(): string[] {
    return this.events.map((event) => ("child" in event ? `${event.type} ${event.child}` : event.type));
  }
}

const supervisePuppets = (puppets: Puppets, more: Partial<SuperviseOptions> = {}): Supervisor =>
  supervise({
    name: "tree",
    strategy: "one-for-one",
    children: ["a", "b", "c"].map((id) => puppets.spec(id)),
    onEvent: puppets.onEvent,
    ...more,
  });

/** A supervisor as a child of another, made anew at every start. */
const subtree = (options: SuperviseOptions): ChildSpec => ({
  id: options.name,
  restart: "permanent",
  start: async (ctx) => {
    const supervisor = supervise(options);
    await supervisor.start(ctx);
    return supervisor;
  },
});

const states = (supervisor: Supervisor) => supervisor.children().map(({ id, state }) => `${id} ${state}`);

/** Lets the microtask queue go round so many times. */
async function afterTurns(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await undefined;
}

/** Long enough for any pause before a restart. */
const afterPauseMs = 1_500;

describe("starting and stopping", () => {
  test("children start in order, each only when the one before it is ready", async () => {
    const puppets = new Puppets();
    puppets.startFaults.set("b", ["hang"]);
    const supervisor = supervisePuppets(puppets);
    const starting = supervisor.start(puppets.ctx);
    await puppets.time.settle();
    expect(puppets.trace).toEqual(["start a"]);
    expect(states(supervisor)).toEqual(["a running", "b starting", "c waiting"]);
    starting.catch(() => {});
  });

  test("children stop in reverse order, each only when the one after it has stopped", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    puppets.stopTakesMs.set("c", 500);
    const stopping = supervisor.stop(puppets.ctx);
    await puppets.time.advance(400);
    expect(puppets.trace.slice(3)).toEqual(["stop c"]);
    await puppets.time.advance(100);
    await stopping;
    await supervisor.done;
    expect(puppets.trace.slice(3)).toEqual(["stop c", "stop b", "stop a"]);
    expect(states(supervisor)).toEqual(["a stopped", "b stopped", "c stopped"]);
    expect(puppets.types()).toEqual(["started a", "started b", "started c", "stopped c", "stopped b", "stopped a"]);
    expect(puppets.time.pending).toBe(0);
  });

  test("a child that does not start takes those before it down again, in reverse order, and start rejects", async () => {
    const puppets = new Puppets();
    puppets.startFaults.set("c", [new ViableError("gateway.port_taken", "The port is taken.")]);
    const supervisor = supervisePuppets(puppets);
    await expect(supervisor.start(puppets.ctx)).rejects.toMatchObject({
      code: "supervisor.start_failed",
      cause: { code: "gateway.port_taken" },
    });
    expect(puppets.trace).toEqual(["start a", "start b", "fail c", "stop b", "stop a"]);
    await expect(supervisor.done).rejects.toMatchObject({ code: "supervisor.start_failed" });
  });

  test("a child that is not ready within its time counts as not started, and is stopped should it become ready later", async () => {
    const puppets = new Puppets();
    let becomeReady = (): void => {};
    const slow = puppets.spec("slow", "permanent", { startWithinMs: 2_000, stopWithinMs: 10_000 });
    const supervisor = supervisePuppets(puppets, {
      children: [
        {
          ...slow,
          start: async (ctx) => {
            await new Promise<void>((resolve) => {
              becomeReady = resolve;
            });
            return await slow.start(ctx);
          },
        },
      ],
    });
    const outcome = supervisor.start(puppets.ctx).catch((error) => codeOf(error.cause));
    await puppets.time.advance(2_000);
    becomeReady();
    await puppets.time.settle();
    expect(await outcome).toBe("supervisor.start_timeout");
    expect(puppets.trace).toEqual(["start slow", "stop slow"]);
  });

  test("the deadline given to start bounds the start, and is not the children's", async () => {
    const puppets = new Puppets();
    puppets.startFaults.set("b", ["hang"]);
    const supervisor = supervisePuppets(puppets);
    const outcome = supervisor
      .start(rootContext(puppets.runtime, { deadline: puppets.time.now() + 3_000 }))
      .catch((error) => codeOf(error.cause));
    await puppets.time.advance(2_999);
    expect(puppets.life("a").ctx.deadline).toBeUndefined();
    expect(puppets.trace).toEqual(["start a"]);
    await puppets.time.advance(1_002);
    expect(await outcome).toBe("supervisor.start_timeout");
    expect(puppets.trace).toEqual(["start a", "stop a"]);
  });

  test("a child that never stops is abandoned after its bound, and the others are stopped all the same", async () => {
    const puppets = new Puppets();
    puppets.neverStops.add("b");
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    const stopping = supervisor.stop(puppets.ctx);
    await puppets.time.advance(999);
    expect(puppets.trace.slice(3)).toEqual(["stop c", "stop b"]);
    expect(puppets.life("b").ctx.signal.aborted).toBe(false);
    await puppets.time.advance(1);
    await stopping;
    expect(puppets.trace.slice(3)).toEqual(["stop c", "stop b", "stop a"]);
    expect(puppets.life("b").ctx.signal.aborted).toBe(true);
    expect(puppets.events).toContainEqual(expect.objectContaining({ type: "abandoned", child: "b", afterMs: 1_000 }));
  });

  test("at the deadline of a stop, what still runs is asked to stop but not waited for", async () => {
    const puppets = new Puppets();
    for (const id of ["a", "b", "c"]) puppets.neverStops.add(id);
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    const stopping = supervisor.stop(rootContext(puppets.runtime, { deadline: puppets.time.now() + 300 }));
    await puppets.time.advance(300);
    await stopping;
    expect(puppets.trace.slice(3)).toEqual(["stop c", "stop b", "stop a"]);
  });

  test("stopping twice, before the start, or while starting is safe, and a stopped supervisor does not start again", async () => {
    const puppets = new Puppets();
    const never = supervisePuppets(puppets);
    await never.stop(puppets.ctx);
    await expect(never.start(puppets.ctx)).rejects.toMatchObject({ code: "supervisor.not_running" });

    puppets.startFaults.set("b", ["hang"]);
    const starting = supervisePuppets(puppets);
    const outcome = starting.start(puppets.ctx).catch(codeOf);
    await puppets.time.settle();
    const stopping = Promise.all([starting.stop(puppets.ctx), starting.stop(puppets.ctx)]);
    // The start that hangs is given the time of a stop to heed its signal.
    await puppets.time.advance(1_000);
    await stopping;
    expect(await outcome).toBe("supervisor.not_running");
    expect(puppets.trace).toEqual(["start a", "stop a"]);
    await starting.stop(puppets.ctx);
  });

  test("a stopped child's signal is aborted, so that what it left waiting ends", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    await supervisor.stop(puppets.ctx);
    expect(["a", "b", "c"].map((id) => puppets.life(id).ctx.signal.aborted)).toEqual([true, true, true]);
  });

  test("two children of one id are refused", () => {
    const puppets = new Puppets();
    expect(() => supervisePuppets(puppets, { children: [puppets.spec("a"), puppets.spec("a")] })).toThrow(
      expect.objectContaining({ code: "supervisor.duplicate_child" }),
    );
  });
});

describe("what is restarted", () => {
  const afterCrashOfB = async (strategy: SuperviseOptions["strategy"]) => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { strategy });
    await supervisor.start(puppets.ctx);
    puppets.life("b").crash();
    await puppets.time.advance(afterPauseMs);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    await supervisor.stop(puppets.ctx);
    return puppets.trace.slice(3, -3);
  };

  test("one-for-one restarts only the child that crashed", async () => {
    expect(await afterCrashOfB("one-for-one")).toEqual(["start b"]);
  });

  test("one-for-all stops the others in reverse order and starts all in order", async () => {
    expect(await afterCrashOfB("one-for-all")).toEqual(["stop c", "stop a", "start a", "start b", "start c"]);
  });

  test("rest-for-one stops those started after it in reverse order and starts it and them in order", async () => {
    expect(await afterCrashOfB("rest-for-one")).toEqual(["stop c", "start b", "start c"]);
  });

  test.each<[Restart, "crash" | "end", boolean]>([
    ["permanent", "crash", true],
    ["permanent", "end", true],
    ["transient", "crash", true],
    ["transient", "end", false],
    ["temporary", "crash", false],
    ["temporary", "end", false],
  ])("a %s child after a %s: restarted %s", async (restart, how, restarted) => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { children: [puppets.spec("a"), puppets.spec("b", restart)] });
    await supervisor.start(puppets.ctx);
    puppets.life("b")[how]();
    await puppets.time.advance(afterPauseMs);
    expect(puppets.trace).toEqual(["start a", "start b", ...(restarted ? ["start b"] : [])]);
    expect(puppets.events[2]).toMatchObject({ type: how === "crash" ? "crashed" : "ended", restarts: restarted });
    expect(supervisor.child("b")?.state).toBe(restarted ? "running" : restart === "temporary" ? undefined : "ended");
    await supervisor.stop(puppets.ctx);
  });

  test("a temporary child is not started again with its siblings, a transient one that had ended is", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, {
      strategy: "one-for-all",
      children: [puppets.spec("a"), puppets.spec("passing", "temporary"), puppets.spec("ending", "transient")],
    });
    await supervisor.start(puppets.ctx);
    puppets.life("ending").end();
    await puppets.time.settle();
    puppets.life("a").crash();
    await puppets.time.advance(afterPauseMs);
    expect(puppets.trace.slice(3)).toEqual(["stop passing", "start a", "start ending"]);
    expect(states(supervisor)).toEqual(["a running", "ending running"]);
    await supervisor.stop(puppets.ctx);
  });

  test("the pause before a restart grows with failures in a row, and a long life ends the row", async () => {
    const puppets = new Puppets();
    // The largest draw of chance: each pause is its ceiling.
    const runtime = createRuntime({ clock: puppets.time, random: { ...seededRandom(1), next: () => 0.999_999 } });
    const supervisor = supervisePuppets(puppets, {
      children: [puppets.spec("a")],
      backoff: { baseMs: 100, maxMs: 400 },
      intensity: { maxRestarts: 10, withinMs: 5_000 },
    });
    await supervisor.start(rootContext(runtime));
    const pauseAfterCrash = async () => {
      const lives = puppets.lives.get("a")?.length ?? 0;
      const from = puppets.time.now();
      puppets.life("a").crash();
      await puppets.time.until(() => (puppets.lives.get("a")?.length ?? 0) > lives);
      return Math.round(puppets.time.now() - from);
    };
    expect([
      await pauseAfterCrash(),
      await pauseAfterCrash(),
      await pauseAfterCrash(),
      await pauseAfterCrash(),
    ]).toEqual([100, 200, 400, 400]);
    await puppets.time.advance(5_000);
    expect(await pauseAfterCrash()).toBe(100);
    await supervisor.stop(puppets.ctx);
  });

  test("a child that crashes while others are still starting is restarted once they are", async () => {
    const puppets = new Puppets();
    const gate = Promise.withResolvers<void>();
    const b = puppets.spec("b");
    const supervisor = supervisePuppets(puppets, {
      strategy: "one-for-all",
      children: [puppets.spec("a"), { ...b, start: (ctx) => gate.promise.then(() => b.start(ctx)) }],
    });
    const starting = supervisor.start(puppets.ctx);
    await puppets.time.settle();
    puppets.life("a").crash();
    await puppets.time.advance(afterPauseMs);
    expect(puppets.trace).toEqual(["start a"]);
    gate.resolve();
    await starting;
    await puppets.time.advance(afterPauseMs);
    expect(puppets.trace).toEqual(["start a", "start b", "stop b", "start a", "start b"]);
    await supervisor.stop(puppets.ctx);
  });
});

describe("crashes that meet", () => {
  test("under one-for-one a crash during another's pause is restarted independently", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { backoff: { baseMs: 1_000, maxMs: 1_000 } });
    await supervisor.start(puppets.ctx);
    puppets.life("a").crash();
    await puppets.time.advance(1);
    puppets.life("b").crash();
    await puppets.time.advance(afterPauseMs);
    expect(puppets.trace.slice(3).sort()).toEqual(["start a", "start b"]);
    await supervisor.stop(puppets.ctx);
  });

  test("under rest-for-one an earlier child that crashes during a restart widens it", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { strategy: "rest-for-one" });
    await supervisor.start(puppets.ctx);
    puppets.stopTakesMs.set("c", 100);
    puppets.life("b").crash();
    await puppets.time.advance(50);
    puppets.life("a").crash();
    await puppets.time.advance(2 * afterPauseMs);
    puppets.stopTakesMs.clear();
    expect(puppets.trace.slice(3)).toEqual(["stop c", "start a", "start b", "start c"]);
    expect(supervisor.children().map(({ restarts }) => restarts)).toEqual([1, 1, 1]);
    await supervisor.stop(puppets.ctx);
  });

  test("a sibling that crashes while it waits to be stopped for a restart does not count against the intensity", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, {
      strategy: "one-for-all",
      intensity: { maxRestarts: 1, withinMs: 10_000 },
    });
    await supervisor.start(puppets.ctx);
    puppets.stopTakesMs.set("c", 100);
    puppets.life("b").crash();
    await puppets.time.advance(50);
    puppets.life("a").crash();
    await puppets.time.advance(afterPauseMs);
    puppets.stopTakesMs.clear();
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    await supervisor.stop(puppets.ctx);
  });

  test("under rest-for-one a crash while a later child starts stops that start at once and begins again", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { strategy: "rest-for-one" });
    await supervisor.start(puppets.ctx);
    puppets.startFaults.set("c", ["hang"]);
    puppets.life("b").crash();
    await puppets.time.advance(afterPauseMs);
    expect(supervisor.child("c")?.state).toBe("starting");
    puppets.life("b").crash();
    await puppets.time.advance(2 * afterPauseMs);
    expect(puppets.trace.slice(3)).toEqual(["stop c", "start b", "start b", "start c"]);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    await supervisor.stop(puppets.ctx);
  });

  // The end of a group restart takes several turns of the microtask queue. Whichever of them a crash falls into, it is seen.
  test.each(["one-for-all", "rest-for-one"] as const)(
    "under %s a crash at any moment around the end of a restart is followed by another",
    async (strategy) => {
      for (let turns = 0; turns < 40; turns++) {
        const puppets = new Puppets();
        const c = puppets.spec("c");
        const supervisor = supervisePuppets(puppets, {
          strategy,
          children: [
            puppets.spec("a"),
            puppets.spec("b"),
            {
              ...c,
              start: async (ctx) => {
                const child = await c.start(ctx);
                if (puppets.lives.get("c")?.length === 2) void afterTurns(turns).then(() => puppets.life("b").crash());
                return child;
              },
            },
          ],
        });
        await supervisor.start(puppets.ctx);
        puppets.life("a").crash();
        await puppets.time.advance(3 * afterPauseMs);
        expect([turns, ...states(supervisor)]).toEqual([turns, "a running", "b running", "c running"]);
        expect(puppets.lives.get("b")).toHaveLength(3);
        await supervisor.stop(puppets.ctx);
      }
    },
  );

  test("a child that does not start during a restart is tried again, and every try counts", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, {
      strategy: "rest-for-one",
      intensity: { maxRestarts: 3, withinMs: 60_000 },
    });
    await supervisor.start(puppets.ctx);
    puppets.startFaults.set("b", [new Error("not yet"), new Error("not yet")]);
    puppets.life("b").crash();
    await puppets.time.advance(3 * afterPauseMs);
    expect(puppets.trace.slice(3)).toEqual(["stop c", "fail b", "fail b", "start b", "start c"]);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    puppets.life("b").crash();
    await expect(supervisor.done).rejects.toMatchObject({ code: "supervisor.intensity_exceeded" });
  });
});

describe("killing", () => {
  test("a killed child's signal is aborted with the reason, and it is restarted as after a crash", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    const { ctx } = puppets.life("b");
    expect(supervisor.kill("b", "drill")).toBe(true);
    expect(ctx.signal.reason).toMatchObject({ code: "supervisor.killed", details: { child: "b", reason: "drill" } });
    await puppets.time.advance(afterPauseMs);
    expect(puppets.trace.slice(3)).toEqual(["start b"]);
    expect(supervisor.child("b")).toMatchObject({
      state: "running",
      restarts: 1,
      lastError: { code: "supervisor.killed" },
    });
    await supervisor.stop(puppets.ctx);
  });

  test("the next life begins only after the killed one let go: first by its signal, then by stop, then it is abandoned", async () => {
    const puppets = new Puppets();
    puppets.ignoresSignal.add("b");
    puppets.stopTakesMs.set("b", 500);
    const supervisor = supervisePuppets(puppets, { backoff: { baseMs: 0, maxMs: 0 } });
    await supervisor.start(puppets.ctx);
    supervisor.kill("b", "drill");
    await puppets.time.advance(999);
    expect(puppets.trace.slice(3)).toEqual([]);
    await puppets.time.advance(1);
    expect(puppets.trace.slice(3)).toEqual(["stop b"]);
    await puppets.time.advance(500);
    expect(puppets.trace.slice(3)).toEqual(["stop b", "start b"]);

    puppets.neverStops.add("b");
    supervisor.kill("b", "drill");
    await puppets.time.advance(1_999);
    expect(puppets.types()).not.toContain("abandoned b");
    await puppets.time.advance(1);
    expect(puppets.events).toContainEqual(expect.objectContaining({ type: "abandoned", child: "b", afterMs: 2_000 }));
    expect(puppets.trace.slice(5)).toEqual(["stop b", "start b"]);
    puppets.neverStops.clear();
    await Promise.all([supervisor.stop(puppets.ctx), puppets.time.advance(1_000)]);
  });

  test("a kill while the child is being restarted counts as a further crash and is followed by a further restart", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    puppets.startFaults.set("b", ["hang"]);
    puppets.life("b").crash();
    await puppets.time.advance(afterPauseMs);
    expect(supervisor.child("b")?.state).toBe("starting");
    expect(supervisor.kill("b", "it hangs")).toBe(true);
    // The start that hangs has the time of a stop to heed its signal.
    await puppets.time.advance(1_000 + afterPauseMs);
    expect(supervisor.child("b")).toMatchObject({ state: "running", lastError: { code: "supervisor.killed" } });
    expect(puppets.types().filter((type) => type === "crashed b")).toHaveLength(2);
    await supervisor.stop(puppets.ctx);
  });

  test("there is nothing to kill in a pause, after the end, or under an unknown name", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { children: [puppets.spec("a"), puppets.spec("b", "transient")] });
    await supervisor.start(puppets.ctx);
    puppets.life("a").crash();
    puppets.life("b").end();
    await puppets.time.settle();
    expect([supervisor.kill("a", "drill"), supervisor.kill("b", "drill"), supervisor.kill("z", "drill")]).toEqual([
      false,
      false,
      false,
    ]);
    await supervisor.stop(puppets.ctx);
  });

  test("when the context of the start is aborted all children are killed at once and done rejects", async () => {
    const puppets = new Puppets();
    puppets.ignoresSignal.add("b");
    const controller = new AbortController();
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(rootContext(puppets.runtime, { signal: controller.signal }));
    controller.abort(new Error("the process is to go"));
    expect(["a", "b", "c"].map((id) => puppets.life(id).ctx.signal.aborted)).toEqual([true, true, true]);
    let over = false;
    supervisor.done.catch(() => {
      over = true;
    });
    await puppets.time.advance(999);
    expect(over).toBe(false);
    await puppets.time.advance(1);
    expect(over).toBe(true);
    expect(puppets.trace.slice(3)).toEqual(["stop b"]);
    await expect(supervisor.done).rejects.toMatchObject({ code: "supervisor.killed" });
  });
});

describe("giving up", () => {
  const crashUntilOver = async (puppets: Puppets, supervisor: Supervisor, id: string) => {
    let over = false;
    supervisor.done
      .catch(() => {})
      .finally(() => {
        over = true;
      });
    let crashes = 0;
    for (; !over && crashes < 100; crashes++) {
      puppets.life(id).crash();
      await puppets.time.advance(100);
    }
    return crashes;
  };
  const atOnce = { baseMs: 0, maxMs: 0 };

  test("one restart more than the intensity allows stops all in reverse order and rejects done", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { intensity: { maxRestarts: 2, withinMs: 10_000 }, backoff: atOnce });
    await supervisor.start(puppets.ctx);
    expect(await crashUntilOver(puppets, supervisor, "b")).toBe(3);
    expect(puppets.trace.slice(3)).toEqual(["start b", "start b", "stop c", "stop a"]);
    await expect(supervisor.done).rejects.toMatchObject({
      code: "supervisor.intensity_exceeded",
      cause: { message: "b broke" },
    });
    expect(puppets.types()).toContain("gave_up");
    expect(puppets.time.pending).toBe(0);
  });

  test("restarts that are spread wider than the window never add up", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { intensity: { maxRestarts: 1, withinMs: 1_000 }, backoff: atOnce });
    await supervisor.start(puppets.ctx);
    for (let crash = 0; crash < 20; crash++) {
      puppets.life("b").crash();
      await puppets.time.advance(1_000);
    }
    expect(supervisor.child("b")?.restarts).toBe(20);
    await supervisor.stop(puppets.ctx);
  });

  test("by default a child that always crashes is given up within seconds, whatever the pauses", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const puppets = new Puppets(seed);
      const a = puppets.spec("a");
      const supervisor = supervise({
        name: "tree",
        strategy: "one-for-one",
        children: [
          {
            ...a,
            start: async (ctx) => {
              const child = await a.start(ctx);
              puppets.time.setTimer(() => puppets.life("a").crash(), 1);
              return child;
            },
          },
        ],
      });
      await supervisor.start(puppets.ctx);
      let over = false;
      supervisor.done.catch(() => {
        over = true;
      });
      await puppets.time.until(() => over, 10_000);
    }
  });

  test("intensity escalates through two levels: the subtree is restarted by its parent, then the parent gives up too", async () => {
    const puppets = new Puppets();
    const middle = subtree({
      name: "middle",
      strategy: "one-for-one",
      intensity: { maxRestarts: 1, withinMs: 10_000 },
      backoff: atOnce,
      children: [puppets.spec("a"), puppets.spec("b")],
      onEvent: puppets.onEvent,
    });
    const top = supervise({
      name: "top",
      strategy: "one-for-all",
      intensity: { maxRestarts: 1, withinMs: 60_000 },
      backoff: atOnce,
      children: [puppets.spec("base"), middle],
      onEvent: puppets.onEvent,
    });
    await top.start(puppets.ctx);
    expect(puppets.trace).toEqual(["start base", "start a", "start b"]);
    puppets.trace.length = 0;

    for (let crash = 0; crash < 2; crash++) {
      puppets.life("b").crash();
      await puppets.time.advance(10);
    }
    // The first crash restarts b; the second is one too many, so the middle stops a and gives up, and the top restarts all.
    expect(puppets.trace).toEqual(["start b", "stop a", "stop base", "start base", "start a", "start b"]);
    expect(top.child("middle")).toMatchObject({ restarts: 1, lastError: { code: "supervisor.intensity_exceeded" } });

    expect(await crashUntilOver(puppets, top, "b")).toBe(2);
    await expect(top.done).rejects.toMatchObject({
      code: "supervisor.intensity_exceeded",
      cause: { code: "supervisor.intensity_exceeded", cause: { message: "b broke" } },
    });
    expect(puppets.events.filter(({ type }) => type === "gave_up").map(({ supervisor }) => supervisor)).toEqual([
      "middle",
      "middle",
      "top",
    ]);
    expect(puppets.time.pending).toBe(0);
  });

  test("killing a subtree kills its children and makes it anew", async () => {
    const puppets = new Puppets();
    const top = supervise({
      name: "top",
      strategy: "one-for-one",
      children: [
        subtree({ name: "middle", strategy: "one-for-all", children: [puppets.spec("a"), puppets.spec("b")] }),
      ],
    });
    await top.start(puppets.ctx);
    top.kill("middle", "drill");
    expect(puppets.life("b").ctx.signal.aborted).toBe(true);
    await puppets.time.advance(afterPauseMs);
    expect(puppets.trace).toEqual(["start a", "start b", "start a", "start b"]);
    await top.stop(puppets.ctx);
    expect(puppets.trace.slice(4)).toEqual(["stop b", "stop a"]);
  });
});

describe("children that come and go", () => {
  test("a child that is added starts last, is supervised like the others, and stops first", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { children: [puppets.spec("a")] });
    await supervisor.start(puppets.ctx);
    await supervisor.add(puppets.ctx, puppets.spec("d"));
    puppets.life("d").crash();
    await puppets.time.advance(afterPauseMs);
    await supervisor.stop(puppets.ctx);
    expect(puppets.trace).toEqual(["start a", "start d", "start d", "stop d", "stop a"]);
    await expect(supervisor.add(puppets.ctx, puppets.spec("e"))).rejects.toMatchObject({
      code: "supervisor.not_running",
    });
  });

  test("a child that is added and does not start is forgotten, and costs the others nothing", async () => {
    const puppets = new Puppets();
    puppets.startFaults.set("d", [new Error("no")]);
    const supervisor = supervisePuppets(puppets, { strategy: "one-for-all" });
    await supervisor.start(puppets.ctx);
    await expect(supervisor.add(puppets.ctx, puppets.spec("d"))).rejects.toMatchObject({
      code: "supervisor.start_failed",
    });
    await puppets.time.advance(afterPauseMs);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    expect(puppets.trace.slice(3)).toEqual(["fail d"]);
    await supervisor.add(puppets.ctx, puppets.spec("d"));
    await supervisor.stop(puppets.ctx);
  });

  test("a child that is added starts only as long as the caller's context lasts, and is forgotten when that ends", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    const caller = new AbortController();
    const adding = [{ signal: caller.signal }, { deadline: puppets.time.now() + 3_000 }].map(async (parts, index) => {
      puppets.startFaults.set(`d${index}`, ["hang"]);
      return await supervisor
        .add(rootContext(puppets.runtime, parts), puppets.spec(`d${index}`))
        .catch((error) => error);
    });
    await puppets.time.settle();
    caller.abort(new Error("the caller left"));
    expect(await adding[0]).toMatchObject({ code: "supervisor.start_failed", cause: { code: "context.cancelled" } });
    await puppets.time.advance(3_000);
    expect(await adding[1]).toMatchObject({
      code: "supervisor.start_failed",
      cause: { code: "supervisor.start_timeout" },
    });
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    await puppets.time.advance(1_000);
    await supervisor.stop(puppets.ctx);
  });

  test("a child whose caller goes while its siblings are restarted is forgotten too", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { strategy: "one-for-all" });
    await supervisor.start(puppets.ctx);
    puppets.startFaults.set("d", ["hang"]);
    const caller = new AbortController();
    const adding = supervisor
      .add(rootContext(puppets.runtime, { signal: caller.signal }), puppets.spec("d"))
      .catch(codeOf);
    await puppets.time.settle();
    puppets.life("a").crash();
    await puppets.time.settle();
    caller.abort();
    expect(await adding).toBe("context.cancelled");
    await puppets.time.advance(1_000 + afterPauseMs);
    expect(states(supervisor)).toEqual(["a running", "b running", "c running"]);
    expect(puppets.trace).not.toContain("start d");
    await supervisor.stop(puppets.ctx);
  });

  test("a child added while its siblings are restarted joins them afterwards", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { strategy: "one-for-all" });
    await supervisor.start(puppets.ctx);
    puppets.life("a").crash();
    await puppets.time.settle();
    const adding = supervisor.add(puppets.ctx, puppets.spec("d"));
    await puppets.time.advance(afterPauseMs);
    await adding;
    expect(puppets.trace.slice(3)).toEqual(["stop c", "stop b", "start a", "start b", "start c", "start d"]);
    await supervisor.stop(puppets.ctx);
  });

  test("a child that is starting when a sibling crashes is started again with the others", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { strategy: "one-for-all" });
    await supervisor.start(puppets.ctx);
    puppets.startFaults.set("d", ["hang"]);
    const adding = supervisor.add(puppets.ctx, puppets.spec("d"));
    await puppets.time.settle();
    puppets.life("a").crash();
    await puppets.time.advance(1_000 + afterPauseMs);
    await adding;
    expect(puppets.trace.slice(3)).toEqual(["stop c", "stop b", "start a", "start b", "start c", "start d"]);
    await supervisor.stop(puppets.ctx);
  });

  test("a child that is removed is stopped, not restarted, and its name is free again", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets);
    await supervisor.start(puppets.ctx);
    expect(await supervisor.remove(puppets.ctx, "b")).toBe(true);
    expect(await supervisor.remove(puppets.ctx, "b")).toBe(false);
    puppets.life("c").crash();
    await puppets.time.settle();
    // In its pause.
    expect(await supervisor.remove(puppets.ctx, "c")).toBe(true);
    await puppets.time.advance(afterPauseMs);
    expect(states(supervisor)).toEqual(["a running"]);
    await supervisor.add(puppets.ctx, puppets.spec("b"));
    expect(puppets.trace.slice(3)).toEqual(["stop b", "start b"]);
    await supervisor.stop(puppets.ctx);
  });

  test("a pool that grows and shrinks by temporary children does not grow in memory", async () => {
    const puppets = new Puppets();
    const supervisor = supervisePuppets(puppets, { children: [] });
    await supervisor.start(puppets.ctx);
    for (let number = 0; number < 50; number++) {
      await supervisor.add(puppets.ctx, puppets.spec(`w${number}`, "temporary"));
      puppets.life(`w${number}`).end();
      await puppets.time.settle();
    }
    expect(supervisor.children()).toEqual([]);
    await supervisor.stop(puppets.ctx);
  });
});

test("whatever happens in whatever order: no two lives of a child overlap, what is to run runs again or the supervisor gave up, and a stop leaves nothing running", async () => {
  let restarts = 0;
  let kills = 0;
  let livedOn = 0;
  const strategies = ["one-for-one", "one-for-all", "rest-for-one"] as const;
  const step = fc.record({
    act: fc.constantFrom("crash", "end", "kill", "remove", "add", "hang", "ambush"),
    at: fc.nat({ max: 3 }),
    turns: fc.nat({ max: 10 }),
    thenMs: fc.constantFrom(0, 7, 60, 700),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.constantFrom(...strategies),
      fc.array(step, { minLength: 6, maxLength: 20 }),
      async (seed, strategy, steps) => {
        const puppets = new Puppets(seed);
        // One that is slow to let go and deaf to its signal, so that a restart that does not wait would show.
        puppets.ignoresSignal.add("b");
        puppets.stopTakesMs.set("b", 50);
        const alive = new Map<string, number>();
        const overlaps: string[] = [];
        /** Crashes that wait for the next start of any child, to fall into one of the turns after it. */
        const ambushes: { id: string; turns: number }[] = [];
        const watched = (id: string): ChildSpec => {
          const spec = puppets.spec(id, id === "d" ? "temporary" : "permanent", {
            stopWithinMs: 100,
            startWithinMs: 2_000,
          });
          return {
            ...spec,
            start: async (ctx) => {
              const child = await spec.start(ctx);
              alive.set(id, (alive.get(id) ?? 0) + 1);
              if ((alive.get(id) ?? 0) > 1) overlaps.push(id);
              const gone = () => alive.set(id, (alive.get(id) ?? 0) - 1);
              child.done.then(gone, gone);
              const ambush = ambushes.shift();
              if (ambush !== undefined)
                void afterTurns(ambush.turns).then(() => puppets.lives.get(ambush.id)?.at(-1)?.crash());
              return child;
            },
          };
        };
        const ids = ["a", "b", "c", "d"];
        const supervisor = supervisePuppets(puppets, {
          strategy,
          children: ids.map(watched),
          intensity: { maxRestarts: 6, withinMs: 1_000 },
        });
        await supervisor.start(puppets.ctx);
        let gaveUp = false;
        supervisor.done.catch(() => {
          gaveUp = true;
        });
        const adding: Promise<unknown>[] = [];
        for (const { act, at, turns, thenMs } of steps) {
          const id = ids[at] as string;
          if (act === "crash" || act === "end") puppets.life(id)[act]();
          else if (act === "kill") supervisor.kill(id, "drill");
          else if (act === "remove") adding.push(supervisor.remove(puppets.ctx, id));
          else if (act === "hang") puppets.startFaults.set(id, ["hang"]);
          else if (act === "ambush") ambushes.push({ id, turns });
          else if (supervisor.child(id) === undefined)
            adding.push(supervisor.add(puppets.ctx, watched(id)).catch(codeOf));
          await puppets.time.advance(thenMs);
        }
        // Long enough for every start that hangs to be given up, and for what follows from that.
        await puppets.time.advance(60_000);
        expect(gaveUp || supervisor.children().every(({ id, state }) => id === "d" || state === "running")).toBe(true);
        livedOn += gaveUp ? 0 : 1;
        const stopping = supervisor.stop(puppets.ctx);
        await puppets.time.advance(5_000);
        await stopping;
        await Promise.all(adding);
        await puppets.time.settle();
        restarts += puppets.events.filter(({ type }) => type === "restarted").length;
        kills += puppets.events.filter(
          (event) => event.type === "crashed" && event.error.code === "supervisor.killed",
        ).length;
        expect(overlaps).toEqual([]);
        expect([...alive.values()].every((count) => count === 0)).toBe(true);
        expect(puppets.time.pending).toBe(0);
      },
    ),
    { numRuns: 200 },
  );
  // Otherwise nothing happened and the above shows nothing.
  expect(restarts).toBeGreaterThan(400);
  expect(kills).toBeGreaterThan(100);
  expect(livedOn).toBeGreaterThan(20);
}, 60_000);
