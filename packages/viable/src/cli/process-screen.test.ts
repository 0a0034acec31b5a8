// What stands on a terminal after lines were drawn anew, others were written meanwhile, and its size changed: asked of a terminal, without a
// window. And what is left to a terminal of what others have written.
import headless from "@xterm/headless";
import { describe, expect, test } from "vitest";
import { createScreen } from "./process-screen.ts";

/** A terminal, and the screen that a process has there. */
function terminal({ columns = 40, rows = 10, environment = {} as Record<string, string> } = {}) {
  const device = new headless.Terminal({
    cols: columns,
    rows,
    convertEol: true,
    scrollback: 100,
    allowProposedApi: true,
  });
  let written = "";
  const stream = {
    isTTY: true,
    get columns() {
      return device.cols;
    },
    get rows() {
      return device.rows;
    },
    write(text: string) {
      written += text;
      device.write(text);
    },
    on: () => undefined,
  };
  const screen = createScreen(stream, { environment, onUnread() {} });
  /** All lines up to the last that has something. */
  const lines = async () => {
    await new Promise<void>((resolve) => device.write("", resolve));
    const buffer = device.buffer.active;
    const all = Array.from({ length: buffer.length }, (_, row) => buffer.getLine(row)?.translateToString(true) ?? "");
    return all.join("\n").trimEnd().split("\n");
  };
  return { device, screen, lines, written: () => written };
}

describe("what is drawn", () => {
  test("stands below what is written meanwhile, takes the place of what was drawn before, and stays when it is left", async () => {
    const { screen, lines, written } = terminal();
    screen.write("before\n");
    screen.draw(["one", "two", "three"]);
    screen.draw(["one again", "two"]);
    expect(await lines()).toEqual(["before", "one again", "two"]);
    screen.write("a notice without an end");
    expect(await lines()).toEqual(["before", "a notice without an end", "one again", "two"]);
    screen.draw(["last"]);
    expect(written()).not.toContain("\u001b[?25h");
    screen.leave();
    screen.write("after\n");
    expect(await lines()).toEqual(["before", "a notice without an end", "last", "after"]);
    expect(written().split("\u001b[?25l")).toHaveLength(2);
    expect(written().split("\u001b[?25h")).toHaveLength(2);
    screen.leave();
    expect(written().split("\u001b[?25h")).toHaveLength(2);
  });

  test("leaves nothing behind when the terminal is made narrower or wider between two drawings", async () => {
    const { device, screen, lines } = terminal();
    screen.write("before\n");
    screen.draw(["a".repeat(39), "進".repeat(19), "c"]);
    device.resize(16, 10);
    screen.draw(["narrow", "er"]);
    expect(await lines()).toEqual(["before", "narrow", "er"]);
    screen.draw(["x".repeat(15), "y".repeat(15)]);
    device.resize(60, 10);
    screen.draw(["wide"]);
    expect(await lines()).toEqual(["before", "wide"]);
    screen.leave();
  });

  test("has the cursor shown again however the process ends, and asks for no more once it is left", () => {
    const { screen, written } = terminal();
    const before = process.listenerCount("exit");
    screen.draw(["one"]);
    const listener = process.listeners("exit").at(-1) as () => void;
    expect(process.listenerCount("exit")).toBe(before + 1);
    listener();
    expect(written().endsWith("\u001b[?25h")).toBe(true);
    screen.leave();
    expect(process.listenerCount("exit")).toBe(before);
    for (const signal of ["SIGTSTP", "SIGCONT", "SIGQUIT"]) expect(process.listenerCount(signal)).toBe(0);
  });
});

test("a terminal obeys nothing that others wrote, and shows that there was something", async () => {
  const { screen, lines, written } = terminal();
  screen.write("title \u001b]0;owned\u0007 up \u001b[2A clear \u001b[2J hidden \u001b[8m\n");
  screen.write("c1 \u009b2J back\rover \u202eturned\r\n\u001b[31mred\u001b[39m\ttab\n");
  screen.draw(["bell \u0007"]);
  expect(await lines()).toEqual([
    "title �]0;owned� up �[2A clear �[2J hidd",
    "en �[8m",
    "c1 �2J back�over �turned",
    "red     tab",
    "bell �",
  ]);
  screen.leave();
  expect(
    written()
      .split("\u001b[")
      .filter((part) => /^\d+m/.test(part)),
  ).toEqual(["31mred", "39m\ttab\n"]);
});

test("a pipe gets every character", () => {
  let written = "";
  const stream = {
    write: (text: string) => {
      written += text;
    },
    on: () => undefined,
  };
  const screen = createScreen(stream, { environment: {}, onUnread() {} });
  screen.write("\u001b[2J\u009b\r\u202e");
  expect(written).toBe("\u001b[2J\u009b\r\u202e");
  expect(screen).toMatchObject({ isTerminal: false, isAnimated: false, colour: false, columns: 120, rows: 24 });
});

test.each([
  [{}, { colour: true, isAnimated: true }],
  [{ NO_COLOR: "1" }, { colour: false, isAnimated: true }],
  [{ NO_COLOR: "" }, { colour: true, isAnimated: true }],
  [{ TERM: "dumb" }, { colour: false, isAnimated: false }],
  [{ CI: "true" }, { colour: true, isAnimated: false }],
  [{ CI: "false" }, { colour: true, isAnimated: true }],
  [
    { NO_COLOR: "1", FORCE_COLOR: "1" },
    { colour: true, isAnimated: true },
  ],
  [{ FORCE_COLOR: "0" }, { colour: false, isAnimated: true }],
] as [Record<string, string>, object][])("with %j a terminal has %j", (environment, expected) => {
  const { screen } = terminal({ environment });
  expect({ colour: screen.colour, isAnimated: screen.isAnimated }).toEqual(expected);
});

test("FORCE_COLOR colours in a pipe, and draws nothing there", () => {
  const stream = { write: () => undefined, on: () => undefined };
  const screen = createScreen(stream, { environment: { FORCE_COLOR: "1" }, onUnread() {} });
  expect(screen).toMatchObject({ colour: true, isAnimated: false });
});
