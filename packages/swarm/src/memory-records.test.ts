// What an entry says of itself and how writes and ends keep it together with its use, over a log in memory and in simulated time.
import type { JsonValue } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import { shortPages } from "@viable/log/testing";
import { describe, expect, test } from "vitest";
import { AccessCounter } from "./access-counter.ts";
import type { Memory } from "./memory.ts";
import { createMemory } from "./memory-records.ts";

async function setup(store: Store = createMemoryStore()) {
  const time = simulateTime();
  const ctx = rootContext(createRuntime({ clock: time, random: seededRandom(1) }));
  const log = createLog(store, ctx.runtime);
  await log.start(ctx);
  const memory = createMemory(log, ctx, "notes");
  const keys = async () => (await log.listRecords(ctx, "memory/")).records.map((record) => record.key);
  return { time, ctx, log, memory, keys };
}

/** A store in which something happens between a write's look at what is there and its append. */
function interruptible(store: Store = createMemoryStore()) {
  const acts: (() => Promise<unknown>)[] = [];
  return {
    /** What happens after the next looks, one after the other. */
    afterNextLooks: (...given: (() => Promise<unknown>)[]) => void acts.push(...given),
    store: {
      ...store,
      async listRecords(...asked: Parameters<Store["listRecords"]>) {
        const found = await store.listRecords(...asked);
        await acts.shift()?.();
        return found;
      },
    },
  };
}

test("an entry tells when it was created, when it was written last, and what it is", async () => {
  const { time, memory } = await setup();
  const createdAt = time.now();
  expect(await memory.set("a", { x: 1 }, { metadata: { source: "test" } })).toEqual({ ok: true, version: 1 });
  await time.advance(1_000);
  expect(await memory.get("a")).toEqual({
    namespace: "default",
    key: "a",
    value: { x: 1 },
    metadata: { source: "test" },
    version: 1,
    createdAt,
    updatedAt: createdAt,
    expiresAt: null,
    accessCount: 0,
    lastAccessAt: null,
  });
  // Metadata belongs to the value: it goes with it.
  expect(await memory.set("a", 2, { expected: 1 })).toEqual({ ok: true, version: 2 });
  const [entry] = await memory.list();
  expect(entry).toMatchObject({ value: 2, version: 2, createdAt, updatedAt: createdAt + 1_000 });
  expect(entry).not.toHaveProperty("metadata");
  expect(await memory.get("a")).toEqual(entry);
});

test("a key that was deleted or has expired begins a new life", async () => {
  const { time, memory } = await setup();
  await memory.set("a", 1);
  await memory.set("b", 1, { expiresInMs: 500 });
  await time.advance(500);
  await memory.delete("a");
  expect(await memory.list()).toEqual([]);
  await memory.set("a", 2);
  await memory.set("b", 2);
  expect((await memory.list()).map((entry) => entry.createdAt)).toEqual([time.now(), time.now()]);
});

test("an entry's use is created, deleted and expires with it, and what is left are no records", async () => {
  const { time, memory, keys } = await setup();
  await memory.set("a", 1);
  await memory.set("b", 1, { expiresInMs: 1_000 });
  await memory.set("b", 2, { expiresInMs: 2_000 });
  const [a, b] = ["memory/default/notes/default/a", "memory/default/notes/default/b"];
  expect(await keys()).toEqual([a, `${a} use`, b, `${b} use`]);
  await time.advance(1_999);
  await memory.delete("a");
  expect(await keys()).toEqual([b, `${b} use`]);
  await time.advance(1);
  expect(await keys()).toEqual([]);
});

test("what was written before uses were kept is read as it is, and has one from its next write on", async () => {
  const { ctx, log, memory, keys } = await setup();
  const key = "memory/default/notes/default/old";
  const old: JsonValue = { value: "not an entry's", createdAt: 1, updatedAt: 2 };
  await log.append(ctx, { records: [{ key, value: old, expected: 0 }] });
  await memory.set("older", 1);
  expect(await memory.get("old")).toMatchObject({ value: old, createdAt: 0, updatedAt: 0, accessCount: 0 });
  expect((await memory.list()).map((entry) => entry.value)).toEqual([old, 1]);
  await memory.set("old", 2);
  expect(await memory.get("old")).toMatchObject({ value: 2, createdAt: 0, updatedAt: ctx.runtime.clock.now() });
  expect(await keys()).toEqual([key, `${key} use`, `${key}er`, `${key}er use`]);
});

