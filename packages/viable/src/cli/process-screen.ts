import { variable } from "../settings.ts";
import { toSafeText, widthOfText } from "./plain-text.ts";

/** Where text goes: the result's place, or the place for everything around it. */
export interface Screen {
  /** Whether a person looks at it: only then are lines cut to its width. */
  readonly isTerminal: boolean;
  /** Whether lines may be drawn anew: on a terminal that can do it, and that nothing keeps as a log. */
  readonly isAnimated: boolean;
  readonly colour: boolean;
  readonly columns: number;
  readonly rows: number;
  /** On a terminal, nothing of the text but its colours is obeyed. */
  write(text: string): void;
  /**
   * Draws lines in the place of those that were drawn before, below all that is written meanwhile. Only where it is animated. Each must be
   * narrower than the screen. The cursor is hidden until `leave`, or until the process ends, except by SIGKILL.
   */
  draw(lines: readonly string[]): void;
  /** What is drawn stays where it is, and what is written next comes below. */
  leave(): void;
}

/** What a screen needs to know of a process's stream. */
export interface ScreenStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
  on(event: "error", listener: (error: Error & { readonly code?: string }) => void): unknown;
}

export interface ScreenOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Told, as often as it shows, that nobody is at the other end any more. */
  onUnread(): void;
}

/** What a screen of unknown size is taken to hold: a pipe, or a terminal that says 0. */
const plainColumns = 120;
const plainRows = 24;

/** How a stream says that nobody is at its other end: a pipe, a terminal that was closed, a socket. */
const unreadCodes: readonly (string | undefined)[] = ["EPIPE", "EIO", "ECONNRESET"];

const hideCursor = "\u001b[?25l";
const showCursor = "\u001b[?25h";

/** The screen at the end of a stream of this process. */
export function createScreen(stream: ScreenStream, { environment, onUnread }: ScreenOptions): Screen {
  const isTerminal = stream.isTTY === true;
  let unread = false;
  let drawn: readonly string[] = [];
  stream.on("error", (error) => {
    if (!unreadCodes.includes(error.code)) throw error;
    unread = true;
    onUnread();
  });
  const put = (text: string) => {
    if (!unread) stream.write(text);
  };
  const columns = () => stream.columns || plainColumns;
  /** Up to the first line of what is drawn. A terminal that was made narrower has broken those lines meanwhile. */
  const back = () => {
    const rows = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(widthOfText(line) / columns())), 0);
    return rows === 0 ? "" : `\u001b[${rows}A\r`;
  };
  // Line by line over what was there, and only then is the rest cleared: what stays the same does not flicker.
  const textOf = (lines: readonly string[]) => `${lines.map((line) => `${line}\u001b[K\n`).join("")}\u001b[J`;
  const cursor = guardCursor(
    () => put(showCursor),
    () => put(`${hideCursor}${textOf(drawn)}`),
  );
  return {
    isTerminal,
    isAnimated: isTerminal && environment.TERM !== "dumb" && !isSet(environment, "CI"),
    colour: hasColour(environment, isTerminal),
    get columns() {
      return columns();
    },
    get rows() {
      return stream.rows || plainRows;
    },
    write(text) {
      if (!isTerminal) return put(text);
      const safe = toSafeText(text);
      if (drawn.length === 0) return put(safe);
      put(`${back()}\u001b[J${safe}${safe.endsWith("\n") ? "" : "\n"}${textOf(drawn)}`);
    },
    draw(lines) {
      const safe = lines.map(toSafeText);
      put(`${cursor.hide() ? hideCursor : ""}${back()}${textOf(safe)}`);
      drawn = safe;
    },
    leave() {
      drawn = [];
      if (cursor.release()) put(showCursor);
    },
  };
}

/** Set to something that does not say no. */
const isSet = (environment: ScreenOptions["environment"], name: string): boolean =>
  !["false", "0", undefined].includes(variable(environment, name));

/** As Node has it: `FORCE_COLOR` before `NO_COLOR`, and that before what the terminal can do. */
function hasColour(environment: ScreenOptions["environment"], isTerminal: boolean): boolean {
  const forced = variable(environment, "FORCE_COLOR");
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return isTerminal && variable(environment, "NO_COLOR") === undefined && environment.TERM !== "dumb";
}

/** Sees to it that the cursor is there again however the process ends, and while it stands still (Ctrl-Z). */
function guardCursor(show: () => void, hideAgain: () => void) {
  let isHidden = false;
  const stop = () => {
    show();
    process.kill(process.pid, "SIGSTOP");
  };
  // Ctrl-\ ends a process without a word; with the listener gone it does so once more.
  const quit = () => {
    release();
    show();
    process.kill(process.pid, "SIGQUIT");
  };
  const release = (): boolean => {
    if (!isHidden) return false;
    isHidden = false;
    process.off("exit", show).off("SIGTSTP", stop).off("SIGCONT", hideAgain).off("SIGQUIT", quit);
    return true;
  };
  return {
    /** Whether it was there until now. */
    hide(): boolean {
      if (isHidden) return false;
      isHidden = true;
      process.on("exit", show).on("SIGTSTP", stop).on("SIGCONT", hideAgain).on("SIGQUIT", quit);
      return true;
    },
    /** Whether it was hidden. */
    release,
  };
}
