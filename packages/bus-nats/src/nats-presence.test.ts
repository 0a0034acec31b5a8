// Presence by word of mouth under simulated time, over a wire that can be cut.
import { createRuntime, rootContext, seededRandom, simulateTime, withContext } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { NatsPresence } from "./nats-presence.ts";

function openWorld() {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time, random: seededRandom(7) });
  const ctx = rootContext(runtime);
  const said: string[] = [];
  const members = new Map<NatsPresence, { isCut: boolean }>();
  const join = (busId: string) => {
    const presence: NatsPresence = new NatsPresence(runtime, {
      busId,
      say(text) {
        if (members.get(presence)?.isCut) return;
        said.push(text);
        const data = new TextEncoder().encode(text);
        for (const [other, { isCut }] of members) if (!isCut && !other.hear(data)) throw new Error(`Not read: ${text}`);
      },
      onFull: () => {
        throw new Error("full");
      },
    });
    members.set(presence, { isCut: false });
    presence.start();
    presence.connected();
    return presence;
  };
  const cut = (presence: NatsPresence) => members.set(presence, { isCut: true });
  const mend = (presence: NatsPresence, { silently = false } = {}) => {
    members.set(presence, { isCut: false });
    if (!silently) presence.connected();
  };
  const ids = (presence: NatsPresence) => presence.present("worker").map(({ id }) => id);
  return { time, ctx, said, join, cut, mend, ids };
}

describe("NatsPresence", () => {
  test("is heard at once, and goes on for as long as it is repeated", async () => {
    const { time, ctx, join, ids } = openWorld();
    const [one, two] = [join("one"), join("two")];
    one.announce(ctx, "worker", "w1", {});
    expect([ids(one), ids(two)]).toEqual([["w1"], ["w1"]]);
    await time.advance(60_000);
    expect(ids(two)).toEqual(["w1"]);
  });

  test("a newcomer hears of everybody within a tenth of a second, and many who come at once are answered once", async () => {
    const { time, ctx, said, join, ids } = openWorld();
    const one = join("one");
    one.announce(ctx, "worker", "w1", {});
    said.length = 0;
    const later = Array.from({ length: 10 }, (_, nr) => join(`later${nr}`));
    await time.advance(100);
    for (const each of later) expect(ids(each)).toEqual(["w1"]);
    expect(said.filter((text) => text.includes('"here"'))).toHaveLength(1);
  });

  test("one that died is forgotten after three silent periods, and not after two", async () => {
    const { time, ctx, join, cut, ids } = openWorld();
    const [one, two] = [join("one"), join("two")];
    one.announce(ctx, "worker", "w1", {});
    cut(one);
    await time.advance(14_999);
    expect(ids(two)).toEqual(["w1"]);
    await time.advance(2);
    expect(ids(two)).toEqual([]);
    // For itself it is there.
    expect(ids(one)).toEqual(["w1"]);
  });

  test("what was announced without a connection is told with it", () => {
    const { ctx, join, cut, mend, ids } = openWorld();
    const [one, two] = [join("one"), join("two")];
    cut(one);
    one.announce(ctx, "worker", "w1", {});
    expect([ids(one), ids(two)]).toEqual([["w1"], []]);
    mend(one);
    expect(ids(two)).toEqual(["w1"]);
  });

  test("what is said first, and lost, is said again within half a second, and so is the roll call", async () => {
    const { time, ctx, join, cut, mend, ids } = openWorld();
    const [one, two] = [join("one"), join("two")];
    await time.advance(1_000);
    // Cut without knowing it, as where a server does not know yet who listens.
    cut(one);
    one.announce(ctx, "worker", "w1", {});
    const three = join("three");
    three.announce(ctx, "worker", "w3", {});
    await time.advance(400);
    expect([ids(one), ids(two)]).toEqual([["w1"], ["w3"]]);
    mend(one, { silently: true });
    await time.advance(250);
    expect([ids(one), ids(two), ids(three)]).toEqual(Array(3).fill(["w1", "w3"]));
  });

  test("is taken back by leaving, by the context's end, and by the bus's", async () => {
    const { time, ctx, join, ids } = openWorld();
    const [one, two] = [join("one"), join("two")];
    const controller = new AbortController();
    const leave = one.announce(ctx, "worker", "w1", {});
    one.announce(withContext(ctx, { signal: controller.signal }), "worker", "w2", {});
    one.announce(ctx, "worker", "w3", {});
    leave();
    expect(ids(two)).toEqual(["w2", "w3"]);
    controller.abort();
    expect(ids(two)).toEqual(["w3"]);
    one.stop();
    expect(ids(two)).toEqual([]);
    two.stop();
    expect(time.pending).toBe(0);
  });

  test("before the start and after the end there is no announcing", () => {
    const { ctx, join } = openWorld();
    const one = join("one");
    one.stop();
    expect(() => one.announce(ctx, "worker", "w", {})).toThrow(expect.objectContaining({ code: "bus.closed" }));
  });

  test("one bus announces a thousand at a time, and another in the place of one that leaves or is replaced", () => {
    const { ctx, join } = openWorld();
    const one = join("one");
    const leaves = Array.from({ length: 1_000 }, (_, nr) => one.announce(ctx, "worker", `w${nr}`, {}));
    const more = () => one.announce(ctx, "worker", "more", {});
    expect(more).toThrow(expect.objectContaining({ code: "bus.overloaded" }));
    one.announce(ctx, "worker", "w1", { again: true });
    leaves[2]?.();
    more();
    expect(one.present("worker")).toHaveLength(1_000);
  });

  test("names and words are bounded", () => {
    const { ctx, join } = openWorld();
    const one = join("one");
    for (const [kind, id, info] of [
      ["k".repeat(256), "w", {}],
      ["worker", "i".repeat(256), {}],
      ["worker", "w", { text: "x".repeat(300_000) }],
    ] as const) {
      expect(() => one.announce(ctx, kind, id, info)).toThrow(expect.objectContaining({ code: "bus.invalid_message" }));
    }
  });

  test.each([
    "",
    "1",
    "1[]",
    "1{}",
    '1{"say":"here","bus":7}',
    '1{"say":"here","bus":"b","kind":"worker","id":"w","nr":1}',
    '1{"say":"here","bus":"b","kind":"worker","id":"w","nr":1,"info":[]}',
    '1{"say":"here","bus":"b","kind":"worker","id":"w","nr":1.5,"info":{}}',
    `1{"say":"here","bus":"b","kind":"worker","id":"${"w".repeat(256)}","nr":1,"info":{}}`,
    '1{"say":"what","bus":"b","kind":"worker","id":"w","nr":1,"info":{}}',
  ])("what nobody of us says is not read: %s", (text) => {
    const { join, ids } = openWorld();
    const one = join("one");
    expect(one.hear(new TextEncoder().encode(text))).toBe(false);
    expect(ids(one)).toEqual([]);
  });
});
