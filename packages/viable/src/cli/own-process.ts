import { spawn } from "node:child_process";
import { constants } from "node:os";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { recordEnd } from "@viable/cluster";
import type { Context } from "@viable/kernel";
import { rootContext, ViableError, waitFor } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { Child, SupervisorEvent } from "@viable/supervisor";
import { supervise } from "@viable/supervisor";
import type { ServiceDefinition } from "@viable/swarm";
import type { SaidToStarter } from "./starter-line.ts";
import { goesOnEveryMs } from "./starter-line.ts";
import type { StandstillWatch } from "./watch-standstill.ts";
import { watchStandstill } from "./watch-standstill.ts";

/** What a service is started with in a process of its own. */
export interface OwnProcessSettings {
  /** The config's file. */
  readonly config: string;
  /** Where it is recorded how the process ended. */
  readonly log: Log;
  /** How long a process of this system may be silent before it is held for gone, in milliseconds. */
  readonly leaseMs: number;
  /** Told in a sentence of each time that it ended by itself. */
  onEnded(message: string): void;
}

/** The command, beside this file, as source and as built: whoever called us may be another program. */
const command = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url));
/** How long a process that was asked to stop may live on after its time is over, in milliseconds, before it is killed. */
const graceMs = 1_000;
/** How long recording its end may take, in milliseconds. Where it takes longer others find that out by its lease. */
const recordMs = 2_000;
/**
 * It is started again however often it ends: what ends it is in the service, and the others are to go on. So that it is not all that this
 * machine does, up to half a minute lies between where it has not lived for a minute.
 */
const restarts = {
  intensity: { maxRestarts: Number.POSITIVE_INFINITY, withinMs: 60_000 },
  backoff: { baseMs: 50, maxMs: 30_000 },
};

/**
 * Keeps a service's swarm running in a process of its own, of the same config and with the same environment, and answers when it runs. It holds a
 * line to this process: when that is gone it drains and ends. What it writes goes where our notices go. When it ends by itself, or
 * stands still for longer than any of its tasks may take, its end is recorded, and it is started again. Ends with the context, by SIGKILL; a stop drains it.
 */
export async function startOwnProcess(
  ctx: Context,
  service: ServiceDefinition,
  settings: OwnProcessSettings,
): Promise<Child> {
  const kept = supervise({
    name: service.name,
    strategy: "one-for-one",
    ...restarts,
    children: [
      {
        id: "process",
        restart: "permanent",
        // Whoever stops it says how long it may take.
        stopWithinMs: Number.POSITIVE_INFINITY,
        start: (childCtx) => startOnce(childCtx, service, settings),
      },
    ],
    onEvent: (event: SupervisorEvent) => {
      if (event.type === "crashed" && event.restarts) settings.onEnded(`${event.error.message} It is started again.`);
    },
  });
  await kept.start(ctx);
  return kept;
}

async function startOnce(
  ctx: Context,
  service: ServiceDefinition,
  { config, log, leaseMs }: OwnProcessSettings,
): Promise<Child> {
  const { name, maxMemoryMb } = service;
  const flags = process.execArgv.filter((flag) => !/^--(inspect|max-old-space-size)/.test(flag));
  const words = ["start", "--config", config, "--only", name, "--roles", "swarm"];
  const child = spawn(
    process.execPath,
    [...flags, `--max-old-space-size=${maxMemoryMb}`, command, ...words],
    // A process group of its own: a terminal's Ctrl-C comes to it only through us, and once.
    { stdio: ["ignore", "ignore", "inherit", "ipc"], detached: process.platform !== "win32" },
  );
  const kill = () => child.kill("SIGKILL");
  // By then none of its tasks has any time left, and all that it had is held for lost.
  const maxSilentMs = goesOnEveryMs + Math.max(leaseMs, ...service.agents.map((each) => each.timeoutMs));
  let processId: string | undefined;
  let watch: StandstillWatch | undefined;
  let stoodStill: string | undefined;
  let stopping: Promise<void> | undefined;
  const runs = new Promise<void>((resolve) => {
    child.on("message", (said: SaidToStarter) => {
      if (said.kind === "joins") processId = said.processId;
      else if (said.kind === "goes-on") watch?.heard();
      else {
        watch = watchStandstill(ctx.runtime.clock, { everyMs: goesOnEveryMs, maxMs: maxSilentMs }, (silentMs) => {
          stoodStill = `stood still for ${silentMs / 1_000} s and was ended: an agent holds its thread`;
          kill();
        });
        resolve();
      }
    });
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => resolve(stoodStill ?? tellEnd(code, signal, maxMemoryMb)));
  }).then(async (how) => {
    ctx.signal.removeEventListener("abort", kill);
    watch?.end();
    if (processId !== undefined) await record(ctx, log, processId, how);
    return how;
  });
  const done = ended.then((how) => {
    if (stopping === undefined)
      throw new ViableError("swarm.process_ended", `The process of ${name} ${how}.`, { retryable: true });
  });
  // Where it ends before it runs, that is told by the start.
  done.catch(() => undefined);
  if (ctx.signal.aborted) kill();
  else ctx.signal.addEventListener("abort", kill, { once: true });
  await Promise.race([runs, done]);
  return {
    done,
    // A second signal would end it at once.
    stop: (stopCtx) => {
      stopping ??= stop(stopCtx);
      return stopping;
    },
  };

  async function stop(stopCtx: Context): Promise<void> {
    watch?.end();
    child.kill("SIGTERM");
    await waitFor(stopCtx, ended).catch(() => undefined);
    const timer = ctx.runtime.clock.setTimer(kill, graceMs);
    await ended;
    timer.cancel();
  }
}

/** So that whoever takes over what it had begun can say why, and need not wait for its lease to be over. */
async function record({ runtime }: Context, log: Log, processId: string, how: string): Promise<void> {
  const ctx = rootContext(runtime, { deadline: runtime.clock.now() + recordMs });
  await waitFor(ctx, recordEnd(ctx, log, processId, how)).catch(() => undefined);
}

function tellEnd(code: number | null, signal: NodeJS.Signals | null, maxMemoryMb: number): string {
  // As a shell has it: what died by a signal under somebody who hands statuses on.
  const by = signal ?? Object.entries(constants.signals).find(([, number]) => code === 128 + number)?.[0];
  if (by === undefined) return `ended with status ${code}`;
  // Node ends so where it finds no more memory.
  return by === "SIGABRT"
    ? `was ended by ${by}, as it is where its heap is over ${maxMemoryMb} MiB`
    : `was ended by ${by}`;
}