test("lists are in the order of keys, as long as asked, and go on after a key that may be gone", async () => {
  const { ctx, log, memory } = await setup();
  const names = ["a", "a b", "a!", "a-", "a/b", "aa", "ä", "b", "😀"];
  for (const name of names.toReversed()) await memory.set(name, name, { namespace: "n s" });
  await log.append(ctx, { records: [{ key: "memory/default/notes/n%20s/aaa", value: "aaa", expected: 0 }] });
  const listed = async (options: object) => {
    const entries = await memory.list("n s", options);
    expect(entries.map((entry) => entry.value)).toEqual(entries.map((entry) => entry.key));
    return entries.map((entry) => entry.key);
  };
  const all = await listed({});
  expect(all.toSorted()).toEqual([...names, "aaa"].toSorted());
  for (let limit = 0; limit <= all.length; limit++) expect(await listed({ limit })).toEqual(all.slice(0, limit));
  for (const [index, after] of all.entries()) {
    expect(await listed({ after, limit: 2 })).toEqual(all.slice(index + 1, index + 3));
    await memory.delete(after, "n s");
    expect(await listed({ after })).toEqual(all.slice(index + 1));
    await memory.set(after, after, { namespace: "n s" });
  }
  expect(await listed({ prefix: "a" })).toEqual(all.filter((key) => key.startsWith("a")));
});

test.each([2, 3, 4, 5])(
  "of entries so large that %i records are a page a list has all that it is asked for, each with its use",
  async (records) => {
    const store = createMemoryStore();
    const { ctx, log, memory } = await setup({ ...store, ...shortPages(store, records) });
    const accesses = new AccessCounter(log);
    const names = ["a", "b", "c", "d", "e", "f"];
    for (const [times, name] of names.entries()) {
      await memory.set(name, name);
      for (let time = 0; time < times; time++) await createMemory(log, ctx, "notes", accesses).get(name);
    }
    await accesses.stop(ctx);
    for (let limit = 0; limit <= names.length + 1; limit++) {
      const listed = (await memory.list("default", { limit })).map(({ key, accessCount }) => [key, accessCount]);
      expect(listed).toEqual(names.slice(0, limit).map((name, times) => [name, times]));
    }
  },
);

test("an entry that begins a new life between two pages of a list is not shown with the use of the other", async () => {
  const inner = createMemoryStore();
  const { store, afterNextLooks } = interruptible({ ...inner, ...shortPages(inner, 3) });
  const { ctx, log, memory } = await setup(store);
  const accesses = new AccessCounter(log);
  for (const key of ["a", "b", "c"]) await memory.set(key, "old");
  await createMemory(log, ctx, "notes", accesses).get("b");
  await accesses.stop(ctx);
  afterNextLooks(async () => {
    await memory.delete("b");
    await memory.set("b", "new", { expected: 0 });
  });
  const listed = (await memory.list()).map(({ key, value, accessCount }) => [key, value, accessCount]);
  expect(listed).toEqual([
    ["a", "old", 0],
    ["b", "new", 0],
    ["c", "old", 0],
  ]);
});

test("a key is not mistaken for one that it begins", async () => {
  const { memory } = await setup();
  await memory.set("ab", 1);
  expect(await memory.get("a")).toBeUndefined();
  expect(await memory.set("a", 1, { expected: 1 })).toEqual({ ok: false, reason: "conflict", actual: 0 });
  expect(await memory.set("a", 2)).toEqual({ ok: true, version: 1 });
});

