// That notes of what is open are taken, told of where they cannot be, and believed only as far as they can be read.
import type { JsonObject, JsonValue, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { describe, expect, test } from "vitest";
import { reactorEventTypes } from "./event-types.ts";
import type { OpenRun } from "./open-run.ts";
import { OpenRunNotes } from "./open-run-notes.ts";
import { createOpenRuns } from "./open-runs.ts";
import { settled } from "./testing/settled.ts";

const prefix = "reactors/open/";

async function startLog(time: SimulatedTime, store: Store, seed: number) {
  const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime, { types: reactorEventTypes });
  await settled(time, log.start(ctx));
  return { runtime, ctx, log };
}

/** A process with a picture of what is open, and what it tells. */
async function start(time: SimulatedTime, store: Store, seed: number) {
  const { runtime, ctx, log } = await startLog(time, store, seed);
  const problems: string[] = [];
  const openRuns = createOpenRuns(log, {
    changed() {},
    ended() {},
    received() {},
    unreadable() {},
    problem: (message) => problems.push(message),
  });
  await settled(time, openRuns.start(ctx));
  const append = async (runId: string, ...events: readonly { type: string; data: JsonObject }[]) => {
    const streams = [{ stream: `run:${runId}`, expected: "any" as const, events }];
    expect(await settled(time, log.append(ctx, { streams }))).toMatchObject({ ok: true });
  };
  const begin = async () => {
    const runId = runtime.ids.next("run");
    await append(runId, { type: "run.started", data: { reactor: "r", version: 1, hash: "h", input: null } });
    return runId;
  };
  const beginMany = async (count: number) => {
    const runIds: string[] = [];
    for (let nr = 0; nr < count; nr++) runIds.push(await begin());
    return runIds;
  };
  const setNote = async (runId: string, value: JsonValue) => {
    const records = [{ key: prefix + runId, value, expected: "any" as const }];
    expect(await settled(time, log.append(ctx, { records }))).toMatchObject({ ok: true });
  };
  const notes = async () => (await settled(time, log.listRecords(ctx, prefix))).records;
  const isNoted = async (runId: string) => (await settled(time, log.getRecord(ctx, prefix + runId))) !== undefined;
  return { ctx, log, openRuns, problems, append, begin, beginMany, setNote, notes, isNoted };
}

const newTime = () => simulateTime({ random: seededRandom(1) });
const newStore = (): Store => ({ ...createMemoryStore(), exclusive: false });
const completed = { type: "run.completed", data: { result: 1 } };
const undoRequested = {
  type: "run.undo_requested",
  data: { by: "me", reason: "enough", reactor: "r", hash: "h" },
};
/** Whether an append writes notes. */
const isNoting = (batch: Parameters<Store["commit"]>[0]) =>
  batch.some(({ records }) => records.some(({ key }) => key.startsWith("reactors/open")));
const waits = (step: string, key: string) => ({
  type: "step.waiting",
  data: { step, wait: { for: "event", event: "e", key }, idle: null },
});

test("notes that cannot be written are told of once, until they have been written; what was to be noted then is", async () => {
  const time = newTime();
  const memory = newStore();
  let refuses = false;
  const store: Store = {
    ...memory,
    commit: async (batch, now, follow) => {
      if (refuses && batch.some(({ records }) => records.length > 0))
        throw new ViableError("log.store_refused", "Read only.");
      return await memory.commit(batch, now, follow);
    },
  };
  const { ctx, openRuns, problems, begin, notes } = await start(time, store, 2);

  refuses = true;
  await begin();
  await time.advance(60_000);
  expect(problems).toEqual([expect.stringMatching(/could not be noted.*Read only/)]);
  expect(await notes()).toHaveLength(0);

  refuses = false;
  await time.advance(6_000);
  expect(await notes()).toHaveLength(1);

  refuses = true;
  await begin();
  await settled(time, openRuns.stop(ctx));
  expect(problems).toHaveLength(2);
});

test("a note that cannot be read costs a reading of its run and nothing of the others, and is told of", async () => {
  const time = newTime();
  const store = newStore();
  const first = await start(time, store, 2);
  const runs = [await first.begin(), await first.begin(), await first.begin()];
  const over = await first.begin();
  for (const runId of runs) await first.append(runId, waits("w", "k"));
  await time.advance(6_000);
  expect(await first.notes()).toHaveLength(4);
  await settled(time, first.openRuns.stop(first.ctx));

  await first.append(over, { type: "run.completed", data: { result: 1 } });
  const [good, ...bad] = runs as [string, string, string];
  await first.setNote(bad[0], { tenant: "default", awaits: [], approvals: [] });
  await first.setNote(bad[1], "nonsense");
  await first.setNote(over, 7);
  await first.setNote("run_of_nobody", {});
  const second = await start(time, store, 3);
  expect([...second.openRuns.all()].map(({ runId }) => runId).sort()).toEqual([...runs].sort());
  for (const runId of runs) expect(second.openRuns.get(runId)).toEqual(first.openRuns.get(runId));
  expect([...second.openRuns.awaiting("default", "e", "k")]).toHaveLength(3);
  expect(second.problems).toEqual([expect.stringMatching(/could not be read, nor those of 3 other runs/)]);

  // They are noted anew, and what there is no run of is noted no more.
  await second.append(good, waits("v", "k"));
  await time.advance(6_000);
  expect((await second.notes()).map(({ key }) => key.slice(prefix.length)).sort()).toEqual([...runs].sort());
  expect((await start(time, store, 4)).problems).toEqual([]);
});

