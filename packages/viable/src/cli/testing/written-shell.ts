import { createRuntime } from "@viable/kernel";
import { runProgram } from "../program.ts";
import type { Screen, Shell } from "../shell.ts";

/** A screen that writes down what it is given. */
export interface WrittenScreen extends Screen {
  text: string;
  /** What was drawn last; undefined where nothing was, or it was left. */
  drawn: readonly string[] | undefined;
}

/** A pipe, unless something else is asked for. */
export function writtenScreen(given: Partial<Screen> = {}): WrittenScreen {
  const screen: WrittenScreen = {
    isTerminal: false,
    isAnimated: false,
    colour: false,
    columns: 120,
    rows: 24,
    text: "",
    drawn: undefined,
    write(text) {
      screen.text += text;
    },
    draw(lines) {
      screen.drawn = lines;
    },
    leave() {
      screen.drawn = undefined;
    },
    ...given,
  };
  return screen;
}

/** A shell that writes down what is printed, in a folder that is not there. */
export function writtenShell(given: Partial<Shell> = {}) {
  const out = writtenScreen();
  const err = writtenScreen();
  const shell: Shell = {
    runtime: createRuntime(),
    environment: {},
    cwd: "/nowhere",
    out,
    err,
    exitStatus: 0,
    whenUnread: "end",
    catchInterrupt: () => new AbortController().signal,
    ...given,
  };
  return { shell, out, err };
}

/** Runs a command line to its end, in a shell that writes down what is printed. */
export async function runWords(
  words: readonly string[],
  given: Partial<Shell> = {},
): Promise<{ status: number; out: string; err: string }> {
  const { shell, out, err } = writtenShell(given);
  const status = await runProgram(shell, words);
  return { status, out: out.text, err: err.text };
}
