import { isPosition } from "@viable/log";
import { isOutcome } from "@viable/protocol";
import { exitStatus, wrongUsage } from "./exit-status.ts";
import { formatDuration } from "./format-duration.ts";
import type { OutputFormat } from "./output.ts";
import { printArray } from "./output.ts";
import { paint } from "./paint.ts";
import { cutTo, toPlainLine } from "./plain-text.ts";
import type { ReplayStep, StateChange, Until } from "./replay-execution.ts";
import { findStateChanges } from "./replay-execution.ts";
import type { Screen, Shell } from "./shell.ts";
import { toWholeNumber } from "./whole-number.ts";

/** What is named by a version or, behind `@`, by a position: both are numbers, and one must not be taken for the other. */
export function toUntil(text: string | undefined): Until | undefined {
  if (text === undefined) return undefined;
  if (!text.startsWith("@")) return { version: toWholeNumber("--until", text, 1, Number.MAX_SAFE_INTEGER) };
  const position = text.slice(1);
  if (!isPosition(position))
    throw wrongUsage(`--until: "${position}" is not a position of a log.`, "Copy one as it is shown: @1042.");
  return { position };
}

/** Prints a replay as it comes, and says on stderr where the fold had to stop. */
export async function printReplay(shell: Shell, format: OutputFormat, steps: AsyncIterable<ReplayStep>): Promise<void> {
  let stopped: ReplayStep | undefined;
  async function* noted() {
    for await (const step of steps) {
      if (step.problem !== undefined) stopped = step;
      yield step;
    }
  }
  if (format === "table") {
    let firstMs: number | undefined;
    for await (const step of noted()) {
      firstMs ??= Date.parse(step.event.time);
      shell.out.write(renderStep(shell.out, step, Date.parse(step.event.time) - firstMs));
    }
  } else {
    await printArray(shell, format, toData(noted()));
  }
  if (stopped === undefined) return;
  const { version, position, type } = stopped.event;
  shell.err.write(
    `Folding stopped before version ${version} (@${position}, ${type}): ${toPlainLine(stopped.problem ?? "")}\n`,
  );
  shell.exitStatus = exitStatus.failed;
}

async function* toData(steps: AsyncIterable<ReplayStep>) {
  for await (const { event, state } of steps) yield { event, state: state ?? null };
}

/** Fields whose numbers are moments. */
const moments: ReadonlySet<string> = new Set(["acceptedAt", "startedAt", "endedAt"]);

/** An event and, under it, a line for each field of the state that it changed. */
export function renderStep(
  screen: Screen,
  { event, before, state, problem }: ReplayStep,
  sinceFirstMs: number,
): string {
  const head = `${formatDuration(sinceFirstMs).padEnd(12)} ${event.version} @${event.position} ${event.type} by ${event.actor}`;
  const lines = [paint(screen, "bold", cutToScreen(screen, head))];
  if (state === undefined) {
    if (problem !== undefined) lines.push(paint(screen, "red", cutToScreen(screen, `  ! not folded: ${problem}`)));
    lines.push(cutToScreen(screen, `  = data ${JSON.stringify(event.data)}`));
  } else {
    const changes = findStateChanges(before, state);
    lines.push(...changes.map((change) => renderChange(screen, change)));
    // What comes after the outcome counts for nothing (W5).
    if (changes.length === 0)
      lines.push(`  nothing${before && isOutcome(before.status) ? ": it has its outcome" : ""}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function renderChange(screen: Screen, { field, before, after }: StateChange): string {
  const text = (value: unknown): string => {
    if (typeof value === "number" && moments.has(field)) return new Date(value).toISOString();
    return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  };
  if (before === undefined) return paint(screen, "green", cutToScreen(screen, `  + ${field} ${text(after)}`));
  if (after === undefined) return paint(screen, "red", cutToScreen(screen, `  - ${field} ${text(before)}`));
  // Where lines are cut, the one value must not take the other's place.
  const half = screen.isTerminal ? Math.max(8, Math.floor((screen.columns - field.length - 8) / 2)) : undefined;
  const shown = (value: unknown) => (half === undefined ? text(value) : cutTo(toPlainLine(text(value)), half));
  return paint(screen, "yellow", cutToScreen(screen, `  ~ ${field} ${shown(before)} → ${shown(after)}`));
}

/** A terminal's line is not broken; a pipe gets it whole. */
const cutToScreen = (screen: Screen, text: string): string =>
  cutTo(toPlainLine(text), screen.isTerminal ? screen.columns : Number.POSITIVE_INFINITY);
