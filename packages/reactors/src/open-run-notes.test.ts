// That notes of what is open are taken, told of where they cannot be, and believed only as far as they can be read.
import type { JsonObject, JsonValue, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
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
  const setNote = async (runId: string, value: JsonValue) => {
    const records = [{ key: prefix + runId, value, expected: "any" as const }];
    expect(await settled(time, log.append(ctx, { records }))).toMatchObject({ ok: true });
  };
  const notes = () => settled(time, log.listRecords(ctx, prefix));
  return { ctx, openRuns, problems, append, begin, setNote, notes };
}

const newTime = () => simulateTime({ random: seededRandom(1) });
const newStore = (): Store => ({ ...createMemoryStore(), exclusive: false });
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
    (await settled(time, log.listRecords(ctx, prefix))).map(({ key }) => key.slice(prefix.length));
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
