import fc from "fast-check";
import { expect } from "vitest";
import { toOrdinal } from "../events.ts";
import type { LogPage } from "../log-page.ts";
import { createMemoryStore } from "../memory-store.ts";
import type { CommitOutcome, CommitResult, EncodedAppend, RecordChangePage, Store } from "../store.ts";

// The memory store is the model. A history is run on it and on the store under test, and every answer compared. Names get a
// prefix and numbers are counted from where the store stood, so that one store can serve many histories.

type Step =
  | { readonly kind: "commit"; readonly batch: readonly DraftAppend[]; readonly passMs: number }
  /** Sends an earlier batch again, as group commit does when an answer was lost. */
  | { readonly kind: "repeat"; readonly which: number }
  | { readonly kind: "purge" }
  | {
      readonly kind: "read";
      readonly from: number;
      readonly limit: number;
      readonly direction: "forward" | "backward";
    };

interface DraftAppend {
  readonly streams: readonly { readonly stream: string; readonly expected: number; readonly events: number }[];
  readonly records: readonly {
    readonly key: string;
    readonly expected: number;
    readonly value: string | null;
    readonly lastsMs: number | null;
  }[];
}

const streamNames = ["a", "b", "c"];
const recordKeys = ["k", "l", "m"];
const expected = fc.oneof(
  { weight: 2, arbitrary: fc.constant(-1) },
  { weight: 3, arbitrary: fc.integer({ min: 0, max: 4 }) },
);

const draftAppend: fc.Arbitrary<DraftAppend> = fc.record({
  streams: fc.uniqueArray(
    fc.record({ stream: fc.constantFrom(...streamNames), expected, events: fc.integer({ min: 0, max: 3 }) }),
    { maxLength: 3, selector: (write) => write.stream },
  ),
  records: fc.uniqueArray(
    fc.record({
      key: fc.constantFrom(...recordKeys),
      expected,
      value: fc.constantFrom("1", '{"x":[1,2]}', "null", null),
      lastsMs: fc.constantFrom(null, 0, 5, 20),
    }),
    { maxLength: 2, selector: (write) => write.key },
  ),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("commit" as const),
      batch: fc.array(draftAppend, { minLength: 1, maxLength: 4 }).map(expectOnlyOnce),
      passMs: fc.constantFrom(0, 1, 5, 10),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("repeat" as const), which: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("purge" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("read" as const),
      from: fc.nat(12),
      limit: fc.integer({ min: 0, max: 5 }),
      direction: fc.constantFrom("forward" as const, "backward" as const),
    }),
  },
);

/** As the port asks: a stream that stands in several appends of a batch is expected at no version in any. */
function expectOnlyOnce(batch: readonly DraftAppend[]): DraftAppend[] {
  const counts = new Map<string, number>();
  for (const append of batch)
    for (const { stream } of append.streams) counts.set(stream, (counts.get(stream) ?? 0) + 1);
  return batch.map((append) => ({
    ...append,
    streams: append.streams.map((write) => ((counts.get(write.stream) ?? 0) > 1 ? { ...write, expected: -1 } : write)),
  }));
}

async function check(store: Store, history: readonly Step[], prefix: string): Promise<void> {
  const model = createMemoryStore();
  const base = await store.head();
  const sent: EncodedAppend[][] = [];
  // Before any time that other tests use, so that their records neither expire nor are purged here.
  let now = 1;
  await store.purgeRecords(1_000, 1_000);
  let ids = 0;
  for (const action of history) {
    switch (action.kind) {
      case "commit": {
        now += action.passMs;
        const batch = action.batch.map((append) => encode(append, prefix, now, () => `${prefix}${++ids}`));
        sent.push(batch);
        await compareCommit(store, model, batch, now, base);
        break;
      }
      case "repeat": {
        const batch = sent[action.which % Math.max(1, sent.length)];
        if (batch !== undefined) await compareCommit(store, model, batch, now, base);
        break;
      }
      case "purge": {
        expect(await store.purgeRecords(now, 1_000)).toBe(await model.purgeRecords(now, 1_000));
        break;
      }
      case "read": {
        const { from, limit, direction } = action;
        expect(
          relative(await store.readAll(base.ordinal + from, limit, direction, { streamPrefix: prefix }), base.ordinal),
        ).toEqual(relative(await model.readAll(from, limit, direction, {}), 0));
        break;
      }
    }
    await compareState(store, model, prefix, now, base);
  }
}

