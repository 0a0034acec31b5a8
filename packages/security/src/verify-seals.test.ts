/**
 * Seals show every change of what they cover, and name the first event concerned: single changes of any field of any event, by a property
 * over random logs; the larger tampers one by one; and what only seals from outside show. Rows are changed as whoever has the database
 * changes them: nothing of the log's own stands in the way.
 */
import type { JsonObject } from "@viable/kernel";
import type { StoredEvent } from "@viable/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Seal } from "./seal.ts";
import { hashOfSeal, leafOf, readSeal, sealEvent, sealLeaves, sealStream } from "./seal.ts";
import type { SealKey } from "./seal-key.ts";
import { createSealKey } from "./seal-key.ts";
import type { FoundEvent, VerifyOptions } from "./verify-seals.ts";
import { verifySeals } from "./verify-seals.ts";

const key = createSealKey();
const keysOf = (...keys: SealKey[]) => new Map(keys.map(({ publicKey }) => [publicKey.id, publicKey]));
const keys = keysOf(key);

/** A log being written and sealed. */
function writer(signing = key) {
  const events: StoredEvent[] = [];
  const seals: Seal[] = [];
  const versions = new Map<string, number>();
  const append = (stream: string, type: string, data: JsonObject, tenant = "default") => {
    const version = (versions.get(stream) ?? 0) + 1;
    versions.set(stream, version);
    const position = String(events.length + 1);
    const metadata = { tenant, actor: "system", correlation: `c${position}` };
    events.push({
      id: `evt_${position}_${type}`,
      stream,
      version,
      position,
      type,
      data,
      metadata,
      time: 1_000 + events.length,
    });
  };
  return {
    events,
    seals,
    append,
    /** Some events of two tenants. */
    write(count: number, mark = "a") {
      for (let nr = 0; nr < count; nr++)
        append(
          `order/${events.length % 3}`,
          "order.placed",
          { nr: events.length, mark },
          events.length % 2 === 0 ? "acme" : "globex",
        );
    },
    /** Seals all that is there, or as much as is said. */
    seal(upTo = events.length) {
      const previous = seals.at(-1);
      const leaves = events.slice(Number(previous?.to ?? 0), upTo).map(leafOf);
      const made = sealLeaves(leaves, previous, signing, 5_000 + seals.length);
      seals.push(made);
      const { type, data } = sealEvent(made);
      append(sealStream, type, data);
      return made;
    },
  };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
const rowsOf = (events: readonly FoundEvent[], head = events.at(-1)?.position ?? "0") => ({
  head,
  events: () => each(events),
  seals: () =>
    each(
      events
        .filter((event): event is StoredEvent => "stream" in event && event.stream === sealStream)
        .toSorted((one, other) => one.version - other.version),
    ),
});
const verify = (events: readonly FoundEvent[], options: Partial<VerifyOptions> = {}, head?: string) =>
  verifySeals(rowsOf(events, head), { keys, ...options });
/** Gives every event the position it stands at, as one does who wants nothing to be seen. */
const renumber = (events: readonly StoredEvent[]): StoredEvent[] =>
  events.map((event, index) => ({ ...event, position: String(index + 1) }));

/** Ten events, sealed in two, with the seals between, and three behind them. */
function sample() {
  const log = writer();
  log.write(5);
  log.seal();
  log.write(5, "b");
  log.seal();
  log.write(3, "c");
  return log;
}

/** Every way to change one field of an event. */
const changes: { readonly [field: string]: (event: StoredEvent) => Partial<StoredEvent> } = {
  id: ({ id }) => ({ id: `${id}x` }),
  stream: ({ stream }) => ({ stream: `${stream}/x` }),
  version: ({ version }) => ({ version: version + 7 }),
  "lower version": ({ version }) => ({ version: version - 1 }),
  type: ({ type }) => ({ type: `${type}.x` }),
  time: ({ time }) => ({ time: time + 0.5 }),
  data: ({ data }) => ({ data: { ...data, added: null } }),
  "order of data": ({ data }) => ({ data: { z: 1, ...data } }),
  tenant: ({ metadata }) => ({ metadata: { ...metadata, tenant: "other" } }),
  actor: ({ metadata }) => ({ metadata: { ...metadata, actor: "owner" } }),
  session: ({ metadata }) => ({ metadata: { ...metadata, session: "ses_1" } }),
  correlation: ({ metadata: { correlation: _, ...metadata } }) => ({ metadata }),
  causation: ({ metadata }) => ({ metadata: { ...metadata, causation: "evt_1" } }),
  traceparent: ({ metadata }) => ({ metadata: { ...metadata, traceparent: "00-1" } }),
  schemaVersion: ({ metadata }) => ({ metadata: { ...metadata, schemaVersion: 2 } }),
  "unknown metadata": ({ metadata }) => ({ metadata: { ...metadata, more: true } as StoredEvent["metadata"] }),
};

test("a log that is as it was sealed is sound, and what is not proven is told", async () => {
  const log = sample();
  const verdict = await verify(log.events);
  expect(verdict).toMatchObject({
    sound: true,
    first: undefined,
    events: 15,
    seals: 2,
    sealedTo: "11",
    unsealed: 4,
    outside: 0,
  });
  expect(verdict.proven.join()).toContain("Events 1 to 11");
  expect(verdict.notProven.join()).toMatch(/Events 12 to 15 are not sealed.*No seals from outside/);
  const held = await verify(log.events, { outside: each(log.seals) });
  expect(held).toMatchObject({ sound: true, outside: 2, outsideTo: "11" });
  expect(held.notProven.join()).not.toContain("outside");
  expect(await verify([])).toMatchObject({ sound: true, sealedTo: "0" });
  expect((await verify(log.events.slice(0, 3))).notProven.join()).toContain("Nothing is sealed yet");
});

test("in which order metadata was written says nothing: it is hashed in one of its own", () => {
  const [event] = sample().events;
  const { metadata } = event as StoredEvent;
  const turned = Object.fromEntries(Object.entries(metadata).reverse()) as unknown as StoredEvent["metadata"];
  expect(Object.keys(turned)).not.toEqual(Object.keys(metadata));
  expect(leafOf({ ...(event as StoredEvent), metadata: turned })).toEqual(leafOf(event as StoredEvent));
});

test("any single change of any field of any sealed event is found, and named", { timeout: 60_000 }, async () => {
  const stretches = fc.array(
    fc.record({ count: fc.integer({ min: 0, max: 8 }), lag: fc.integer({ min: 0, max: 3 }) }),
    {
      minLength: 1,
      maxLength: 6,
    },
  );
  const property = fc.asyncProperty(
    stretches,
    fc.nat(),
    fc.constantFrom(...Object.keys(changes)),
    fc.boolean(),
    async (parts, chance, field, hasOutside) => {
      const log = writer();
      for (const { count, lag } of parts) {
        log.write(count + 1);
        // A seal may come to stand far behind what it covers.
        const upTo = log.events.length;
        log.write(lag, "later");
        log.seal(upTo);
      }
      const options = () => (hasOutside ? { outside: each(log.seals) } : {});
      expect(await verify(log.events, options())).toMatchObject({ sound: true, sealedTo: log.seals.at(-1)?.to });
      const index = chance % Number(log.seals.at(-1)?.to);
      const changed = log.events.map((event, at) => (at === index ? { ...event, ...changes[field]?.(event) } : event));
      const { sound, first } = await verify(changed, options());
      expect({ sound, position: first?.position }).toEqual({ sound: false, position: String(index + 1) });
    },
  );
  await fc.assert(property, { numRuns: 300 });
});

describe("what a stretch shows by the seals in the log alone", () => {
  const kindOf = async (events: readonly FoundEvent[], options: Partial<VerifyOptions> = {}, head?: string) => {
    const { sound, first } = await verify(events, options, head);
    return { sound, position: first?.position, kind: first?.kind, seal: first?.seal };
  };

  test("an edit, with the event's type and place in its stream", async () => {
    const events = sample().events.map((event) => (event.position === "8" ? { ...event, data: { nr: 0 } } : event));
    expect(await kindOf(events)).toEqual({ sound: false, position: "8", kind: "edited", seal: 2 });
    expect((await verify(events)).first?.detail).toContain("order.placed, version 3 of order/1");
  });

  test("a deletion, with and without its place being closed", async () => {
    const without = sample().events.filter(({ position }) => position !== "8");
    expect(await kindOf(without, {}, "15")).toEqual({ sound: false, position: "8", kind: "deleted", seal: 2 });
    expect(await kindOf(renumber(without))).toEqual({ sound: false, position: "8", kind: "deleted", seal: 2 });
    const twoLess = renumber(sample().events.filter(({ position }) => position !== "2" && position !== "3"));
    expect((await verify(twoLess)).first).toMatchObject({
      position: "2",
      kind: "deleted",
      detail: expect.stringContaining("2 events"),
    });
  });

  test("an insertion, and a change of order", async () => {
    const { events } = sample();
    const [first] = events;
    const inserted = renumber(
      events.toSpliced(3, 0, { ...(first as StoredEvent), id: "evt_new", stream: "forged", version: 1 }),
    );
    expect(await kindOf(inserted)).toEqual({ sound: false, position: "4", kind: "inserted", seal: 1 });
    const [second, third] = events.slice(1, 3);
    const swapped = renumber(events.toSpliced(1, 2, third as StoredEvent, second as StoredEvent));
    expect(await kindOf(swapped)).toEqual({ sound: false, position: "2", kind: "reordered", seal: 1 });
  });

  test("an event that was given to another tenant", async () => {
    const events = sample().events.map((event) =>
      event.position === "4" ? { ...event, metadata: { ...event.metadata, tenant: "acme" } } : event,
    );
    expect(await kindOf(events)).toEqual({ sound: false, position: "4", kind: "tenant_changed", seal: 1 });
  });

  test("an event that cannot be read any more", async () => {
    const { events } = sample();
    const broken = events.map((event) => (event.position === "9" ? { position: "9", unreadable: "not JSON" } : event));
    expect(await kindOf(broken)).toEqual({ sound: false, position: "9", kind: "unreadable", seal: 2 });
    const brokenSeal = events.map((event) =>
      event.position === "12" ? { position: "12", unreadable: "not JSON" } : event,
    );
    expect(await kindOf(brokenSeal)).toEqual({ sound: false, position: "12", kind: "unreadable", seal: undefined });
  });

  test("seals that were changed, are gone, or were forged with another key", async () => {
    const { events } = sample();
    const last = events.findLastIndex(({ stream }) => stream === sealStream);
    const seal = readSeal(events[last]?.data) as Seal;
    const withSeal = (data: Seal) => events.map((event, at) => (at === last ? { ...event, data: { ...data } } : event));
    // Whatever it says is signed.
    const edits: Partial<Seal>[] = [
      { number: 3 },
      { to: "10", count: 5 },
      { root: "x".repeat(43) },
      { previous: null },
      { sealedAt: 1 },
      { tags: `${seal.tags.slice(11)}${seal.tags.slice(0, 11)}` },
    ];
    for (const edit of edits)
      expect(await kindOf(withSeal({ ...seal, ...edit }))).toMatchObject({ position: "12", kind: "seal_edited" });
    const forged = writer(createSealKey());
    forged.write(5);
    forged.seal();
    expect(await kindOf(forged.events)).toMatchObject({ position: "6", kind: "unknown_key", seal: 1 });
    // Gone from among the seals, and from its place as well.
    expect(await kindOf(events.filter(({ position }) => position !== "6"))).toMatchObject({
      position: "6",
      kind: "deleted",
      seal: 2,
    });
    // Its stretch is not vouched for any more, and the rest is judged as before.
    const both = events
      .filter(({ position }) => position !== "6" && position !== "2")
      .map((event) => (event.position === "9" ? { ...event, time: 0 } : event));
    expect((await verify(both)).findings.map(({ position, kind }) => [position, kind])).toEqual([
      [undefined, "seal_deleted"],
      ["2", "deleted"],
    ]);
  });

  test("what the first bytes of a hash would let pass, the hash over all does not", async () => {
    const log = writer();
    log.write(5);
    const leaves = log.events.map(leafOf);
    leaves[2] = `${leaves[2]?.slice(0, 16)}${"0".repeat(48)}`;
    log.append(sealStream, "log.sealed", { ...sealLeaves(leaves, undefined, key, 0) });
    expect((await verify(log.events)).first).toMatchObject({ position: "1", kind: "edited", seal: 1 });
  });

  test("a log that is shorter than it says, and one in which what is not sealed has a gap", async () => {
    const { events } = sample();
    expect(await kindOf(events.slice(0, 13), {}, "15")).toMatchObject({
      position: "14",
      kind: "truncated",
      seal: undefined,
    });
    expect(await kindOf(events.filter(({ position }) => position !== "14"))).toMatchObject({
      position: "14",
      kind: "deleted",
    });
  });
});

describe("what only seals from outside show", () => {
  test("without them a log that was cut off, or written anew with the key, is sound, and it is said that this cannot be seen", async () => {
    const { events } = sample();
    const cut = await verify(events.slice(0, 6));
    expect(cut).toMatchObject({ sound: true, sealedTo: "5" });
    expect(cut.notProven.join()).toContain("cannot be seen");
  });

  test("a log that was cut off anywhere", async () => {
    const { events, seals } = sample();
    for (let left = 0; left < 12; left++) {
      const { sound, first } = await verify(events.slice(0, left), { outside: each(seals) });
      expect({ left, sound, ...first }).toMatchObject({
        left,
        sound: false,
        position: String(left + 1),
        kind: "truncated",
      });
    }
  });

  test("a log that went on from a backup, with the key: where it parts from what was", async () => {
    const original = sample();
    const forked = writer();
    forked.write(5);
    forked.seal();
    forked.write(2, "b");
    // Up to here they are the same.
    expect(forked.events).toEqual(original.events.slice(0, 8));
    forked.write(3, "other");
    expect((await verify(forked.events, { outside: each(original.seals) })).first).toMatchObject({
      position: "9",
      kind: "forked",
      seal: 2,
    });
    forked.seal();
    forked.write(20, "other");
    const { sound, first } = await verify(forked.events, { outside: each(original.seals) });
    expect({ sound, ...first }).toMatchObject({ sound: false, position: "9", kind: "forked", seal: 2 });
    expect(await verify(forked.events)).toMatchObject({ sound: true });
  });

  test("the last seal's hash stands for all before it", async () => {
    const { events, seals } = sample();
    const expected = { number: 2, hash: hashOfSeal(seals[1] as Seal) };
    expect(await verify(events, { expected })).toMatchObject({ sound: true });
    expect(await verify(events.slice(0, 6), { expected })).toMatchObject({
      sound: false,
      first: { kind: "truncated", seal: 2 },
    });
    const other = writer();
    other.write(11, "x");
    other.seal(5);
    other.seal(11);
    expect(await verify(other.events, { expected })).toMatchObject({
      sound: false,
      first: { kind: "forked", seal: 2 },
    });
  });

  test("with them a seal that was changed in the log is known, and its stretch is judged", async () => {
    const { events, seals } = sample();
    const changed = events.map((event) =>
      event.position === "6"
        ? { ...event, data: { ...event.data, sealedAt: 1 } }
        : event.position === "3"
          ? { ...event, time: 0 }
          : event,
    );
    expect(
      (await verify(changed, { outside: each(seals) })).findings.map(({ position, kind }) => [position, kind]),
    ).toEqual([
      ["6", "seal_edited"],
      ["3", "edited"],
      ["6", "edited"],
    ]);
  });

  test("seals from outside that nobody signed prove nothing", async () => {
    const { events, seals } = sample();
    const forged = seals.map((seal) => ({ ...seal, sealedAt: 0 }));
    expect(await verify(events, { outside: each(forged) })).toMatchObject({ sound: false, outsideTo: undefined });
  });
});

test("a key whose seals proved nothing is not told of as one that did", async () => {
  const { events, seals } = sample();
  const forger = createSealKey();
  const forged = sealLeaves(events.slice(5, 11).map(leafOf), seals[0], forger, 0);
  const verdict = await verify(
    events.map((event) => (event.position === "12" ? { ...event, data: { ...forged } } : event)),
  );
  expect(verdict).toMatchObject({ first: { kind: "unknown_key", seal: 2 }, sealedTo: "5" });
  expect(verdict.proven.join()).toMatch(new RegExp(`by the key ${key.publicKey.id}\\.`));
});

test("a seal that says it begins almost without end is passed in one step", async () => {
  const log = writer();
  log.write(3);
  // Anybody can sign this, with a key of their own.
  const before = { ...(sample().seals[0] as Seal), number: 0, to: String(Number.MAX_SAFE_INTEGER - 1) };
  const forged = sealLeaves(log.events.slice(0, 1).map(leafOf), before, createSealKey(), 0);
  expect(forged).toMatchObject({ number: 1, from: String(Number.MAX_SAFE_INTEGER) });
  log.append(sealStream, "log.sealed", { ...forged });
  log.write(1);
  const withGap = log.events.map((event) => (event.position === "5" ? { ...event, position: forged.to } : event));
  const { findings } = await verify(withGap);
  expect(findings).toContainEqual(expect.objectContaining({ position: "5", kind: "deleted", seal: 1 }));
});

test("what was read from is let go of, also where it ends early, and between any two events it can be stopped", async () => {
  const { events, seals } = sample();
  const letGo: string[] = [];
  async function* watched<T>(name: string, items: readonly T[], before: (at: number) => void = () => {}) {
    try {
      for (const [at, item] of items.entries()) {
        before(at);
        yield item;
      }
    } finally {
      letGo.push(name);
    }
  }
  const rows = (before?: (at: number) => void) => ({
    head: "15",
    events: () => watched("events", events, before),
    seals: () => watched("seals", [events[5] as StoredEvent, events[11] as StoredEvent]),
  });
  // The log is cut off for it before the seals end.
  const cut = { ...rows(), events: () => watched("events", events.slice(0, 3)) };
  expect(await verifySeals(cut, { keys, outside: watched("outside", seals) })).toMatchObject({ sound: false });
  expect(letGo.toSorted()).toEqual(["events", "outside", "seals"]);

  letGo.length = 0;
  const stop = new AbortController();
  let read = 0;
  const stopping = rows((at) => {
    read = at;
    if (at === 12) stop.abort(new Error("stopped"));
  });
  await expect(
    verifySeals(stopping, { keys, outside: watched("outside", seals), signal: stop.signal }),
  ).rejects.toThrow("stopped");
  expect(read).toBe(12);
  expect(letGo.toSorted()).toEqual(["events", "outside", "seals"]);
});
