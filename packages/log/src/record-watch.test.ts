// Watching records: what is there, then every change, also those that happen while the first is being shown, and others'.
import { createRuntime, rootContext, simulateTime, withContext } from "@viable/kernel";
import { expect, test } from "vitest";
import { createLog } from "./create-log.ts";
import type { Log } from "./log.ts";
import { createMemoryStore } from "./memory-store.ts";
import { RecordWatch } from "./record-watch.ts";
import type { RecordChange } from "./records.ts";
import type { Store } from "./store.ts";
import { shortPages } from "./testing/short-pages.ts";

async function setup(memory: Store = createMemoryStore()) {
  const clock = simulateTime();
  const runtime = createRuntime({ clock });
  const ctx = rootContext(runtime);
  let act: ((when: "before" | "after") => Promise<void>) | undefined;
  /** The keys of others' changes that the process was handed. */
  const read: string[] = [];
  let readAct: ((when: "before" | "after") => Promise<void>) | undefined;
  let commitAct = async () => {};
  const store: Store = {
    ...memory,
    exclusive: false,
    async listRecords(...args) {
      await act?.("before");
      const page = await memory.listRecords(...args);
      await act?.("after");
      return page;
    },
    async readChanges(...args) {
      await readAct?.("before");
      const page = await memory.readChanges(...args);
      read.push(...page.changes.map(({ key }) => key));
      await readAct?.("after");
      return page;
    },
    async commit(...args) {
      const outcomes = await memory.commit(...args);
      await commitAct();
      return outcomes;
    },
  };
  const log = createLog(store, runtime);
  const others = createLog({ ...memory, exclusive: false }, runtime);
  await log.start(ctx);
  await others.start(ctx);
  const put = (key: string, value: number | null, by: Log = log) =>
    by.append(ctx, { records: [{ key, value, expected: "any" }] });
  const watch = async (prefix: string) => {
    const seen: string[] = [];
    const stop = await log.watchRecords(ctx, prefix, (change: RecordChange) =>
      seen.push(`${change.key}=${JSON.stringify(change.value)}@${change.version}`),
    );
    return { seen, stop };
  };
  return {
    clock,
    ctx,
    log,
    others,
    put,
    watch,
    read,
    /** Does something once, when changes have been asked for, just before or just after they are read. */
    whileReading: (wanted: "before" | "after", once: () => Promise<unknown>) => {
      readAct = async (when) => {
        if (when !== wanted) return;
        readAct = undefined;
        await once();
      };
    },
    /** Does something once, when an append of the log's own is in the database and not answered. */
    whileCommitting: (once: () => Promise<unknown>) => {
      commitAct = async () => {
        commitAct = async () => {};
        await once();
      };
    },
    /** Does something once, just before or just after the store makes a page. */
    whileListing: (wanted: "before" | "after", once: () => Promise<unknown>) => {
      act = async (when) => {
        if (when !== wanted) return;
        act = undefined;
        await once();
      };
    },
  };
}

test("a watcher is shown what is there, then every change under its prefix, until it stops", async () => {
  const { put, watch } = await setup();
  await put("a/1", 1);
  await put("b/1", 1);
  const { seen, stop } = await watch("a/");
  expect(seen).toEqual(["a/1=1@1"]);
  await put("a/1", 2);
  await put("b/1", 2);
  await put("a/2", 1);
  await put("a/1", null);
  expect(seen.slice(1)).toEqual(["a/1=2@2", "a/2=1@1", "a/1=null@3"]);
  stop();
  await put("a/1", 4);
  expect(seen).toHaveLength(4);
});

test("a change that happens while the first is shown is neither lost, nor shown before it, nor twice", async () => {
  const { put, watch, whileListing } = await setup();
  await put("a", 1);
  whileListing("after", async () => {
    await put("a", 2);
    await put("b", 1);
  });
  expect((await watch("")).seen).toEqual(["a=1@1", "a=2@2", "b=1@1"]);
  whileListing("before", () => put("a", 3));
  expect((await watch("")).seen).toEqual(["a=3@3", "b=1@1"]);
});

