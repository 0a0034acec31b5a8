// What a person sees of a running tree: drawn anew on a terminal, plain and sparse lines elsewhere. In simulated time.
import { stripVTControlCharacters } from "node:util";
import { simulateTime } from "@viable/kernel";
import type { EventView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import type { BoundedTree } from "./bounded-tree.ts";
import { emptyTree, foldBounded } from "./bounded-tree.ts";
import { toSafeText, widthOfText } from "./plain-text.ts";
import { createProgressDisplay } from "./progress-display.ts";
import { renderTree } from "./render-tree.ts";
import { writtenScreen } from "./testing/written-shell.ts";

let position = 0;
const event = (executionId: string, type: string, data: object = {}, ms = 0): EventView => ({
  id: `evt_${++position}`,
  type: `execution.${type}`,
  stream: `execution:${executionId}`,
  version: position,
  position: String(position),
  time: new Date(1_000_000 + ms).toISOString(),
  tenant: "default",
  actor: "owner",
  data: data as EventView["data"],
});
const accepted = (id: string, command: string, parentId?: string): EventView =>
  event(id, "accepted", { command, service: "s", claim: { attempt: 1 }, ...(parentId !== undefined && { parentId }) });
const fold = (...events: EventView[]): BoundedTree => events.reduce(foldBounded, emptyTree);
/** No bars where it is as narrow as this. */
const narrow = { colour: false, columns: 49, rows: 6 };

describe("the tree", () => {
  test("children stand under their parents, each with a bar of how far it is", () => {
    const tree = fold(
      accepted("a", "report"),
      accepted("b", "words", "a"),
      accepted("c", "sleep", "a"),
      event("b", "completed", { result: 1 }, 500),
      event("c", "progressed", { percent: 40, message: "half\u001b[31m way\nthere" }),
    );
    expect(renderTree(tree, { ...narrow, columns: 60 }, 1_002_000)).toEqual([
      "▸ report (s)  ░░░░░░░░       2.0 s",
      "  ✓ words (s) ████████ 100 % 500 ms",
      "  ▸ sleep (s) ███░░░░░  40 % 2.0 s   half way there",
    ]);
    expect(renderTree(tree, narrow, 1_002_000)).toEqual([
      "▸ report (s)        2.0 s",
      "  ✓ words (s) 100 % 500 ms",
      "  ▸ sleep (s)  40 % 2.0 s   half way there",
    ]);
  });

  test("every line is narrower than the terminal, whatever the agents say, and a colour changes no width", () => {
    const said = "進捗 👩‍👩‍👧‍👦 e\u0301".repeat(30);
    const tree = fold(
      accepted("a", "報告".repeat(20)),
      ...Array.from({ length: 12 }, (_, index) => accepted(`n${index}`, "deep", index === 0 ? "a" : `n${index - 1}`)),
      event("n3", "progressed", { percent: 250, message: said }),
      event("n4", "progressed", { percent: -3, message: `${said}\u202e\u001b]0;title\u0007` }),
      event("n5", "failed", { error: { code: "x", message: said, retryable: false } }, 100),
    );
    for (const columns of [1, 5, 20, 49, 50, 70, 99, 100, 200]) {
      const plain = renderTree(tree, { colour: false, columns, rows: 40 }, 1_002_000);
      for (const line of plain) {
        expect(widthOfText(line), `${columns}: ${line}`).toBeLessThanOrEqual(Math.max(0, columns - 1));
        expect(toSafeText(line)).toBe(line);
      }
      const coloured = renderTree(tree, { colour: true, columns, rows: 40 }, 1_002_000);
      expect(coloured.map((line) => stripVTControlCharacters(line))).toEqual(plain);
    }
  });

  test("of an event that cannot be read only that something has ended is believed", () => {
    const unread = (each: EventView): EventView => ({ ...each, undecodable: "it is of version 9" });
    const tree = fold(
      unread(event("x", "accepted", { name: "of a later release" })),
      accepted("a", "one"),
      unread(event("a", "progressed", { share: 0.5 })),
      unread(event("a", "claimed", { tries: 4 })),
    );
    expect(renderTree(tree, narrow, 1_001_000)).toEqual(["▸ one (s)       1.0 s"]);
    const failed = fold(accepted("a", "one"), unread(event("a", "failed", { error: "text" }, 500)));
    expect(renderTree(failed, narrow, 1_001_000)).toEqual(["✗ one (s)       500 ms  failed"]);
  });

  test("outcomes, joined work and new tries show; what comes after the outcome does not", () => {
    const state = fold(
      accepted("a", "one"),
      event("a", "claimed", { attempt: 2 }),
      event("b", "accepted", { command: "two", service: "s", joinedTo: "a" }),
      accepted("c", "three"),
      event("c", "failed", { error: { code: "x", message: "it broke", retryable: false } }, 100),
      event("c", "progressed", { percent: 1, message: "late" }),
    );
    expect(renderTree(state, narrow, 1_000_100)).toEqual([
      "▸ one (s)         100 ms  try 2",
      "= two (s)         100 ms  waits for equal work",
      "✗ three (s)       100 ms  it broke",
    ]);
  });

  test("work that was given back waits again, with nothing done, and the next try is no second one", () => {
    const events = [
      accepted("a", "one"),
      event("a", "progressed", { percent: 40, message: "half way" }),
      event("a", "released", { processId: "p", reason: "its process stops" }),
    ];
    expect(renderTree(fold(...events), narrow, 1_000_100)).toEqual(["· one (s)       100 ms"]);
    const again = fold(...events, event("a", "claimed", { attempt: 1 }));
    expect(again.tree.get("a")).toMatchObject({ status: "running", attempt: 1 });
  });

  test("no more lines than the terminal has: what ended well goes first, and is summed up", () => {
    const children = Array.from({ length: 20 }, (_, index) => accepted(`c${index}`, `child-${index}`, "a"));
    const ended = children
      .slice(0, 18)
      .map((child, index) => event(child.stream.slice(10), "completed", {}, 10 + index));
    const broken = event("c18", "failed", { error: { code: "x", message: "it broke", retryable: false } }, 9);
    const lines = renderTree(fold(accepted("a", "all"), ...children, ...ended, broken), narrow, 1_000_010);
    expect(lines.map((line) => line.trim().split(" ").slice(0, 3).join(" "))).toEqual([
      "▸ all (s)",
      "✓ child-17 (s)",
      "✗ child-18 (s)",
      "▸ child-19 (s)",
      "… and 17",
    ]);
    expect(lines.at(-1)).toBe("  … and 17 completed");
    expect(renderTree(fold(accepted("a", "all"), ...children), { ...narrow, rows: 999 }, 1_000_010)).toHaveLength(21);
  });

  test("however many there are, a few are kept, and the rest is counted by how it ended (W10)", () => {
    const events = [accepted("a", "all")];
    for (let index = 0; index < 1_000; index++) {
      events.push(accepted(`c${index}`, "child", "a"));
      if (index % 10 === 0)
        events.push(event(`c${index}`, "failed", { error: { code: "x", message: "no", retryable: false } }, index));
      else events.push(event(`c${index}`, "completed", {}, index));
    }
    for (let index = 0; index < 300; index++) events.push(accepted(`open${index}`, "open", "a"));
    const state = fold(...events);
    expect(state.tree.size).toBe(200);
    expect([...state.tree.keys()][0]).toBe("a");
    expect(state).toMatchObject({ ended: { completed: 900, failed: 100 }, untold: 101 });
    const lines = renderTree(state, { ...narrow, columns: 80, rows: 999 }, 1_001_000);
    expect(lines).toHaveLength(31);
    expect(lines.at(-1)).toBe("  … and 900 completed, 100 failed, 170 running, 101 not followed");
  });
});

describe("the display", () => {
  test("on a terminal draws over itself, a few times a second, and leaves what it drew last", async () => {
    const time = simulateTime();
    let [draws, left] = [0, 0];
    const lines: string[] = [];
    const screen = writtenScreen({
      isTerminal: true,
      isAnimated: true,
      columns: 60,
      draw(drawn) {
        draws += 1;
        lines.splice(0, lines.length, ...drawn);
      },
      leave() {
        left += 1;
      },
    });
    const display = createProgressDisplay(screen, time);
    display.show(accepted("a", "report"));
    for (let index = 0; index < 100; index++) display.show(event("a", "progressed", { percent: index, message: "m" }));
    await time.advance(1_000);
    expect(left).toBe(0);
    display.end();
    await time.advance(1_000);
    expect(draws).toBeGreaterThan(3);
    expect(draws).toBeLessThanOrEqual(7);
    expect(left).toBe(1);
    expect(lines).toEqual([expect.stringMatching(/^▸ report \(s\) ████████ {2}99 % .* m$/)]);
    expect(screen.text).toBe("");
  });

  test("where nothing was shown nothing is drawn, and the screen is left alone", () => {
    const refuse = () => {
      throw new Error("It was touched.");
    };
    createProgressDisplay(writtenScreen({ isAnimated: true, draw: refuse, leave: refuse }), simulateTime()).end();
  });

  test("elsewhere tells the root and failures always, and the rest in a few lines a second", () => {
    const time = simulateTime();
    const screen = writtenScreen();
    const display = createProgressDisplay(screen, time);
    display.show(accepted("a", "report"));
    for (let index = 0; index < 50; index++) {
      display.show(accepted(`c${index}`, `child-${index}`, "a"));
      display.show(event(`c${index}`, "progressed", { percent: 1, message: "on it" }));
    }
    display.show(event("c49", "failed", { error: { code: "x", message: "it broke", retryable: false } }));
    display.show(event("a", "completed", {}, 3_000));
    display.end();
    const lines = screen.text.trim().split("\n");
    expect(lines.length).toBeLessThan(9);
    expect(lines[0]).toBe("report on s: running");
    expect(lines).toContainEqual(expect.stringMatching(/^child-49 on s: failed .*it broke \(and \d+ more/));
    expect(lines.at(-1)).toBe("report on s: completed after 3.0 s");
    expect(screen.text).not.toContain("\u001b");
  });

  test("elsewhere a step is told of once a second at most, and only where something has changed", async () => {
    const time = simulateTime();
    const screen = writtenScreen();
    const display = createProgressDisplay(screen, time);
    display.show(accepted("a", "report"));
    const say = (percent: number) => display.show(event("a", "progressed", { percent, message: "on it" }));
    await time.advance(1_000);
    for (let percent = 1; percent < 9; percent++) say(percent);
    await time.advance(1_000);
    for (let again = 0; again < 3; again++) say(1);
    await time.advance(1_000);
    say(9);
    expect(screen.text.trim().split("\n")).toEqual([
      "report on s: running",
      "report on s: running: 1 % on it",
      "report on s: running: 9 % on it",
    ]);
  });
});