test("another's entry, of a service or a tenant, is neither read nor listed (W11)", async () => {
  const { ctx, log, memory } = await setup();
  await memory.set("a", 1);
  for (const other of [
    createMemory(log, ctx, "other"),
    createMemory(log, rootContext(ctx.runtime, { tenant: "acme" }), "notes"),
  ]) {
    expect(await other.get("a")).toBeUndefined();
    expect(await other.list()).toEqual([]);
  }
});

test("expected versions: the right one writes, any other is told what stands in the way", async () => {
  const { memory } = await setup();
  expect(await memory.set("a", 1, { expected: 0 })).toEqual({ ok: true, version: 1 });
  expect(await memory.set("a", 2, { expected: 0 })).toEqual({ ok: false, reason: "conflict", actual: 1 });
  expect(await memory.set("a", 2, { expected: 7, expiresInMs: 10 })).toEqual({
    ok: false,
    reason: "conflict",
    actual: 1,
  });
  expect(await memory.get("a")).toMatchObject({ value: 1, expiresAt: null });
  await expect(memory.set("a", 2, { expected: -1 })).rejects.toMatchObject({ code: "log.invalid_event" });
});

test("what must not be there yet is written without a look at what is", async () => {
  const { store, afterNextLooks } = interruptible();
  const { memory } = await setup(store);
  let looks = 0;
  afterNextLooks(async () => void looks++);
  expect(await memory.set("a", 1, { expected: 0 })).toEqual({ ok: true, version: 1 });
  expect(looks).toBe(0);
});

test("a write without an expected version happens, whatever others write meanwhile", async () => {
  const { store, afterNextLooks } = interruptible();
  const { time, memory } = await setup(store);
  const createdAt = time.now();
  await memory.set("a", 1);
  await time.advance(1_000);
  afterNextLooks(() => memory.set("a", "another's"));
  expect(await memory.set("a", 2)).toEqual({ ok: true, version: 3 });
  expect(await memory.get("a")).toMatchObject({ value: 2, version: 3, createdAt });
  const all = Array.from({ length: 20 }, (_, value) => memory.set("a", value));
  expect((await Promise.all(all)).every((outcome) => outcome.ok)).toBe(true);
});

test("an entry that is deleted under a write is created anew by it, whole", async () => {
  const { store, afterNextLooks } = interruptible();
  const { time, memory, keys } = await setup(store);
  await memory.set("a", 1);
  await time.advance(1_000);
  afterNextLooks(() => memory.delete("a"));
  expect(await memory.set("a", 2)).toMatchObject({ ok: true });
  expect(await memory.get("a")).toMatchObject({ value: 2, createdAt: time.now() });
  const anothers = { look: async () => {}, write: () => memory.set("a", "another's") };
  afterNextLooks(anothers.write, anothers.look, () => memory.delete("a"));
  expect(await memory.set("a", 3)).toMatchObject({ ok: true });
  const [key] = await keys();
  expect(await keys()).toEqual([key, `${key} use`]);
  expect(await memory.get("a")).toMatchObject({ value: 3, version: 6 });
  afterNextLooks(() => memory.delete("a"));
  expect(await memory.set("a", 4, { expected: 6 })).toEqual({ ok: false, reason: "conflict", actual: 0 });
  expect(await keys()).toEqual([]);
});