async function compareCommit(
  store: Store,
  model: Store,
  batch: readonly EncodedAppend[],
  now: number,
  base: { ordinal: number; change: number },
): Promise<void> {
  const actual = await store.commit(batch, now);
  const wanted = await model.commit(batch, now);
  expect(normal(actual, batch, base)).toEqual(normal(wanted, batch, { ordinal: 0, change: 0 }));
}

async function compareState(
  store: Store,
  model: Store,
  prefix: string,
  now: number,
  base: { ordinal: number; change: number },
): Promise<void> {
  for (const name of streamNames) {
    expect(relative(await store.readStream(prefix + name, 1, 100, "forward"), base.ordinal)).toEqual(
      relative(await model.readStream(prefix + name, 1, 100, "forward"), 0),
    );
  }
  const from = streamNames.map((name) => ({ stream: prefix + name, fromVersion: 2 }));
  const limits = { events: 3, bytes: 7 };
  const pages = await Promise.all([store.readStreams(from, limits), model.readStreams(from, limits)]);
  const [actual, wanted] = pages.map((each, at) => each.map((page) => relative(page, at === 0 ? base.ordinal : 0)));
  expect(actual).toEqual(wanted);
  const head = await store.head();
  expect({ ordinal: head.ordinal - base.ordinal, change: head.change - base.change }).toEqual(await model.head());
  expect(await store.listRecords(prefix, "", 100, now)).toEqual(await model.listRecords(prefix, "", 100, now));
  for (const prefixes of [[prefix], [`${prefix}l`, `${prefix}m`]]) {
    const changes = await store.readChanges(base.change, 100, prefixes);
    expect(relativeChanges(changes, base.change)).toEqual(
      relativeChanges(await model.readChanges(0, 100, prefixes), 0),
    );
  }
}

function encode(append: DraftAppend, prefix: string, now: number, nextId: () => string): EncodedAppend {
  const id = nextId();
  return {
    id,
    streams: append.streams.map((write) => ({
      stream: prefix + write.stream,
      expected: write.expected,
      events: Array.from({ length: write.events }, () => ({
        id: nextId(),
        type: "happened",
        data: "{}",
        tenant: "default",
        session: null,
        correlation: null,
        metadata: '{"actor":"system"}',
        time: now,
      })),
    })),
    records: append.records.map((write) => ({
      key: prefix + write.key,
      expected: write.expected,
      value: write.value,
      expiresAt: write.lastsMs === null ? null : now + write.lastsMs,
    })),
  };
}

/**
 * What may be compared: numbers from where the store stood, no ordinal where an append had no event to give it to, and the last change
 * only where there was one.
 */
function normal(result: CommitResult, batch: readonly EncodedAppend[], base: { ordinal: number; change: number }) {
  const changes = result.outcomes.some(
    (outcome, index) => outcome.kind === "appended" && !outcome.repeated && (batch[index]?.records.length ?? 0) > 0,
  );
  return {
    ...(changes && { lastChange: (result.lastChange as number) - base.change }),
    outcomes: result.outcomes.map((outcome: CommitOutcome, index) => {
      if (outcome.kind !== "appended") return outcome;
      const hasEvents = batch[index]?.streams.some((write) => write.events.length > 0);
      return { ...outcome, firstOrdinal: hasEvents ? outcome.firstOrdinal - base.ordinal : 0 };
    }),
  };
}

const relative = ({ events, isEnd }: LogPage, base: number) => ({
  events: events.map((event) => ({ ...event, position: toOrdinal(event.position) - base })),
  isEnd,
});

const relativeChanges = ({ changes, isEnd, lastChange }: RecordChangePage, base: number) => ({
  changes: changes.map((change) => ({ ...change, change: change.change - base })),
  isEnd,
  lastChange: lastChange - base,
});

/** Histories, and the check that a store answers each as the memory store does. */
export const storeModel = { histories: fc.array(step, { minLength: 1, maxLength: 12 }), check };