test("of a run that waits for very much no more is noted than that, and a start reads it from the log", async () => {
  const time = newTime();
  const store = newStore();
  const first = await start(time, store, 2);
  const runId = await first.begin();
  const count = 1_500;
  await first.append(runId, ...Array.from({ length: count }, (_, nr) => waits(`each[${nr}]/w`, `k${nr}`)));
  await time.advance(6_000);
  const [note] = await first.notes();
  expect(JSON.stringify(note?.value).length).toBeLessThan(1_000);

  const second = await start(time, store, 3);
  for (const nr of [0, 700, count - 1])
    expect([...second.openRuns.awaiting("default", "e", `k${nr}`)]).toMatchObject([{ runId }]);
  expect(second.problems).toEqual([]);
});

test("while notes are refused for good, runs that end are kept in mind up to a bound; beyond it the notes are looked through", async () => {
  const time = newTime();
  const memory = newStore();
  let refuses = false;
  const store: Store = {
    ...memory,
    commit: async (batch, now, follow) => {
      if (refuses && batch.some(({ records }) => records.length > 0))
        throw new ViableError("log.store_refused", "Read only.");
      return await memory.commit(batch, now, follow);
    },
  };
  const { ctx, log } = await startLog(time, store, 2);
  const setRecord = async (key: string, value: JsonValue) =>
    expect(await settled(time, log.append(ctx, { records: [{ key, value, expected: "any" }] }))).toMatchObject({
      ok: true,
    });
  const noted = async () =>
    (await settled(time, log.listRecords(ctx, prefix))).records.map(({ key }) => key.slice(prefix.length));
  const sinces = { before: "2", ended: "3", open: "4", unreadable: "?", later: "9000000" };
  for (const [runId, since] of Object.entries(sinces)) await setRecord(prefix + runId, { since });
  await setRecord("reactors/open-at", { position: "5" });

  let position = 5;
  const notes = new OpenRunNotes(log, {
    get: (runId) => (runId === "open" ? ({ runId } as OpenRun) : undefined),
    position: () => String(position),
    onProblem() {},
  });
  await settled(time, notes.read(ctx, { noted() {}, unknown() {} }));
  notes.start(ctx);
  const endMany = async (from: number, to: number) => {
    for (let nr = from; nr <= to; nr++) notes.ended({ runId: `run_${nr}`, since: String(++position) });
    await time.advance(6_000);
  };

  // Within the bound the notes are not looked through, in which one stands that has outlived its run.
  refuses = true;
  notes.ended({ runId: "ended", since: "3" });
  await endMany(1, 90_000);
  refuses = false;
  await time.advance(6_000);
  expect(await noted()).toEqual(["before", "later", "open", "unreadable"]);

  await setRecord(`${prefix}ended`, { since: "3" });
  refuses = true;
  await endMany(1, 60_000);
  await endMany(60_001, 120_000);
  notes.ended({ runId: "ended", since: "3" });
  refuses = false;
  await time.advance(6_000);
  // What opened later than all that is known here is another process's to know.
  expect(await noted()).toEqual(["later", "open", "unreadable"]);

  // From here on all is as before.
  await setRecord(`${prefix}before`, { since: "2" });
  await setRecord(`${prefix}ended`, { since: "3" });
  notes.ended({ runId: "ended", since: "3" });
  await endMany(1, 10);
  expect(await noted()).toEqual(["before", "later", "open", "unreadable"]);
  await settled(time, notes.stop(ctx));
});

test("a run that is opened while notes are begun, and ends before the next ones, leaves no note behind", async () => {
  const time = newTime();
  const memory = newStore();
  let whileRead: (() => Promise<unknown>) | undefined;
  const store: Store = {
    ...memory,
    getRecords: async (...args) => {
      const first = args[0].some((key) => key === "reactors/open-at") ? whileRead : undefined;
      if (first !== undefined) whileRead = undefined;
      await first?.();
      return await memory.getRecords(...args);
    },
  };
  const { append, begin, isNoted } = await start(time, store, 2);
  await begin();
  let opened = "";
  whileRead = async () => {
    opened = await begin();
  };
  await time.advance(6_000);
  expect(await isNoted(opened)).toBe(true);
  await append(opened, completed);
  await time.advance(6_000);
  expect(await isNoted(opened)).toBe(false);
  const { openRuns } = await start(time, store, 3);
  expect([openRuns.get(opened), openRuns.size]).toEqual([undefined, 1]);
});

