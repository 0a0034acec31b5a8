// What a person sees of a running tree: drawn anew on a terminal, plain and sparse lines elsewhere. In simulated time.
import { simulateTime } from "@viable/kernel";
import type { EventView } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import type { ExecutionTree } from "./execution-tree.ts";
import { foldTree } from "./execution-tree.ts";
import { createProgressDisplay } from "./progress-display.ts";
import { renderTree } from "./render-tree.ts";
import type { Screen } from "./shell.ts";

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
const fold = (...events: EventView[]): ExecutionTree => events.reduce(foldTree, new Map());

const screenOf = (isTerminal: boolean): Screen & { text: string } => {
  const screen = {
    isTerminal,
    colour: false,
    columns: 60,
    rows: 6,
    text: "",
    write: (text: string) => {
      screen.text += text;
    },
  };
  return screen;
};

describe("the tree", () => {
  test("children stand under their parents, each with how far it is", () => {
    const tree = fold(
      accepted("a", "report"),
      accepted("b", "words", "a"),
      accepted("c", "sleep", "a"),
      event("b", "completed", { result: 1 }, 500),
      event("c", "progressed", { percent: 40, message: "half\u001b[31m way\nthere" }),
    );
    expect(renderTree(tree, screenOf(true), 1_002_000)).toEqual([
      "▸ report (s) 2.0 s",
      "  ✓ words (s) 500 ms",
      "  ▸ sleep (s) 2.0 s 40 % half way there",
    ]);
  });

  test("of an event that cannot be read only that something has ended is believed", () => {
    const unread = (each: EventView): EventView => ({ ...each, undecodable: "it is of version 9" });
    const tree = fold(
      unread(event("x", "accepted", { name: "of a later release" })),
      accepted("a", "one"),
      unread(event("a", "progressed", { share: 0.5 })),
      unread(event("a", "claimed", { tries: 4 })),
    );
    expect(renderTree(tree, screenOf(true), 1_001_000)).toEqual(["▸ one (s) 1.0 s"]);
    const failed = fold(accepted("a", "one"), unread(event("a", "failed", { error: "text" }, 500)));
    expect(renderTree(failed, screenOf(true), 1_001_000)).toEqual(["✗ one (s) 500 ms"]);
  });

  test("outcomes, joined work and new tries show; what comes after the outcome does not", () => {
    const tree = fold(
      accepted("a", "one"),
      event("a", "claimed", { attempt: 2 }),
      event("b", "accepted", { command: "two", service: "s", joinedTo: "a" }),
      accepted("c", "three"),
      event("c", "failed", { error: { code: "x", message: "it broke", retryable: false } }, 100),
      event("c", "progressed", { percent: 1, message: "late" }),
    );
    expect(renderTree(tree, screenOf(true), 1_000_100)).toEqual([
      "▸ one (s) 100 ms",
      "= two (s) 100 ms waits for equal work",
      "✗ three (s) 100 ms it broke",
    ]);
    expect(tree.get("a")?.attempt).toBe(2);
  });

  test("work that was given back waits again, with nothing done, and the next try is no second one", () => {
    const events = [
      accepted("a", "one"),
      event("a", "progressed", { percent: 40, message: "half way" }),
      event("a", "released", { processId: "p", reason: "its process stops" }),
    ];
    expect(renderTree(fold(...events), screenOf(true), 1_000_100)).toEqual(["· one (s) 100 ms"]);
    const again = fold(...events, event("a", "claimed", { attempt: 1 }));
    expect(again.get("a")).toMatchObject({ status: "running", attempt: 1 });
  });

  test("no more lines than the terminal has: what ended well goes first", () => {
    const children = Array.from({ length: 20 }, (_, index) => accepted(`c${index}`, `child-${index}`, "a"));
    const ended = children.slice(0, 18).map((child) => event(child.stream.slice(10), "completed", {}, 10));
    const lines = renderTree(fold(accepted("a", "all"), ...children, ...ended), screenOf(true), 1_000_010);
    expect(lines).toHaveLength(5);
    expect(lines.join("\n")).toContain("child-18");
    expect(lines.join("\n")).toContain("child-19");
    expect(lines.at(-1)).toBe("  … and 17 more");
  });
});

describe("the display", () => {
  test("on a terminal draws over itself, a few times a second", async () => {
    const time = simulateTime();
    const screen = screenOf(true);
    const display = createProgressDisplay(screen, time);
    display.show(accepted("a", "report"));
    for (let index = 0; index < 100; index++) display.show(event("a", "progressed", { percent: index, message: "m" }));
    await time.advance(1_000);
    display.end();
    expect(screen.text.split("\u001b[1A").length - 1).toBeLessThanOrEqual(6);
    expect(screen.text).toContain("99 % m");
  });

  test("elsewhere tells the root and failures always, and the rest in a few lines a second", () => {
    const time = simulateTime();
    const screen = screenOf(false);
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
});
