// Lists of runs and of approvals say all there is: nothing is hidden by a bound, by others that stand before it or by one that cannot be read,
// and what they cost is bounded whatever they are asked. What runs do is told by events alone.
import type { Context } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { NewEvent, Store } from "@viable/log";
import { createLog, createMemoryStore, eventType } from "@viable/log";
import { shortPages } from "@viable/log/testing";
import { approvalList, runPage } from "@viable/protocol";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { listApprovals, listRuns } from "./list-runs.ts";
import { createOpenRuns } from "./open-runs.ts";
import { settled } from "./testing/settled.ts";

async function world(pageEvents = Number.POSITIVE_INFINITY) {
  const time = simulateTime({ random: seededRandom(1) });
  const inner = createMemoryStore();
  const memory: Store = { ...inner, ...shortPages(inner, pageEvents), exclusive: false };
  const asked = { pages: 0, streams: 0 };
  const store: Store = {
    ...memory,
    readAll: (...query) => {
      asked.pages += 1;
      return memory.readAll(...query);
    },
    readStream: (...query) => {
      asked.streams += 1;
      return memory.readStream(...query);
    },
  };
  const runtime = createRuntime({ clock: time, random: seededRandom(2) });
  const ctx = rootContext(runtime, { principal: "ada" });
  const note = eventType("note.added", z.object({}));
  const log = createLog(store, runtime, { types: [...reactorEventTypes, note] });
  const openRuns = createOpenRuns(log, { changed() {}, ended() {}, received() {}, unreadable() {}, problem() {} });
  for (const part of [log, openRuns]) await settled(time, part.start(ctx));

  const write = async (runId: string, events: readonly NewEvent[], session?: string) => {
    const stream = { stream: `run:${runId}`, expected: "any" as const, events, session };
    expect(await settled(time, log.append(ctx, { streams: [stream] }))).toMatchObject({ ok: true });
    await time.settle();
  };
  /** A run that waits, begun in a session or as part of another run. */
  const begin = async ({
    session,
    parent,
    reactor = "r",
  }: {
    session?: string;
    parent?: string;
    reactor?: string;
  } = {}) => {
    const runId = runtime.ids.next("run");
    const claim = { processId: "prc_1", epoch: 1, attempt: 1 };
    const composed = parent === undefined ? {} : { parent: { runId: parent, step: "inner" } };
    const data = { reactor, version: 1, hash: "h", input: null, claim, ...composed };
    await write(runId, [{ type: "run.started", data }], session);
    return runId;
  };
  const ask = async (runId: string, ...steps: readonly string[]) =>
    await write(
      runId,
      steps.map((step): NewEvent => {
        const wait = { for: "approval", approvalId: `apr_${step}`, title: "May we?" };
        return { type: "step.waiting", data: { step, wait } };
      }),
    );
  const approvals = async (options: Partial<Parameters<typeof listApprovals>[3]> = {}, of: Context = ctx) => {
    const listed = listApprovals(of, log, openRuns.approvals(of.tenant), { limit: 100, ...options });
    const { approvals: list, ...rest } = approvalList.parse(await settled(time, listed));
    return { steps: list.map(({ step }) => step), ...rest };
  };
  const runs = async (options: Partial<Parameters<typeof listRuns>[2]> = {}) =>
    runPage.parse(await settled(time, listRuns(ctx, log, { limit: 100, ...options })));
  return { time, ctx, log, asked, openRuns, write, begin, ask, approvals, runs };
}

test("a list of approvals says how many more are asked for, also by a run of which it shows some, and where it goes on", async () => {
  const { begin, ask, approvals } = await world();
  const [one, two] = [await begin(), await begin()];
  await ask(one, "a", "b", "c");
  await ask(two, "d", "e", "f");
  const first = await approvals({ limit: 5 });
  expect(first).toEqual({ steps: ["a", "b", "c", "d", "e"], more: 1, next: expect.any(String) });
  expect(await approvals({ limit: 5, after: first.next as string })).toEqual({ steps: ["f"], more: 0 });
});

test("the longest asked come first, whichever run asks, and whichever was begun first", async () => {
  const { begin, ask, approvals } = await world();
  const [one, two] = [await begin(), await begin()];
  await ask(two, "a");
  await ask(one, "b");
  await ask(two, "c");
  expect(await approvals({ limit: 2 })).toMatchObject({ steps: ["a", "b"], more: 1 });
});