test("of what others change a process reads what is under the prefixes that it watches, and nothing where it watches none", async () => {
  const { clock, others, put, watch, read } = await setup();
  const putAll = async (value: number) => {
    for (const key of ["a/1", "b/1", "ab/1", "c/1"]) await put(key, value, others);
    await clock.advance(1_000);
  };
  await putAll(1);
  expect(read).toEqual([]);
  const [a, b] = [await watch("a/"), await watch("b/")];
  expect(a.seen).toEqual(["a/1=1@1"]);
  // What was changed before they began is not read once more.
  await clock.advance(1_000);
  expect(read).toEqual([]);
  await putAll(2);
  expect(read.splice(0)).toEqual(["a/1", "b/1"]);
  a.stop();
  await putAll(3);
  expect(read.splice(0)).toEqual(["b/1"]);
  b.stop();
  await putAll(4);
  expect(read).toEqual([]);
  expect([a.seen, b.seen]).toEqual([
    ["a/1=1@1", "a/1=2@2"],
    ["b/1=1@1", "b/1=2@2", "b/1=3@3"],
  ]);
});

test("a watch that begins while changes are read for earlier ones misses none of its own", async () => {
  const { clock, log, others, put, watch, whileReading } = await setup();
  const first = await watch("a");
  await put("a", 1, others);
  await put("b", 1, others);
  let read = () => {};
  whileReading("before", () => new Promise<void>((resolve) => (read = resolve)));
  log.wake();
  await clock.settle();
  const second = watch("b");
  // Long enough for a listing that waits for nothing: the page was asked for without its prefix.
  await clock.settle();
  await put("b", null, others);
  await put("bb", 1, others);
  read();
  const { seen } = await second;
  expect(first.seen).toEqual(["a=1@1"]);
  expect(seen).toEqual(["bb=1@1"]);
  await put("b", 3, others);
  log.wake();
  await clock.settle();
  expect(seen).toEqual(["bb=1@1", "b=3@3"]);
});

test("watches that begin during each reading hold up nobody: every page goes to those that it was read for", async () => {
  const { clock, log, others, put, watch, whileReading } = await setup();
  const { seen } = await watch("a");
  await put("a", 1, others);
  const begun: Promise<unknown>[] = [];
  const heard: number[] = [];
  const begin = async () => {
    heard.push(seen.length);
    begun.push(watch("b"));
    if (begun.length < 5) whileReading("before", begin);
  };
  whileReading("before", begin);
  log.wake();
  await clock.settle();
  await Promise.all(begun);
  expect(heard).toEqual([0, 1, 1, 1, 1]);
});

test("a watch that cannot be listed yet, since a page is on its way that never comes, ends with its context's deadline", async () => {
  const { clock, ctx, log, whileReading } = await setup();
  whileReading("before", () => new Promise(() => {}));
  log.wake();
  await clock.settle();
  const bounded = withContext(ctx, { deadline: clock.now() + 1_000 });
  const begun = expect(log.watchRecords(bounded, "", () => {})).rejects.toMatchObject({
    code: "context.deadline_exceeded",
  });
  await clock.advance(1_000);
  await begun;
});

test("a page of changes that was read before the listing and arrives after it tells nothing older", async () => {
  const { clock, log, others, put, watch, whileListing, whileReading } = await setup();
  await put("a", 1, others);
  let arrive = () => {};
  whileReading("after", () => new Promise<void>((resolve) => (arrive = resolve)));
  whileListing("before", async () => {
    log.wake();
    await clock.settle();
    await put("a", 2, others);
  });
  const { seen } = await watch("a");
  expect(seen).toEqual(["a=2@2"]);
  arrive();
  await clock.settle();
  await put("a", 3, others);
  log.wake();
  await clock.settle();
  expect(seen).toEqual(["a=2@2", "a=3@3"]);
});

test("an append of the log's own that is answered after the listing, and before which others' was listed, tells nothing older", async () => {
  const { clock, others, put, watch, whileCommitting } = await setup();
  let answer = () => {};
  whileCommitting(() => new Promise<void>((resolve) => (answer = resolve)));
  const writing = put("a", 1);
  await clock.settle();
  await put("a", 2, others);
  const { seen } = await watch("a");
  expect(seen).toEqual(["a=2@2"]);
  answer();
  await writing;
  await clock.settle();
  expect(seen).toEqual(["a=2@2"]);
  await put("a", 3);
  await clock.settle();
  expect(seen).toEqual(["a=2@2", "a=3@3"]);
});

test("pages that end early, since what is in them is large, are read on to the end", async () => {
  const memory = createMemoryStore();
  const { clock, ctx, others, watch } = await setup({ ...memory, ...shortPages(memory, 3) });
  const put = (value: number) =>
    others.append(ctx, {
      records: Array.from({ length: 10 }, (_, nr) => ({ key: `r/${nr}`, value, expected: "any" as const })),
    });
  await put(1);
  const { seen } = await watch("r/");
  expect(seen).toHaveLength(10);
  await put(2);
  await clock.advance(1_000);
  expect(seen.slice(10)).toEqual(Array.from({ length: 10 }, (_, nr) => `r/${nr}=2@2`));
});