describe("notes of which a part was written, and the rest refused", () => {
  /** A process that noted some of 1,500 runs, and one of them, which has ended since. */
  async function writePart(time: SimulatedTime) {
    const memory = newStore();
    const refuses = { from: 2 };
    let appends = 0;
    const store: Store = {
      ...memory,
      commit: async (batch, now, follow) => {
        if (isNoting(batch) && ++appends >= refuses.from) throw new ViableError("log.store_refused", "Read only.");
        return await memory.commit(batch, now, follow);
      },
    };
    const writer = await start(time, store, 2);
    const runIds = await writer.beginMany(1_500);
    await time.advance(5_500);
    const over = (await writer.notes())[0]?.key.slice(prefix.length) ?? "";
    expect([await writer.isNoted(over), await writer.isNoted(runIds.at(-1) ?? "")]).toEqual([true, false]);
    await writer.append(over, completed);
    return { store, writer, over, refuses };
  }

  test("are cleared away by whoever wrote them, as soon as notes can be written again", async () => {
    const time = newTime();
    const { store, writer, over, refuses } = await writePart(time);
    refuses.from = Number.POSITIVE_INFINITY;
    await time.advance(6_000);
    expect(await writer.isNoted(over)).toBe(false);
    const { openRuns } = await start(time, store, 3);
    expect([openRuns.get(over), openRuns.size]).toEqual([undefined, 1_499]);
  });

  test.each([
    ["that was there", false],
    ["that starts then", true],
  ])("are cleared away by a process %s, where whoever wrote them is gone", async (_, isLate) => {
    const time = newTime();
    const memory = newStore();
    // Only the writer's notes are refused, and soon nothing of it arrives.
    let appends = 0;
    let isGone = false;
    const store: Store = {
      ...memory,
      commit: async (batch, now, follow) => {
        if (isGone || (isNoting(batch) && ++appends > 1)) throw new ViableError("log.store_refused", "Gone.");
        return await memory.commit(batch, now, follow);
      },
    };
    const writer = await start(time, store, 2);
    await time.advance(2_500);
    const early = isLate ? undefined : await start(time, memory, 4);
    await writer.beginMany(1_500);
    await time.advance(3_000);
    isGone = true;
    const other = early ?? (await start(time, memory, 4));
    const over = (await other.notes())[0]?.key.slice(prefix.length) ?? "";
    await other.append(over, completed);
    await time.advance(6_000);
    await other.begin();
    await time.advance(6_000);
    expect(await other.isNoted(over)).toBe(false);
    const { openRuns } = await start(time, memory, 5);
    expect([openRuns.get(over), openRuns.size]).toEqual([undefined, 1_500]);
  });
});

test.each([
  ["damaged", "nonsense"],
  ["of a release that wrote no more than the position", { position: "0" }],
])("a note that goes further than a checkpoint which is %s does not outlive its run", async (_, checkpoint) => {
  const time = newTime();
  const store = newStore();
  const first = await start(time, store, 2);
  const runId = await first.begin();
  await time.advance(6_000);
  expect(await first.isNoted(runId)).toBe(true);
  await settled(time, first.openRuns.stop(first.ctx));
  const records = [{ key: "reactors/open-at", value: checkpoint, expected: "any" as const }];
  expect(await settled(time, first.log.append(first.ctx, { records }))).toMatchObject({ ok: true });

  const second = await start(time, store, 3);
  await second.append(runId, completed);
  await time.advance(6_000);
  expect(await second.isNoted(runId)).toBe(false);
});

test("a run that ended, and is opened anew while that is noted, leaves no note behind where it ends before the next ones", async () => {
  const time = newTime();
  const memory = newStore();
  let whileNoting: (() => void) | undefined;
  const store: Store = {
    ...memory,
    commit: async (batch, now, follow) => {
      const first = isNoting(batch) ? whileNoting : undefined;
      if (first !== undefined) whileNoting = undefined;
      first?.();
      return await memory.commit(batch, now, follow);
    },
  };
  const { append, begin, beginMany, isNoted } = await start(time, store, 2);
  const runId = await begin();
  await time.advance(6_000);
  expect(await isNoted(runId)).toBe(true);
  await append(runId, completed);
  const last = (await beginMany(3_200)).at(-1) ?? "";
  // That it ended is in the last part of several, which is put together after this is written.
  let isUndone: Promise<unknown> | undefined;
  whileNoting = () => {
    isUndone = Promise.all([append(runId, undoRequested), append(last, completed, undoRequested)]);
  };
  await time.advance(5_000);
  expect(isUndone).toBeDefined();
  await isUndone;
  // Opened later than all that was to be noted: that is for the next notes.
  expect(await isNoted(last)).toBe(false);
  await append(runId, { type: "run.compensated", data: { cause: { kind: "requested" } } });
  await time.advance(12_000);
  expect([await isNoted(runId), await isNoted(last)]).toEqual([false, true]);
  const { openRuns } = await start(time, store, 3);
  expect([openRuns.get(runId), openRuns.size]).toEqual([undefined, 3_200]);
});
