// Proves that each planned time begins one run, no more and no fewer, but for what the policies leave out and tell: over two processes on one
// store, with a crash before and after every write, pauses, wall clocks that jump, downtime, and other times in a newer release. Under
// simulated time; each process has a clock of its own on it, and a way to the database that can be cut.

import { joinCluster } from "@viable/cluster";
import type { Context, JsonObject, JsonValue, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { AppendRequest, Store, StoredEvent } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { reactor } from "./reactor.ts";
import type { Reactors } from "./reactors.ts";
import { createReactors } from "./reactors.ts";
import type { Schedule, ScheduleSettings } from "./schedule.ts";
import { schedule } from "./schedule.ts";
import { scheduleEventTypes } from "./schedule-events.ts";
import type { Schedules } from "./schedules.ts";
import { createSchedules } from "./schedules.ts";
import { ProcessClock } from "./testing/process-clock.ts";
import { settled } from "./testing/settled.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

const report = reactor("report", { input: z.strictObject({ at: z.number() }) }, (steps) =>
  steps
    .step("write", { args: ({ input }) => ({ at: input.at }), run: (_ctx, { at }) => at })
    .returns(({ results }) => results.write),
);
/** Runs until it is told to end. */
const vigil = reactor("vigil", { input: z.strictObject({ at: z.number() }) }, (steps) =>
  steps.waitFor("end", { event: "vigil.end", args: () => ({ key: "all" }) }).returns(() => ({})),
);
const make = (settings: Partial<ScheduleSettings<{ at: number }>> = {}): Schedule =>
  schedule({ name: "reports", cron: "* * * * *", reactor: report, input: ({ at }) => ({ at }), ...settings });

interface Process {
  readonly clock: ProcessClock;
  readonly ctx: Context;
  readonly reactors: Reactors;
  readonly schedules: Schedules;
  readonly problems: string[];
  stop(): Promise<void>;
  /** It is gone from one moment to the next: nothing of it reaches the database any more. */
  kill(): void;
}

class World {
  readonly time: SimulatedTime;
  readonly store: Store = { ...createMemoryStore(), exclusive: false };
  readonly #seed: number;
  #processes = 0;

  constructor(seed = 1) {
    this.#seed = seed;
    this.time = simulateTime({ random: seededRandom(seed) });
  }

  /** `commit` comes between each write of the schedules or reactors and the store. */
  async start(
    schedules: readonly Schedule[],
    options: { commit?: (commit: () => Promise<void>, what: string) => Promise<void>; latencyMs?: () => number } = {},
  ): Promise<Process> {
    const clock = new ProcessClock(this.time);
    const link = { up: true };
    const { commit = (write) => write(), latencyMs = () => 0 } = options;
    const travel = async () => {
      const ms = latencyMs();
      if (ms > 0) await new Promise<void>((resolve) => clock.setTimer(resolve, ms));
      if (!link.up) throw new ViableError(storeUnavailable, "Cut off.", { retryable: true });
    };
    const store: Store = {
      ...this.store,
      commit: async (...batch) => {
        await travel();
        let result: Awaited<ReturnType<Store["commit"]>> | undefined;
        const what = JSON.stringify(batch[0]);
        await commit(async () => {
          if (!link.up) throw new ViableError(storeUnavailable, "Cut off.", { retryable: true });
          result = await this.store.commit(...batch);
        }, what);
        await travel();
        return result as Awaited<ReturnType<Store["commit"]>>;
      },
      getRecords: async (...query) => {
        await travel();
        return await this.store.getRecords(...query);
      },
    };
    const runtime = createRuntime({ clock, random: seededRandom(this.#seed * 100 + ++this.#processes) });
    const ctx = rootContext(runtime);
    const types = [...reactorEventTypes, ...scheduleEventTypes];
    const log = createLog(store, runtime, { types });
    const membership = joinCluster({ log, runtime, hosts: ["reports"], leaseMs: 10_000 });
    const problems: string[] = [];
    const onProblem = (message: string) => void problems.push(message);
    const reactors = createReactors({ log, runtime, membership, definitions: [report, vigil], onProblem });
    const made = createSchedules({ log, runtime, membership, reactors, schedules, onProblem });
    const parts = [log, membership, reactors, made];
    for (const part of parts) await this.passing(part.start(ctx));
    return {
      clock,
      ctx,
      reactors,
      schedules: made,
      problems,
      stop: async () => {
        for (const part of parts.toReversed()) await this.passing(part.stop(ctx));
      },
      kill: () => {
        link.up = false;
        clock.die();
      },
    };
  }

  /** Time goes on until it is settled. */
  passing<T>(promise: Promise<T>): Promise<T> {
    return settled(this.time, promise, 10 * minuteMs);
  }

  events(type: string): Promise<StoredEvent[]> {
    return everyEvent(this.store, { types: [type] });
  }

  /** Writes as a release does that knows other shapes: this one judges none. */
  async writeForeign(stream: string, type: string): Promise<void> {
    await this.#append({ streams: [{ stream, expected: "any", events: [{ type, data: {} }] }] });
  }

  /** Changes what is recorded of a schedule; answers what it was. */
  async setProgress(name: string, change: (progress: JsonValue) => JsonValue): Promise<JsonValue> {
    const key = `reactors/schedule/${name}`;
    const [record] = await this.store.getRecords([key], 0);
    const before = record?.value ?? null;
    await this.#append({ records: [{ key, value: change(before), expected: "any" }] });
    return before;
  }

  async #append(request: AppendRequest): Promise<void> {
    const runtime = createRuntime({ clock: this.time, random: seededRandom(this.#seed * 100 + ++this.#processes) });
    const ctx = rootContext(runtime);
    const log = createLog(this.store, runtime);
    await this.passing(log.start(ctx));
    expect(await this.passing(log.append(ctx, request))).toMatchObject({ ok: true });
    await this.passing(log.stop(ctx));
  }

  /** For which planned times runs began, as minutes since the world did. */
  async begun(): Promise<number[]> {
    const started = await this.events("run.started");
    return started.map(({ data }) => this.minute((data.input as { at: number }).at));
  }

  /** The times that were left out: from, to and why. */
  async skipped(): Promise<unknown[]> {
    const events = await this.events("schedule.skipped");
    return events.map(({ data }) => [this.minute(Number(data.from)), this.minute(Number(data.to)), data.reason]);
  }

  minute(ms: number): number {
    return (ms - Date.UTC(2026, 0, 1)) / minuteMs;
  }
}

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, nr) => from + nr);

describe("each planned time begins one run", () => {
  test("in one process, at the time, under a key that says when", async () => {
    const world = new World();
    await world.start([make()]);
    await world.time.advance(3 * minuteMs + 30_000);
    expect(await world.begun()).toEqual([1, 2, 3]);
    const started = await world.events("run.started");
    expect(started.map(({ time }) => world.minute(time))).toEqual([1, 2, 3]);
    expect(started[0]).toMatchObject({
      data: { key: "schedule:reports:2026-01-01T00:01:00.000Z" },
      metadata: { tenant: "default", actor: "schedule:reports" },
    });
    expect(await world.events("run.completed")).toHaveLength(3);
    expect(await world.skipped()).toEqual([]);
  });

  test.each(numbers(1, 20))(
    "over two processes with slow ways to the database, in any order (seed %i)",
    async (seed) => {
      const world = new World(seed);
      const random = seededRandom(seed);
      const latencyMs = () => Math.floor(random.next() * 200);
      const schedules = [make(), make({ name: "halves", cron: "*/30 * * * * *" })];
      await world.start(schedules, { latencyMs });
      await world.start(schedules, { latencyMs });
      await world.time.advance(5 * minuteMs + 20_000);
      const begun = await world.begun();
      expect(begun.filter(Number.isInteger).sort()).toEqual(numbers(1, 5).flatMap((minute) => [minute, minute]));
      expect(begun.filter((minute) => !Number.isInteger(minute))).toEqual([0.5, 1.5, 2.5, 3.5, 4.5]);
      expect(await world.skipped()).toEqual([]);
    },
  );

  test("also where a process is killed before or after any of its writes, and another goes on", async () => {
    let kills = 0;
    for (const moment of ["before", "after"] as const) {
      for (let nth = 1; ; nth++) {
        const world = new World();
        let writes = 0;
        let killed = false;
        const schedules = [make()];
        const first: Process = await world.start(schedules, {
          commit: async (write, what) => {
            // Its writes of the schedule and of the runs it begins, from the first planned time on.
            const counts =
              world.time.now() >= Date.UTC(2026, 0, 1, 0, 1) && /reactors\/schedule|run\.started/.test(what);
            if (counts) writes += 1;
            const dies = counts && writes === nth;
            if (!dies || moment === "after") await write();
            if (!dies) return;
            killed = true;
            first.kill();
            throw new ViableError(storeUnavailable, "Killed.", { retryable: true });
          },
        });
        await world.time.advance(2 * minuteMs + 10_000);
        await world.start(schedules);
        await world.time.advance(minuteMs);
        if (!killed) break;
        kills += 1;
        // Of the two that came while it was dead the last begins, and a decided one in any case.
        const begun = await world.begun();
        const left = (await world.skipped()) as [number, number, string][];
        expect([moment, nth, new Set(begun).size]).toEqual([moment, nth, begun.length]);
        const told = left.flatMap(([from, to]) => numbers(from, to));
        expect([moment, nth, ...[...begun, ...told].sort()]).toEqual([moment, nth, 1, 2, 3]);
        expect(await world.events("run.completed")).toHaveLength(begun.length);
      }
    }
    // Three writes for each of three planned times, the last of which came to two processes; before and after.
    expect(kills).toBe(18);
  }, 60_000);

  test("where the process that keeps it dies, the other is as punctual", async () => {
    const world = new World();
    const one = await world.start([make()]);
    await world.start([make()]);
    await world.time.advance(minuteMs + 10_000);
    one.kill();
    await world.time.advance(2 * minuteMs);
    const started = await world.events("run.started");
    expect(started.map(({ time }) => world.minute(time))).toEqual([1, 2, 3]);
  });

  test("for times that are months apart", async () => {
    const world = new World();
    const log = createLog(createMemoryStore(), createRuntime({ clock: world.time, random: seededRandom(1) }));
    const runtime = createRuntime({ clock: world.time, random: seededRandom(2) });
    const ctx = rootContext(runtime);
    const membership = joinCluster({ log, runtime, hosts: ["reports"], exclusive: true });
    // Not started, they begin runs and carry none on: two months are quickly gone then.
    const reactors = createReactors({ log, runtime, membership, definitions: [report] });
    const schedules = createSchedules({
      log,
      runtime,
      membership,
      reactors,
      schedules: [make({ cron: "0 3 1 */2 *", timeZone: "Europe/Berlin" })],
    });
    for (const part of [log, membership, schedules]) await part.start(ctx);
    await world.time.advance(60 * 24 * hourMs);
    const started = await log.readAll(ctx, { filter: { types: ["run.started"] } });
    expect(started.map(({ time }) => new Date(time).toISOString())).toEqual([
      "2026-01-01T02:00:00.000Z",
      "2026-03-01T02:00:00.000Z",
    ]);
    for (const part of [schedules, membership, log]) await part.stop(ctx);
  }, 60_000);
});

describe("pauses and clocks", () => {
  test("a process that was paused over several times, alone, begins what the policy says", async () => {
    for (const [missed, begun, skipped] of [
      ["latest", [1, 5, 6], [[2, 4, "missed"]]],
      ["all", [1, 2, 3, 4, 5, 6], []],
      ["none", [1, 5, 6], [[2, 4, "missed"]]],
    ] as const) {
      const world = new World();
      const one = await world.start([make({ missed })]);
      await world.time.advance(minuteMs + 1_000);
      one.clock.pause();
      await world.time.advance(4 * minuteMs);
      await one.clock.resume();
      await world.time.advance(minuteMs);
      expect([missed, ...(await world.begun())]).toEqual([missed, ...begun]);
      expect(await world.skipped()).toEqual(skipped);
    }
  });

  test("one that was paused while another went on begins nothing twice", async () => {
    const world = new World();
    const one = await world.start([make({ missed: "all" })]);
    await world.start([make({ missed: "all" })]);
    await world.time.advance(minuteMs + 1_000);
    one.clock.pause();
    await world.time.advance(4 * minuteMs);
    await one.clock.resume();
    await world.time.advance(minuteMs);
    expect(await world.begun()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("one that is paused between its decision and the run begins nothing that others decided on later", async () => {
    const world = new World();
    let hold = true;
    const one: Process = await world.start([make({ reactor: vigil, overlap: "skip" })], {
      commit: async (write, what) => {
        if (hold && what.includes("run.started")) {
          hold = false;
          one.clock.pause();
          await new Promise<void>((resolve) => one.clock.setTimer(resolve, 1));
        }
        await write();
      },
    });
    await world.time.advance(minuteMs + 1_000);
    expect(await world.begun()).toEqual([]);
    await world.start([make({ reactor: vigil, overlap: "skip" })]);
    await world.time.advance(2 * minuteMs);
    await one.clock.resume();
    await world.time.advance(minuteMs);
    expect(await world.begun()).toEqual([1]);
    expect(await world.skipped()).toEqual([2, 3, 4].map((minute) => [minute, minute, "running"]));
  });

  test("a wall clock that is put back begins nothing twice, and one that jumps ahead is seen within a minute", async () => {
    const world = new World();
    const one = await world.start([make({ cron: "0 * * * *" })]);
    await world.time.advance(hourMs + 1_000);
    one.clock.wallOffsetMs = -30 * minuteMs;
    await world.time.advance(31 * minuteMs);
    expect(await world.begun()).toEqual([60]);
    one.clock.wallOffsetMs = 0;
    await world.time.advance(30 * minuteMs);
    expect(await world.begun()).toEqual([60, 120]);
    one.clock.wallOffsetMs = 5 * hourMs;
    await world.time.advance(minuteMs);
    expect(await world.begun()).toEqual([60, 120, 420]);
  });
});

describe("downtime", () => {
  const downFor = async (settings: Partial<ScheduleSettings<{ at: number }>>, ms: number) => {
    const world = new World();
    const one = await world.start([make({ cron: "0 * * * *", ...settings })]);
    await world.time.advance(hourMs + 1_000);
    await one.stop();
    await world.time.advance(ms);
    await world.start([make({ cron: "0 * * * *", ...settings })]);
    await world.time.advance(1_000);
    const hours = async () => (await world.begun()).map((minute) => minute / 60);
    return { hours: await hours(), skipped: await world.skipped(), world };
  };

  test("latest: one run, for the last time that was missed", async () => {
    const { hours, skipped } = await downFor({}, 5.5 * hourMs);
    expect([hours, skipped]).toEqual([[1, 6], [[120, 300, "missed"]]]);
  });
  test("all: each, as many as may be", async () => {
    const { hours } = await downFor({ missed: "all" }, 5.5 * hourMs);
    expect(hours).toEqual([1, 2, 3, 4, 5, 6]);
    const bounded = await downFor({ missed: "all", maxMissed: 2 }, 5.5 * hourMs);
    expect([bounded.hours, bounded.skipped]).toEqual([[1, 5, 6], [[120, 240, "missed"]]]);
  });
  test("none: no run, and that is told", async () => {
    const { hours, skipped, world } = await downFor({ missed: "none" }, 5.5 * hourMs);
    expect([hours, skipped]).toEqual([[1], [[120, 360, "missed"]]]);
    await world.time.advance(hourMs);
    expect(await world.begun()).toEqual([60, 420]);
  });
  test("of less than a minute misses nothing", async () => {
    const { hours, skipped } = await downFor({ missed: "none" }, hourMs);
    expect([hours, skipped]).toEqual([[1, 2], []]);
  });

  test("a schedule whose times were changed begins from now, and forgets nothing of its last run", async () => {
    const world = new World();
    const one = await world.start([make({ cron: "0 * * * *" })]);
    await world.time.advance(hourMs + minuteMs);
    await one.stop();
    await world.time.advance(5.5 * hourMs);
    const two = await world.start([make({ cron: "*/30 * * * *" })]);
    const [status] = await world.passing(two.schedules.status(two.ctx));
    expect(status).toMatchObject({ last: { planned: Date.UTC(2026, 0, 1, 1) }, next: Date.UTC(2026, 0, 1, 7) });
    await world.time.advance(hourMs);
    expect([await world.begun(), await world.skipped()]).toEqual([[60, 420, 450], []]);
  });

  test("of another time zone it is other times too", async () => {
    const world = new World();
    const one = await world.start([make({ cron: "0 3 * * *" })]);
    await one.stop();
    await world.time.advance(150 * minuteMs);
    await world.start([make({ cron: "0 3 * * *", timeZone: "Europe/Berlin" })]);
    await world.time.advance(hourMs);
    expect(await world.begun()).toEqual([]);
  });
});

describe("two releases at the same time", () => {
  const older = make({ cron: "2-59/6 * * * *" });
  const newest = make({ cron: "5-59/6 * * * *" });

  test("the times of the one that started last hold; the other has its way when nobody of those is left", async () => {
    const world = new World();
    const old = await world.start([older]);
    const newer = await world.start([newest]);
    const alike = await world.start([newest]);
    await world.time.advance(6 * minuteMs);
    expect(await world.begun()).toEqual([5]);
    expect(old.problems).toEqual([
      expect.stringMatching(/"reports" is kept to 5-59\/6 \* \* \* \* \(UTC\) by a process that started later/),
    ]);
    const [status] = await world.passing(old.schedules.status(old.ctx));
    expect(status).toMatchObject({ cron: "2-59/6 * * * *", next: undefined });
    newer.kill();
    await world.time.advance(6 * minuteMs);
    expect(await world.begun()).toEqual([5, 11]);
    alike.kill();
    await world.time.advance(6 * minuteMs);
    expect(await world.begun()).toEqual([5, 11, 14]);
    expect(await world.skipped()).toEqual([]);
  });

  test("where its keeper dies, one that keeps it to the same times has it before others, also where it is slow", async () => {
    const world = new World();
    const old = await world.start([older]);
    const keeper = await world.start([newest]);
    const alike = await world.start([newest]);
    keeper.kill();
    // It is found gone after ten seconds.
    await world.time.advance(8_000);
    alike.clock.pause();
    await world.time.advance(5_000);
    await alike.clock.resume();
    await world.time.advance(6 * minuteMs);
    expect(await world.begun()).toEqual([5]);
    expect(old.problems).toHaveLength(1);
  });

  test("a process that dies before its first time came is taken over from all the same", async () => {
    const world = new World();
    await world.start([older]);
    const newer = await world.start([newest]);
    newer.kill();
    await world.time.advance(6 * minuteMs);
    expect(await world.begun()).toEqual([2]);
  });
});

describe("overlap", () => {
  test("skip: none begins while the one before has not ended, and that is told; allow: all do", async () => {
    const world = new World();
    const one = await world.start([
      make({ reactor: vigil, overlap: "skip" }),
      make({ name: "others", reactor: vigil, cron: "*/2 * * * *" }),
    ]);
    await world.time.advance(4 * minuteMs + 1_000);
    expect((await world.begun()).toSorted()).toEqual([1, 2, 4]);
    expect(await world.skipped()).toEqual([2, 3, 4].map((minute) => [minute, minute, "running"]));
    const [first] = await world.events("run.started");
    const [told] = await world.events("schedule.skipped");
    expect(`run:${told?.data.runId}`).toBe(first?.stream);
    await world.passing(one.reactors.send(one.ctx, "vigil.end", "all", null));
    await world.time.advance(minuteMs);
    expect((await world.begun()).toSorted()).toEqual([1, 2, 4, 5]);
  });
});

describe("what goes wrong", () => {
  test("a time without a usable input is told as failed, and the next comes", async () => {
    const world = new World();
    const input = ({ at }: { at: number }) => {
      if (world.minute(at) === 1) throw new Error("no such day");
      return world.minute(at) === 2 ? ({ at: "two" } as never) : { at };
    };
    await world.start([make({ input })]);
    await world.time.advance(3 * minuteMs + 1_000);
    expect(await world.begun()).toEqual([3]);
    const told = await world.events("schedule.skipped");
    expect(told.map(({ data }) => [world.minute(Number(data.from)), data.reason, data.error])).toEqual([
      [1, "failed", expect.objectContaining({ message: "no such day" })],
      [2, "failed", expect.objectContaining({ code: "reactor.invalid_input" })],
    ]);
  });

  test("an input that says it may be there later is asked again, and the run has its planned time", async () => {
    const world = new World();
    let tries = 0;
    const input = ({ at }: { at: number }) => {
      if (++tries < 4) throw new ViableError("archive.away", "the archive is away", { retryable: true });
      return { at };
    };
    const one = await world.start([make({ input, cron: "0 * * * *" })]);
    await world.time.advance(hourMs + minuteMs);
    expect([tries, ...(await world.begun())]).toEqual([4, 60]);
    expect(one.problems).toEqual([`The schedule "reports" waits: the archive is away`]);
  });

  test("two processes that make different inputs of one time still begin one run", async () => {
    const world = new World();
    const input = (extra: number) => () => ({ at: Date.UTC(2026, 0, 1) + extra });
    await world.start([make({ input: input(1) })]);
    await world.start([make({ input: input(2) })]);
    await world.time.advance(2 * minuteMs + 1_000);
    expect([(await world.begun()).length, await world.skipped()]).toEqual([2, []]);
  });

  test("also where the one that began it died before it could write that down", async () => {
    const world = new World();
    const one: Process = await world.start([make({ input: { at: Date.UTC(2026, 0, 1) } })], {
      commit: async (write, what) => {
        await write();
        if (what.includes("run.started")) one.kill();
      },
    });
    const two = await world.start([make()]);
    two.clock.pause();
    await world.time.advance(minuteMs + 1_000);
    await two.clock.resume();
    await world.time.advance(minuteMs);
    expect([await world.begun(), await world.skipped(), two.problems]).toEqual([[0, 2], [], []]);
  });

  test("a database that is away costs time, and no run", async () => {
    const world = new World();
    let away = false;
    await world.start([make({ missed: "all" })], {
      commit: async (write, what) => {
        if (away && what.includes("reactors/schedule"))
          throw new ViableError(storeUnavailable, "Away.", { retryable: true });
        await write();
      },
    });
    await world.time.advance(minuteMs + 1_000);
    away = true;
    await world.time.advance(3 * minuteMs);
    expect(await world.begun()).toEqual([1]);
    away = false;
    await world.time.advance(2 * minuteMs);
    expect(await world.begun()).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test("a run that cannot be read has not ended as far as is known, and the schedule goes on", async () => {
    const world = new World();
    await world.start([make({ reactor: vigil, overlap: "skip" })]);
    await world.time.advance(minuteMs + 1_000);
    const [started] = await world.events("run.started");
    await world.writeForeign(started?.stream as string, "run.paused");
    await world.time.advance(2 * minuteMs);
    expect(await world.skipped()).toEqual([2, 3].map((minute) => [minute, minute, "running"]));
    await world.writeForeign(started?.stream as string, "run.cancelled");
    await world.time.advance(minuteMs);
    expect(await world.begun()).toEqual([1, 4]);
  });

  test.each([
    ["another release's", () => ({ version: 2, state: {} })],
    ["damaged", (progress: JsonValue) => ({ ...(progress as JsonObject), upTo: "soon" })],
    ["no object", () => 7],
  ])(
    "a record that is %s is left as it is and told of, costs nothing else anything, and once it is mended nothing is lost",
    async (_what, damage: (progress: JsonValue) => JsonValue) => {
      const world = new World();
      const schedules = [make({ missed: "all" }), make({ name: "others", cron: "30 * * * * *" })];
      const first = await world.start(schedules);
      await world.time.advance(minuteMs + 1_000);
      const before = await world.setProgress("reports", damage);
      await world.time.advance(minuteMs);
      expect(first.problems).toEqual([expect.stringMatching(/schedule "reports" waits: .*cannot be read/)]);
      await first.stop();

      // Nor does it keep a process from starting.
      const second = await world.start(schedules);
      await world.time.advance(minuteMs);
      expect(second.problems).toHaveLength(1);
      const [status, other] = await world.passing(second.schedules.status(second.ctx));
      expect(status).toMatchObject({
        next: undefined,
        last: undefined,
        failure: { code: "reactor.unreadable_schedule", next: expect.stringMatching(/another name/) },
      });
      expect(other).toMatchObject({ failure: undefined });
      expect(await world.begun()).toEqual([0.5, 1, 1.5, 2.5]);

      await world.setProgress("reports", () => before);
      await world.time.advance(minuteMs);
      expect((await world.begun()).slice(4).toSorted((a, b) => a - b)).toEqual([2, 3, 3.5, 4]);
      expect(await world.passing(second.schedules.status(second.ctx))).toMatchObject([{ failure: undefined }, {}]);
    },
  );

  test("a planned time whose key stands for somebody else's run is told as failed, and by whom it was taken", async () => {
    const world = new World();
    const one = await world.start([make()]);
    const key = "schedule:reports:2026-01-01T00:01:00.000Z";
    const begun = await world.passing(
      one.reactors.begin({ ...one.ctx, principal: "eve" }, "report", { at: 0 }, { key }),
    );
    await world.time.advance(2 * minuteMs + 1_000);
    expect(await world.skipped()).toEqual([[1, 1, "failed"]]);
    const [told] = await world.events("schedule.skipped");
    const taken = expect.stringMatching(`${(begun as { runId: string }).runId}, which eve began`);
    expect(told?.data.error).toMatchObject({ code: "reactor.key_taken", message: taken });
    expect(one.problems).toEqual([taken]);
    const [status] = await world.passing(one.schedules.status(one.ctx));
    expect(status?.last).toMatchObject({ planned: Date.UTC(2026, 0, 1, 0, 2) });
  });

  test("nothing begins after it has stopped", async () => {
    const world = new World();
    const one = await world.start([make()]);
    await world.time.advance(minuteMs + 1_000);
    await one.stop();
    await world.time.advance(5 * minuteMs);
    expect(await world.begun()).toEqual([1]);
  });
});

test("W11: runs belong to the tenant that the schedule names, and what is told of it too", async () => {
  const world = new World();
  const one = await world.start([make({ tenant: "acme", reactor: vigil, overlap: "skip" })]);
  await world.time.advance(2 * minuteMs + 1_000);
  const [started] = await world.events("run.started");
  const [told] = await world.events("schedule.skipped");
  expect([started?.metadata.tenant, told?.metadata.tenant]).toEqual(["acme", "acme"]);
  expect([...one.reactors.openRuns(one.ctx)]).toEqual([]);
  expect([...one.reactors.openRuns({ ...one.ctx, tenant: "acme" })]).toHaveLength(1);
});

describe("what cannot be kept is refused at once", () => {
  const creating = (schedules: readonly Schedule[], definitions: readonly unknown[] = [report]) =>
    createSchedules({ schedules, reactors: { definitions } } as never);
  const newer = reactor("report", { version: 2, input: z.strictObject({ at: z.number() }) }, (steps) =>
    steps.returns(() => ({})),
  );

  test.each([
    ["two of one name", [make(), make({ cron: "@daily" })], [report], "reactor.invalid_schedule"],
    ["a reactor that is not here", [make()], [vigil], "reactor.unknown"],
    ["an older version than runs would begin with", [make()], [newer, report], "reactor.not_newest"],
  ] as const)("%s", (_what, schedules, definitions, code) => {
    expect(() => creating(schedules, definitions)).toThrow(expect.objectContaining({ code }));
  });
  test("and nothing else is", () => expect(() => creating([make(), make({ name: "more" })])).not.toThrow());
});
