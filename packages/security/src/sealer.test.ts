/** When the log is sealed and when not, that any number of sealers make one chain, and that failures and restarts leave no gap. */
import { createHash } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject, Runtime } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import type { Store, StoredEvent } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import { afterAll, expect, test, vi } from "vitest";
import type { Seal } from "./seal.ts";
import { leafOf, readSeal, sealEvent, sealLeaves, sealStream } from "./seal.ts";
import type { SealFile } from "./seal-file.ts";
import { readSealFile, sealFile, sizeOfSealFile } from "./seal-file.ts";
import { createSealKey } from "./seal-key.ts";
import { createSealer } from "./sealer.ts";
import { verifySeals } from "./verify-seals.ts";

const folder = mkdtempSync(join(tmpdir(), "viable-sealer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;
const newFile = () => join(folder, `seals-${++files}.jsonl`);

/** Several writers on one store, none of which hears of the others but by looking. */
function world(inner: Store = createMemoryStore()) {
  const store: Store = { ...inner, exclusive: false };
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  /** Files are written in the machine's own time, which goes on between two steps of ours. */
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let done = false;
    const end = () => {
      done = true;
    };
    promise.then(end, end);
    while (!done) await time.advance(10);
    return await promise;
  };
  const open = async (path = newFile(), key = createSealKey(), file = sealFile(path)) => {
    const log = createLog(store, runtime);
    const notices: string[] = [];
    const sealer = createSealer({
      log,
      runtime,
      key,
      file,
      onNotice: (_, message) => notices.push(message),
    });
    await settled(log.start(ctx));
    await sealer.start(ctx);
    let written = 0;
    const stream = `w${files}`;
    return {
      log,
      sealer,
      path,
      key,
      notices,
      async write(count: number) {
        for (let left = count; left > 0; left -= 500) {
          const events = Array.from({ length: Math.min(left, 500) }, () => ({
            type: "written",
            data: { nr: ++written },
          }));
          const outcome = await settled(log.append(ctx, { streams: [{ stream, expected: "any", events }] }));
          expect(outcome).toMatchObject({ ok: true });
        }
      },
      async stop() {
        // Simulated time stands still meanwhile: the file has all the time it needs.
        await sealer.stop(ctx);
        await settled(log.stop(ctx));
      },
    };
  };
  const seals = async (): Promise<Seal[]> =>
    (await everyEvent(inner, { streamPrefix: sealStream })).map(({ data }) => readSeal(data) as Seal);
  return { store: inner, time, ctx, open, seals };
}

vi.setConfig({ testTimeout: 60_000 });
const waits = { timeout: 20_000, interval: 5 };
const numbersIn = async (path: string): Promise<number[]> => {
  const numbers: number[] = [];
  for await (const { number } of readSealFile(path, (await sizeOfSealFile(path)) ?? 0)) numbers.push(number);
  return numbers;
};
/** Waits until a file has every seal, without a gap. */
const untilKept = (path: string, count: number) =>
  vi.waitFor(
    async () => expect(await numbersIn(path)).toEqual(Array.from({ length: count }, (_, at) => at + 1)),
    waits,
  );

/** The verdict on all that is in a store. */
async function judge(store: Store, keys: readonly ReturnType<typeof createSealKey>[], path?: string) {
  async function* every() {
    yield* await everyEvent(store);
  }
  return await verifySeals(
    {
      head: String((await store.head()).ordinal),
      events: every,
      async *seals() {
        yield* await everyEvent(store, { streamPrefix: sealStream });
      },
    },
    {
      keys: new Map(keys.map(({ publicKey }) => [publicKey.id, publicKey])),
      ...(path !== undefined && { outside: readSealFile(path, (await sizeOfSealFile(path)) ?? 0) }),
    },
  );
}

test("a minute after the first event that is not sealed, and never for seals alone", async () => {
  const { time, open, seals, store } = world();
  const one = await open();
  await one.write(3);
  await time.advance(30_000);
  await one.write(2);
  await time.advance(29_000);
  expect(await seals()).toEqual([]);
  expect(one.sealer.status()).toMatchObject({ last: undefined, unsealed: 5, problem: undefined });
  await time.advance(2_000);
  expect(await seals()).toMatchObject([{ number: 1, from: "1", to: "5", count: 5, previous: null }]);
  expect(one.sealer.status()).toMatchObject({ last: { number: 1, to: "5" }, unsealed: 0 });
  await time.advance(3_600_000);
  expect(await seals()).toHaveLength(1);
  await one.write(1);
  await time.advance(61_000);
  // The seal before is among what this one covers.
  expect(await seals()).toMatchObject([{ number: 1 }, { number: 2, from: "6", to: "7", count: 2 }]);
  await untilKept(one.path, 2);
  expect(statSync(one.path).mode & 0o777).toBe(0o600);
  expect(await judge(store, [one.key], one.path)).toMatchObject({ sound: true, sealedTo: "7", outsideTo: "7" });
  await one.stop();
});

test("what comes while a seal is still being committed is sealed within a minute too", async () => {
  const inner = createMemoryStore();
  let held: Promise<void> | undefined;
  const { time, open, seals } = world({
    ...inner,
    commit: async (batch, now, follow) => {
      if (batch.some(({ streams }) => streams.some(({ stream }) => stream === sealStream))) await held;
      return await inner.commit(batch, now, follow);
    },
  });
  const one = await open();
  const other = createLog({ ...inner, exclusive: false }, createRuntime({ clock: time }));
  await one.write(1);
  await time.advance(59_000);
  const { promise, resolve } = Promise.withResolvers<void>();
  held = promise;
  await time.advance(1_500);
  const streams = [{ stream: "other", expected: "any" as const, events: [{ type: "written", data: {} }] }];
  await other.append(rootContext(createRuntime({ clock: time })), { streams });
  // Heard of, and a timer for it would have fired by now.
  await time.advance(2_000);
  expect(one.sealer.status()).toMatchObject({ last: undefined, unsealed: 2 });
  resolve();
  await time.advance(60_000);
  expect(await seals()).toMatchObject([{ to: "1" }, { number: 2, to: "3" }]);
  expect(one.sealer.status()).toMatchObject({ unsealed: 0, problem: undefined });
  await one.stop();
});

test("every 1,000 events without waiting; many that nobody had sealed, a thousand at a time", async () => {
  const { time, open, seals, store } = world();
  const unsealed = createLog(store, createRuntime({ clock: time }));
  for (let nr = 0; nr < 11; nr++) {
    const events = Array.from({ length: 500 }, () => ({ type: "old", data: {} }));
    await unsealed.append(rootContext(createRuntime({ clock: time })), {
      streams: [{ stream: "old", expected: "any", events }],
    });
  }
  const one = await open();
  await vi.waitFor(async () => {
    await time.advance(100);
    expect(await seals()).toHaveLength(6);
  }, waits);
  const made = await seals();
  expect(made.map(({ count }) => count)).toEqual([1_000, 1_000, 1_000, 1_000, 1_000, expect.any(Number)]);
  await one.write(1_000);
  await time.advance(1);
  expect((await seals()).length).toBe(7);
  await untilKept(one.path, 7);
  expect(await judge(store, [one.key], one.path)).toMatchObject({ sound: true, outside: 7 });
  await one.stop();
});

test("a stop seals what is there, and the next start goes on behind it, in the log and in the file", async () => {
  const { time, open, seals, store } = world();
  const first = await open();
  await first.write(5);
  await first.stop();
  expect(await seals()).toMatchObject([{ number: 1, to: "5" }]);
  // Killed while it wrote: half a line, and a seal that only the log has.
  const second = await open(first.path, first.key);
  await second.write(1);
  await second.stop();
  const whole = readFileSync(first.path, "utf8").trimEnd().split("\n");
  expect(whole).toHaveLength(2);
  writeFileSync(first.path, `${whole[0]}\n${whole[1]?.slice(0, 100)}`);
  const third = await open(first.path, first.key);
  await third.write(1);
  await time.advance(61_000);
  await untilKept(first.path, 3);
  await third.stop();
  expect(await seals()).toHaveLength(3);
  expect(await judge(store, [first.key], first.path)).toMatchObject({ sound: true, outside: 3 });
});

test("a stop waits until the file has what was sealed while it was written", async () => {
  const { time, open, seals } = world();
  const path = newFile();
  const inner = sealFile(path);
  const { promise: held, resolve } = Promise.withResolvers<void>();
  let isWriting = false;
  const one = await open(path, createSealKey(), {
    ...inner,
    append: async (...args) => {
      isWriting = true;
      await held;
      return await inner.append(...args);
    },
  });
  await one.write(1);
  await time.advance(61_000);
  await vi.waitFor(() => expect(isWriting).toBe(true), waits);
  await one.write(1);
  const stopped = one.stop();
  await vi.waitFor(async () => expect(await seals()).toHaveLength(2), waits);
  resolve();
  await stopped;
  expect(await numbersIn(path)).toEqual([1, 2]);
});

/** A log of so many seals, each over one event, in which there is nothing left to seal. */
async function sealedLog(count: number): Promise<{ readonly store: Store; readonly runtime: Runtime }> {
  const store = createMemoryStore();
  const runtime = createRuntime();
  const log = createLog(store, runtime);
  const key = createSealKey();
  let last: Seal | undefined;
  const events = Array.from({ length: count }, (_, at) => {
    last = sealLeaves([createHash("sha256").update(String(at)).digest("hex")], last, key, at);
    return sealEvent(last);
  });
  for (let at = 0; at < count; at += 500)
    await log.append(rootContext(runtime), {
      streams: [{ stream: sealStream, expected: at, events: events.slice(at, at + 500) }],
    });
  return { store, runtime };
}

test("two that fill one file of many seals anew at once write each of them once", async () => {
  const many = 1_250;
  const { store, runtime } = await sealedLog(many);
  const path = newFile();
  const inner = sealFile(path);
  const { promise: held, resolve } = Promise.withResolvers<void>();
  const open = (file: SealFile) =>
    createSealer({ log: createLog(store, runtime), runtime, key: createSealKey(), file, onNotice: () => {} });
  // One has looked before the others began, and writes when they have done almost all of it.
  const late = open({
    ...inner,
    append: async (...args) => {
      await held;
      return await inner.append(...args);
    },
  });
  const others = [open(inner), open(inner)];
  for (const sealer of [late, ...others]) await sealer.start(rootContext(runtime));
  await untilKept(path, many);
  resolve();
  for (const sealer of [late, ...others]) await sealer.stop(rootContext(runtime));
  expect(late.status().fileProblem).toBeUndefined();
  expect(await numbersIn(path)).toHaveLength(many);
  // Not one line more than there are seals.
  expect(readFileSync(path, "utf8").trimEnd().split("\n")).toHaveLength(many);
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test("two that seal one log make one chain, and each file has all of it", async () => {
  const { time, open, seals, store } = world();
  const [a, b] = [await open(), await open()];
  for (let round = 0; round < 5; round++) {
    await a.write(700);
    await b.write(700);
    await time.advance(61_000);
  }
  const made = await seals();
  expect(made.map(({ number }) => number)).toEqual(made.map((_, at) => at + 1));
  expect(made.length).toBeGreaterThanOrEqual(7);
  for (const one of [a, b]) {
    await untilKept(one.path, made.length);
    expect(await judge(store, [a.key, b.key], one.path)).toMatchObject({ sound: true, outside: made.length });
    expect(one.sealer.status()).toMatchObject({ problem: undefined, fileProblem: undefined });
  }
  await a.stop();
  await b.stop();
});

test("what another has sealed is kept in one's own file at once, and not sealed again", async () => {
  const { time, open, seals } = world();
  const [a, b] = [await open(), await open()];
  await a.write(5);
  await vi.waitFor(async () => {
    await time.advance(100);
    expect(b.sealer.status().unsealed).toBe(5);
  }, waits);
  await a.stop();
  await time.advance(3_000);
  expect(b.sealer.status()).toMatchObject({ last: { number: 1, to: "5" }, unsealed: 0 });
  await untilKept(b.path, 1);
  await time.advance(120_000);
  expect(await seals()).toHaveLength(1);
  await b.stop();
});

test("of what another has sealed before it was read here, nothing is sealed again", async () => {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const eventAt = (position: number, version: number, type: string, data: JsonObject): StoredEvent => ({
    id: `evt_${position}`,
    stream: type === "log.sealed" ? sealStream : "written",
    version,
    position: String(position),
    type,
    data,
    metadata: { tenant: "default", actor: "system" },
    time: time.now(),
  });
  const written = Array.from({ length: 12 }, (_, at) => eventAt(at + 1, at + 1, "written", { at }));
  const others = sealLeaves(written.slice(0, 10).map(leafOf), undefined, createSealKey(), time.now());
  const inLog: StoredEvent[] = [];
  let handle: (event: StoredEvent) => unknown = () => {};
  const appended: Seal[] = [];
  const sealer = createSealer({
    runtime,
    key: createSealKey(),
    file: { path: "none", last: async () => undefined, append: async () => true },
    onNotice: () => {},
    log: {
      readStream: async (_, __, { fromVersion = 1 } = {}) => inLog.filter(({ version }) => version >= fromVersion),
      subscribe(_, options) {
        handle = options.handle;
        return { name: "sealer", state: "live", position: "0", lagEvents: 0, caughtUp: async () => {}, stop: () => {} };
      },
      async append(_, { streams }) {
        const seal = readSeal(streams?.[0]?.events[0]?.data) as Seal;
        if (seal.number <= inLog.length)
          return { ok: false, reason: "conflict", stream: sealStream, expected: seal.number - 1, actual: inLog.length };
        appended.push(seal);
        return {
          ok: true,
          position: "14",
          versions: [seal.number],
          recordVersions: [],
          time: undefined,
          repeated: false,
        };
      },
    },
  });
  await sealer.start(rootContext(runtime));
  await time.settle();
  for (const event of written.slice(0, 5)) await handle(event);
  inLog.push(eventAt(13, 1, "log.sealed", { ...others }));
  // Ours comes too late: the other's reaches further than has been read here.
  await time.advance(61_000);
  expect(appended).toEqual([]);
  expect(sealer.status()).toMatchObject({ last: { number: 1, to: "10" }, unsealed: 0 });
  for (const event of [...written.slice(5), ...inLog]) await handle(event);
  await time.advance(61_000);
  expect(appended).toMatchObject([{ number: 2, from: "11", to: "13", count: 3 }]);
  await sealer.stop(rootContext(runtime));
});

test("while the database is away it says so and tries again, and leaves no gap", async () => {
  const inner = createMemoryStore();
  let isAway = false;
  const { time, open, seals, store } = world({
    ...inner,
    commit: async (batch, now) => {
      if (isAway) throw new ViableError(storeUnavailable, "The database is away.");
      return await inner.commit(batch, now);
    },
  });
  const one = await open();
  await one.write(3);
  isAway = true;
  await vi.waitFor(async () => {
    await time.advance(5_000);
    expect(one.sealer.status().problem).toBeDefined();
  }, waits);
  expect(one.notices).toEqual([expect.stringMatching(/^The log is not sealed at present/)]);
  expect(await seals()).toEqual([]);
  isAway = false;
  await vi.waitFor(async () => {
    await time.advance(5_000);
    expect(one.sealer.status()).toMatchObject({ problem: undefined, unsealed: 0 });
  }, waits);
  expect(one.notices).toHaveLength(2);
  expect(await judge(store, [one.key])).toMatchObject({ sound: true });
  await one.stop();
});

test("a file that tells of another log is left as it is, and that is told until it is moved away", async () => {
  const other = world();
  const elsewhere = await other.open();
  await elsewhere.write(2);
  await elsewhere.stop();
  const evidence = readFileSync(elsewhere.path, "utf8");

  const { time, open, store } = world();
  const one = await open(elsewhere.path);
  await one.write(1);
  await time.advance(61_000);
  await vi.waitFor(() => expect(one.sealer.status().fileProblem).toContain("another seal 1"), waits);
  expect(readFileSync(elsewhere.path, "utf8")).toBe(evidence);
  renameSync(elsewhere.path, `${elsewhere.path}.old`);
  await vi.waitFor(async () => {
    await time.advance(10_000);
    expect(one.sealer.status().fileProblem).toBeUndefined();
  }, waits);
  expect(await judge(store, [one.key], one.path)).toMatchObject({ sound: true, outside: 1 });
  await one.stop();
});

test("a file that holds something else is not touched; what two processes wrote at once is read once", async () => {
  const path = newFile();
  const { time, open } = world();
  writeFileSync(path, "My notes");
  const one = await open(path);
  await one.write(1);
  await time.advance(61_000);
  await vi.waitFor(
    () => expect(one.sealer.status().fileProblem).toContain("does not end as a file of seals does"),
    waits,
  );
  expect(readFileSync(path, "utf8")).toBe("My notes");
  rmSync(path);
  await one.write(1);
  await time.advance(61_000);
  await vi.waitFor(
    () => expect(existsSync(path) && readFileSync(path, "utf8").split("\n").length === 3).toBe(true),
    waits,
  );
  appendFileSync(path, readFileSync(path));
  expect(await numbersIn(path)).toEqual([1, 2]);
  appendFileSync(path, "{}\n");
  await expect(numbersIn(path)).rejects.toMatchObject({
    code: "security.seal_file_damaged",
    message: expect.stringContaining("line 5"),
  });
  await one.stop();
});
