import { rootContext, ViableError } from "@viable/kernel";
import type { Notice } from "../create-system.ts";
import type { SystemDefinition } from "../define-system.ts";
import { durabilityNotes } from "../health.ts";
import type { OpenedSystem } from "../open-system.ts";
import { openSystem } from "../open-system.ts";
import type { Settings } from "../settings.ts";
import { exitStatus } from "./exit-status.ts";
import { formatDuration } from "./format-duration.ts";
import type { Paint } from "./paint.ts";
import { paint } from "./paint.ts";
import { printError } from "./print-error.ts";
import type { Shell } from "./shell.ts";

/** What a running system is, for whoever started it. */
export interface Running {
  readonly system: string;
  readonly url: string | undefined;
  readonly pid: number;
  readonly stateDir: string;
  readonly durability: string;
  readonly durabilityNote: string;
  readonly services: readonly { readonly name: string; readonly url: string | undefined; readonly agents: number }[];
  /** From the first line of this process to the open door, in milliseconds. */
  readonly startMs: number;
}

export interface ServeOptions {
  /** Told once when the system takes commands. What it returns ends the system: undefined keeps it up. */
  onRunning(running: Running): Promise<number | undefined>;
}

/** Longer than its own drain a stop may not take, in milliseconds. */
const stopGraceMs = 10_000;

/**
 * Opens a system and keeps it up until a signal, its own end, or the caller's. The first signal drains it: what runs may come to
 * its end, what does not in time goes on at the next start. Answers the exit status.
 */
export async function serve(
  shell: Shell,
  definition: SystemDefinition,
  settings: Settings,
  options: ServeOptions,
): Promise<number> {
  const interrupt = shell.catchInterrupt();
  const life = new AbortController();
  const ctx = rootContext(shell.runtime, { signal: life.signal });
  const opened = await openSystem(ctx, definition, settings, { onNotice: (notice) => printNotice(shell, notice) });
  let ends: "interrupted" | "failed" | number;
  try {
    ends = await Promise.race([
      whenAborted(interrupt).then(() => "interrupted" as const),
      opened.system.done.then(
        () => "interrupted" as const,
        (error) => {
          printError(shell.err, error);
          return "failed" as const;
        },
      ),
      options.onRunning(describe(opened, definition)).then((status) => status ?? new Promise<never>(() => {})),
    ]);
  } finally {
    if (interrupt.aborted) {
      shell.err.write(
        `Draining: running tasks have ${formatDuration(definition.limits.drainMs)} to end. A second signal does not wait.\n`,
      );
    }
    await close(shell, opened, definition.limits.drainMs);
    life.abort();
  }
  if (ends === "interrupted") shell.err.write("Stopped.\n");
  return ends === "failed" ? exitStatus.failed : ends === "interrupted" ? exitStatus.done : ends;
}

/** Stops the system within its bound. What does not stop by then ends with the process. */
async function close(shell: Shell, opened: OpenedSystem, drainMs: number): Promise<void> {
  const { clock } = shell.runtime;
  let timer: { cancel(): void } | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = clock.setTimer(
      () => reject(new ViableError("cli.stop_timeout", "The system did not stop in time; it is ended as it is.")),
      drainMs + stopGraceMs,
    );
  });
  try {
    await Promise.race([opened.close(rootContext(shell.runtime)), tooLong]);
  } finally {
    timer?.cancel();
  }
}

function describe({ system, state }: OpenedSystem, definition: SystemDefinition): Running {
  return {
    system: definition.name,
    url: system.gatewayUrl,
    pid: process.pid,
    stateDir: state.path,
    durability: system.log.durability,
    durabilityNote: durabilityNotes[system.log.durability],
    services: definition.services.map((service) => ({
      name: service.name,
      url: system.swarms
        .get(service.name)
        ?.status()
        .healthUrl?.replace(/\/health$/, ""),
      agents: service.agents.length,
    })),
    startMs: Math.round(process.uptime() * 1_000),
  };
}

const levels: Readonly<Record<Notice["level"], Paint>> = { info: "dim", warn: "yellow", error: "red" };

function printNotice(shell: Shell, notice: Notice): void {
  shell.err.write(`${paint(shell.err, levels[notice.level], `${notice.level}:`)} ${notice.message}\n`);
}

const whenAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