test("more records than a page holds are all shown", async () => {
  const { ctx, log, watch } = await setup();
  const records = Array.from({ length: 1_200 }, (_, nr) => ({ key: `r/${nr}`, value: nr, expected: 0 }));
  await log.append(ctx, { records });
  expect((await watch("r/")).seen).toHaveLength(1_200);
});

test("others' changes are found at a wake-up, or at the next poll, and order per key holds", async () => {
  const { clock, log, others, put, watch } = await setup();
  const { seen } = await watch("");
  await put("a", 1, others);
  await clock.settle();
  expect(seen).toEqual([]);
  log.wake();
  await clock.settle();
  expect(seen).toEqual(["a=1@1"]);
  await put("a", 2, others);
  await clock.advance(1_000);
  expect(seen.at(-1)).toBe("a=2@2");
  // Own after others': read, not taken from the flush, or the others' change would be passed over.
  await put("b", 1, others);
  await put("c", 1);
  await clock.settle();
  expect(seen.slice(2)).toEqual(["b=1@1", "c=1@1"]);
});

test("many changes of others, more than a page, all arrive", async () => {
  const { clock, ctx, others, watch } = await setup();
  const { seen } = await watch("");
  const records = Array.from({ length: 1_200 }, (_, nr) => ({ key: `r/${nr}`, value: nr, expected: 0 }));
  await others.append(ctx, { records });
  await clock.advance(1_000);
  expect(seen).toHaveLength(1_200);
});

test("a watch that could not begin rejects, and the next one begins anew", async () => {
  const { put, watch, whileListing } = await setup();
  whileListing("before", () => Promise.reject(new Error("away")));
  await expect(watch("")).rejects.toThrow("away");
  const { seen } = await watch("");
  await put("a", 1);
  expect(seen).toEqual(["a=1@1"]);
});

test("a watch that is only beginning when what there is has to be shown again misses nothing of it", async () => {
  const clock = simulateTime();
  const ctx = rootContext(createRuntime({ clock }));
  const memory = createMemoryStore();
  let act = async () => {};
  const store: Store = {
    ...memory,
    async listRecords(...args) {
      const page = await memory.listRecords(...args);
      await act();
      return page;
    },
  };
  const recordWatch = new RecordWatch(store, clock);
  await recordWatch.start(ctx);
  act = async () => {
    act = async () => {};
    const records = [{ key: "a", expected: 0, value: "1", expiresAt: null }];
    await memory.commit([{ streams: [], records }], clock.now());
    recordWatch.showAgain();
    await clock.settle();
  };
  const seen: string[] = [];
  await recordWatch.watch(ctx, "", ({ key }) => seen.push(key));
  expect(seen).toEqual(["a"]);
  await recordWatch.stop();
});

test("own changes that conflict or repeat are not shown", async () => {
  const { ctx, log, put, watch } = await setup();
  await put("a", 1);
  const { seen } = await watch("");
  await log.append(ctx, { records: [{ key: "a", value: 9, expected: 7 }] });
  const request = {
    streams: [{ stream: "s", expected: 0, events: [{ type: "t", data: {}, id: "once" }] }],
    records: [{ key: "b", value: 1, expected: "any" as const }],
  };
  await log.append(ctx, request);
  expect(await log.append(ctx, request)).toMatchObject({ ok: true, repeated: true });
  expect(seen).toEqual(["a=1@1", "b=1@1"]);
});

test("a watch ends with its context's signal; a deadline bounds only its beginning", async () => {
  const { clock, ctx, log, put, whileListing } = await setup();
  const controller = new AbortController();
  const seen: string[] = [];
  const note = (change: RecordChange) => seen.push(change.key);
  const bounded = withContext(ctx, { signal: controller.signal, deadline: clock.now() + 1_000 });
  await log.watchRecords(bounded, "", note);
  await clock.advance(2_000);
  await put("a", 1);
  controller.abort();
  await put("b", 1);
  expect(seen).toEqual(["a"]);

  await expect(log.watchRecords(bounded, "", note)).rejects.toMatchObject({ code: "context.cancelled" });
  whileListing("after", () => new Promise(() => {}));
  const late = withContext(ctx, { deadline: clock.now() + 1_000 });
  const begun = expect(log.watchRecords(late, "", note)).rejects.toMatchObject({ code: "context.deadline_exceeded" });
  await clock.advance(1_000);
  await begun;
  await put("c", 1);
  expect(seen).toEqual(["a"]);
});