test("a session sees what its own runs ask and what those are composed of, however many others ask before, and is told of no others", async () => {
  const { begin, ask, approvals, asked } = await world();
  const others = await begin({ session: "ses_other" });
  await ask(others, ...Array.from({ length: 1_100 }, (_, nr) => `other-${nr}`));
  const own = await begin({ session: "ses_own" });
  const child = await begin({ parent: own });
  await ask(child, "mine", "mine-too");
  asked.streams = 0;
  expect(await approvals({ session: "ses_own" })).toEqual({ steps: ["mine", "mine-too"], more: 0 });
  expect(await approvals({ session: "ses_own", limit: 1 })).toMatchObject({ steps: ["mine"], more: 1 });
  // Of other sessions' runs nothing is read.
  expect(asked.streams).toBeLessThan(20);
});

test("what a run asks that cannot be read is counted, and hides nothing", async () => {
  const { begin, ask, approvals, write } = await world();
  const [bad, good] = [await begin(), await begin()];
  await ask(bad, "a", "b");
  await ask(good, "c");
  await write(bad, [{ type: "note.added", data: {} }]);
  expect(await approvals()).toEqual({ steps: ["c"], more: 2 });
});

test("of a run that goes no further nobody is asked anything", async () => {
  const { begin, ask, approvals, write } = await world();
  const runId = await begin();
  await ask(runId, "a");
  await write(runId, [{ type: "run.cancel_requested", data: { by: "ada", reason: "enough" } }]);
  expect(await approvals()).toEqual({ steps: [], more: 0 });
});

test("an event in a run's stream that is none of a run's hides no other run", async () => {
  const { begin, runs, write } = await world();
  const [bad, good] = [await begin(), await begin()];
  await write(bad, [{ type: "note.added", data: {} }]);
  expect(await runs()).toMatchObject({
    runs: [{ runId: good }],
    undecodable: [{ runId: bad, undecodable: expect.stringContaining("note.added") }],
  });
});

test("a search for what is rare reads the log in large pages, and goes on where it stopped", async () => {
  const { begin, runs, write, asked } = await world();
  const failed = await begin();
  const error = { code: "test.failed", message: "It failed.", retryable: false };
  await write(failed, [{ type: "run.failed", data: { error } }]);
  for (let nr = 0; nr < 1_000; nr++) await begin();
  asked.pages = 0;
  const none = await runs({ limit: 1, status: "failed" });
  expect(none).toMatchObject({ runs: [], next: expect.any(String) });
  expect(asked.pages).toBeLessThanOrEqual(12);
  expect(await runs({ limit: 1, status: "failed", before: none.next as string })).toMatchObject({
    runs: [{ runId: failed }],
  });
});

test("pages of runs follow each other without a gap or a repeat, whatever is asked for", async () => {
  const { begin, runs } = await world();
  const all: string[] = [];
  for (let nr = 0; nr < 30; nr++) all.unshift(await begin({ reactor: nr % 3 === 0 ? "r" : "other" }));
  for (const options of [{}, { reactor: "r" }, { status: "running" as const }]) {
    const seen: string[] = [];
    for (let before: string | undefined, isFirst = true; isFirst || before !== undefined; isFirst = false) {
      const page = await runs({ limit: 4, ...options, ...(before !== undefined && { before }) });
      seen.push(...page.runs.map(({ runId }) => runId));
      before = page.next;
    }
    expect(seen).toEqual("reactor" in options ? all.filter((_, nr) => (29 - nr) % 3 === 0) : all);
  }
});

test("how many runs of each reactor are open is known without looking at them, to each tenant its own", async () => {
  const { begin, write, openRuns } = await world();
  const [one] = [await begin(), await begin(), await begin({ reactor: "other" })];
  expect([...openRuns.counts("default")]).toEqual([
    ["r", 2],
    ["other", 1],
  ]);
  await write(one, [{ type: "run.completed", data: { result: 1 } }]);
  expect(openRuns.counts("default").get("r")).toBe(1);
  expect([...openRuns.counts("acme")]).toEqual([]);
});

test("all runs are listed though pages of the log end early", async () => {
  const { begin, runs } = await world(2);
  const runIds: string[] = [];
  for (let nr = 0; nr < 5; nr++) runIds.push(await begin());
  const { runs: listed, next } = await runs();
  expect(listed.map(({ runId }) => runId)).toEqual(runIds.toReversed());
  expect(next).toBeUndefined();
});
