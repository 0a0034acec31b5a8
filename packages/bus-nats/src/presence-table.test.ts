// Who is there as far as was heard, whatever order it was heard in.
import { describe, expect, test } from "vitest";
import type { Announcement } from "./presence-table.ts";
import { PresenceTable } from "./presence-table.ts";

const one = (parts: Partial<Announcement> = {}): Announcement => ({
  kind: "worker",
  id: "w",
  bus: "a",
  nr: 1,
  info: { nr: parts.nr ?? 1, bus: parts.bus ?? "a" },
  chars: 20,
  ...parts,
});

describe("PresenceTable", () => {
  test("shows those of a kind by id, until they fall silent", () => {
    const table = new PresenceTable();
    table.hear(one({ id: "w2" }), true, 0, 10);
    table.hear(one({ id: "w1" }), true, 0, 20);
    table.hear(one({ kind: "gateway" }), true, 0, 20);
    expect(table.present("worker", 9).map(({ id }) => id)).toEqual(["w1", "w2"]);
    expect(table.present("worker", 10).map(({ id }) => id)).toEqual(["w1"]);
    table.hear(one({ id: "w1" }), false, 15, 35);
    expect(table.present("worker", 34)).toHaveLength(1);
  });

  test("of one bus the later announcement holds, in whichever order they arrive", () => {
    const table = new PresenceTable();
    table.hear(one({ nr: 2 }), true, 0, 10);
    table.hear(one({ nr: 1 }), true, 1, 11);
    table.leave("worker", "w", "a", 1);
    expect(table.present("worker", 5)).toEqual([{ kind: "worker", id: "w", info: { nr: 2, bus: "a" } }]);
  });

  test("of two buses the one that came last holds, and what the other repeats does not take its place", () => {
    const table = new PresenceTable();
    const shown = (nowMs: number) => table.present("worker", nowMs)[0]?.info.bus;
    table.hear(one({ bus: "a" }), true, 0, 10);
    table.hear(one({ bus: "b" }), true, 1, 11);
    table.hear(one({ bus: "a" }), false, 2, 12);
    expect(shown(3)).toBe("b");
    table.leave("worker", "w", "b", 1);
    table.hear(one({ bus: "a" }), false, 4, 14);
    expect(shown(5)).toBe("a");
    // One that has fallen silent is in nobody's way.
    table.hear(one({ bus: "c" }), false, 20, 30);
    expect(shown(21)).toBe("c");
  });

  test("is bounded in number and in what is said, and has room again for those who come when others fell silent", () => {
    const table = new PresenceTable();
    for (let nr = 0; nr < 10_000; nr++) expect(table.hear(one({ id: `w${nr}` }), true, 0, 10)).toBe(true);
    expect(table.hear(one({ id: "late" }), true, 5, 15)).toBe(false);
    expect(table.hear(one({ id: "w1" }), false, 5, 15)).toBe(true);
    expect(table.hear(one({ id: "late" }), true, 10, 20)).toBe(true);
    expect(table.present("worker", 11).map(({ id }) => id)).toEqual(["late", "w1"]);

    const talkative = new PresenceTable();
    expect(talkative.hear(one({ chars: 20_000_000 }), true, 0, 10)).toBe(true);
    expect(talkative.hear(one({ id: "w2", chars: 20_000_000 }), true, 0, 10)).toBe(false);
    talkative.leave("worker", "w", "a", 1);
    expect(talkative.hear(one({ id: "w2", chars: 20_000_000 }), true, 0, 10)).toBe(true);
  });
});
