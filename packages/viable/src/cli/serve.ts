import { codeOf, rootContext, ViableError, waitFor, withContext } from "@viable/kernel";
import type { Notice } from "../create-system.ts";
import type { SystemDefinition } from "../define-system.ts";
import { hostAll } from "../hosting.ts";
import type { OpenedSystem } from "../open-system.ts";
import { openSystem } from "../open-system.ts";
import type { Settings } from "../settings.ts";
import { stateDirectory } from "../state-directory.ts";
import { exitStatus } from "./exit-status.ts";
import { formatDuration } from "./format-duration.ts";
import { isAlive } from "./gateway.ts";
import { startOwnProcess } from "./own-process.ts";
import type { Paint } from "./paint.ts";
import { paint } from "./paint.ts";
import { toPlainLine } from "./plain-text.ts";
import { printError } from "./print-error.ts";
import type { Shell } from "./shell.ts";
import { tuneCollector } from "./tune-collector.ts";

/** What a running system is, for whoever started it. */
export interface Running {
  readonly system: string;
  readonly url: string | undefined;
  readonly pid: number;
  readonly stateDir: string;
  readonly durability: string;
  readonly durabilityNote: string;
  readonly services: readonly { readonly name: string; readonly url: string | undefined; readonly agents: number }[];
  /** Services that are left to other processes. */
  readonly elsewhere: readonly string[];
  /** From being asked for to the open door, in milliseconds. */
  readonly startMs: number;
}

export interface ServeOptions {
  /** The config's file, for services in processes of their own. */
  readonly config: string;
  /** Told who this process is among those of the system, before it takes anything on. */
  onJoining?(processId: string): void;
  /**
   * Told once when the system takes commands. A status that it returns ends the system; undefined keeps it up. After an interrupt it
   * is given a moment to end before the system drains.
   */
  onRunning(running: Running): Promise<number | undefined>;
}

/** Longer than its own drain a stop may not take, in milliseconds. */
const stopGraceMs = 10_000;
/** How long whoever was told that the system runs may take to let go of it after an interrupt, in milliseconds. */
const letGoMs = 10_000;

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
  tuneCollector();
  shell.whenUnread = "go on";
  const interrupt = shell.catchInterrupt();
  const life = new AbortController();
  const beganMs = shell.runtime.clock.monotonicMs();
  const opened = await open(shell, definition, settings, options, life.signal);
  const startMs = Math.round(shell.runtime.clock.monotonicMs() - beganMs);
  const caller = options.onRunning(describe(opened, definition, settings, startMs));
  const { system } = opened;
  try {
    const status = await Promise.race([
      whenAborted(interrupt).then(() => exitStatus.done),
      // A process that sees nothing of what is new, such as what a later release writes, would only keep its tasks from others.
      Promise.race([system.done, system.executions.failed]).then(
        () => exitStatus.failed,
        (error) => {
          printError(shell.err, error);
          return exitStatus.failed;
        },
      ),
      caller.then((ended) => ended ?? new Promise<never>(() => {})),
    ]);
    if (interrupt.aborted) await settledWithin(shell, caller, letGoMs);
    return status;
  } finally {
    if (interrupt.aborted) {
      shell.err.write(
        `Draining: running tasks have ${formatDuration(definition.limits.drainMs)} to end. A second signal does not wait.\n`,
      );
    }
    await close(shell, opened, definition.limits.drainMs);
    life.abort();
    if (interrupt.aborted) shell.err.write("Stopped.\n");
  }
}

async function open(
  shell: Shell,
  definition: SystemDefinition,
  settings: Settings,
  { config, onJoining }: ServeOptions,
  signal: AbortSignal,
): Promise<OpenedSystem> {
  try {
    return await openSystem(rootContext(shell.runtime, { signal }), definition, settings, {
      ownProcess: (ctx, service, log) =>
        startOwnProcess(ctx, service, {
          config,
          log,
          leaseMs: definition.limits.leaseMs,
          onEnded: (message) => printNotice(shell, { level: "warn", message }),
        }),
      onNotice: (notice) => printNotice(shell, notice),
      ...(onJoining !== undefined && { onJoining }),
    });
  } catch (error) {
    if (codeOf(error) !== "log.database_in_use") throw error;
    const running = stateDirectory(settings.stateDir).readGateway();
    if (running === undefined || !isAlive(running.pid)) throw error;
    throw new ViableError("cli.already_running", `A system is already running on ${settings.stateDir}.`, {
      next: `It is process ${running.pid}, at ${running.url}: use that one, stop it, or give this one another folder with VIABLE_STATE_DIR.`,
    });
  }
}

async function settledWithin(shell: Shell, promise: Promise<unknown>, ms: number): Promise<void> {
  await waitFor(
    rootContext(shell.runtime, { deadline: shell.runtime.clock.now() + ms }),
    promise.then(
      () => undefined,
      () => undefined,
    ),
  ).catch(() => undefined);
}

/** Stops the system within its bound. What does not stop by then ends with the process. */
async function close(shell: Shell, opened: OpenedSystem, drainMs: number): Promise<void> {
  const ctx = rootContext(shell.runtime);
  const deadline = shell.runtime.clock.now() + drainMs + stopGraceMs;
  try {
    await waitFor(withContext(ctx, { deadline }), opened.close(ctx));
  } catch (error) {
    if (codeOf(error) !== "context.deadline_exceeded") throw error;
    throw new ViableError("cli.stop_timeout", "The system did not stop in time; it is ended as it is.");
  }
}

function describe(
  { system, state }: OpenedSystem,
  definition: SystemDefinition,
  settings: Settings,
  startMs: number,
): Running {
  const { services: hosted } = settings.hosting ?? hostAll(definition);
  return {
    system: definition.name,
    url: system.gatewayUrl,
    pid: process.pid,
    stateDir: state.path,
    durability: system.log.durability,
    durabilityNote: system.durabilityNote,
    services: definition.services
      .filter(({ name }) => hosted.includes(name))
      .map(({ name, agents }) => ({
        name,
        url: system.swarms
          .get(name)
          ?.status()
          .healthUrl?.replace(/\/health$/, ""),
        agents: agents.length,
      })),
    elsewhere: definition.services.flatMap(({ name }) => (hosted.includes(name) ? [] : [name])),
    startMs,
  };
}

const levels: Readonly<Record<Notice["level"], Paint>> = { info: "dim", warn: "yellow", error: "red" };

function printNotice(shell: Shell, notice: Notice): void {
  shell.err.write(`${paint(shell.err, levels[notice.level], `${notice.level}:`)} ${toPlainLine(notice.message)}\n`);
}

const whenAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