describe("a write whose answer is lost happens once, though it is sent again", () => {
  /** The answer to the next commit is lost, and others write before it is sent again. */
  async function setupLossy() {
    const store = createMemoryStore();
    let meanwhile: ((others: Memory) => Promise<unknown>) | undefined;
    const lossy: Store = {
      ...store,
      async commit(...sent) {
        const result = await store.commit(...sent);
        if (meanwhile === undefined) return result;
        const act = meanwhile;
        meanwhile = undefined;
        await act(others);
        throw new ViableError(storeUnavailable, "The answer was lost.", { retryable: true });
      },
    };
    const { time, memory, ctx } = await setup(lossy);
    const otherLog = createLog(store, ctx.runtime);
    await otherLog.start(ctx);
    const others = createMemory(otherLog, ctx, "notes");
    const loseAnswerOf = async <T>(write: () => Promise<T>, act: (others: Memory) => Promise<unknown>) => {
      meanwhile = act;
      const outcome = write().catch((error: ViableError) => error.code);
      await time.advance(1_000);
      return await outcome;
    };
    return { memory, loseAnswerOf };
  }
  const nobody = async () => {};
  const another = (others: Memory) => others.set("a", "another's");

  test("as the only one", async () => {
    const { memory, loseAnswerOf } = await setupLossy();
    expect(await loseAnswerOf(() => memory.set("a", 1), nobody)).toEqual({ ok: true, version: 1 });
    expect(await loseAnswerOf(() => memory.set("a", 2, { expected: 1 }), nobody)).toEqual({ ok: true, version: 2 });
    expect(await loseAnswerOf(() => memory.delete("a"), nobody)).toBeUndefined();
    expect(await memory.get("a")).toBeUndefined();
  });

  test.each([
    ["at any version", {}],
    ["at a version, which is no conflict", { expected: 1 }],
  ])("over another's, which stays: %s", async (_, options) => {
    const { memory, loseAnswerOf } = await setupLossy();
    await memory.set("a", 0);
    expect(await loseAnswerOf(() => memory.set("a", 1, options), another)).toBe("memory.overwritten");
    expect(await memory.get("a")).toMatchObject({ value: "another's", version: 3 });
  });

  test("as a deletion, which leaves what another has created since", async () => {
    const { memory, loseAnswerOf } = await setupLossy();
    await memory.set("a", 0);
    expect(await loseAnswerOf(() => memory.delete("a"), another)).toBeUndefined();
    expect(await memory.get("a")).toMatchObject({ value: "another's" });
  });

  test("and writes leave no more behind than were ever under way at once", async () => {
    const { ctx, log, memory } = await setup();
    const receipts = async () => (await log.listRecords(ctx, "receipt/")).records.length;
    for (let nr = 0; nr < 10; nr++) await memory.set(`${nr}`, nr);
    expect(await receipts()).toBe(1);
    await Promise.all(Array.from({ length: 10 }, (_, nr) => memory.set(`${nr}`, nr)));
    for (let nr = 0; nr < 10; nr++) await memory.delete(`${nr}`);
    expect(await receipts()).toBe(10);
  });
});

test("reads that are written down under a write which changes the expiry are kept", async () => {
  const { store, afterNextLooks } = interruptible();
  const { ctx, log } = await setup(store);
  const accesses = new AccessCounter(log);
  const memory = createMemory(log, ctx, "notes", accesses);
  await memory.set("a", 1);
  await memory.get("a");
  afterNextLooks(() => accesses.stop(ctx));
  expect(await memory.set("a", 2, { expected: 1, expiresInMs: 1_000 })).toEqual({ ok: true, version: 2 });
  expect(await memory.get("a")).toMatchObject({ value: 2, accessCount: 1, expiresAt: ctx.runtime.clock.now() + 1_000 });
});

test("values and metadata have their bounds, and what is no JSON object is no metadata", async () => {
  const { memory } = await setup();
  const quotes = '"":""'.length + 2;
  await memory.set("a", 1, { metadata: { "": "x".repeat(4_096 - quotes) } });
  const tooLarge = memory.set("a", 1, { metadata: { "": "x".repeat(4_097 - quotes) } });
  await expect(tooLarge).rejects.toMatchObject({ code: "memory.too_large" });
  for (const metadata of [[], null, "text"] as never[])
    await expect(memory.set("a", 1, { metadata })).rejects.toMatchObject({ code: "memory.invalid" });
  await expect(memory.set("a", "x".repeat(2 ** 20))).rejects.toMatchObject({ code: "memory.too_large" });
  for (const value of [null, undefined as never])
    await expect(memory.set("a", value)).rejects.toMatchObject({ code: "memory.invalid" });
  await expect(memory.set("a", (() => 1) as never)).rejects.toMatchObject({ code: "log.invalid_event" });
  expect(await memory.get("a")).toMatchObject({ value: 1, version: 1 });
});
