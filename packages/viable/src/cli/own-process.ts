import { spawn } from "node:child_process";
import { constants } from "node:os";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import type { Context } from "@viable/kernel";
import { ViableError, waitFor } from "@viable/kernel";
import type { Child } from "@viable/supervisor";
import type { ServiceDefinition } from "@viable/swarm";

/** The command, beside this file, as source and as built: whoever called us may be another program. */
const command = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url));
/** How long a process that was asked to stop may live on after its time is over, in milliseconds, before it is killed. */
const graceMs = 1_000;

/**
 * Starts a service's swarm in a process of its own, of the same config and with the same environment, and answers when it runs. It holds a line to
 * this process: when that is gone it drains and ends. What it writes goes where our notices go. Ends with the context, by SIGKILL; a stop drains it.
 */
export async function startOwnProcess(ctx: Context, config: string, service: ServiceDefinition): Promise<Child> {
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
  let stopping: Promise<void> | undefined;
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) => resolve(tellEnd(code, signal)));
  });
  const done = ended.then((how) => {
    ctx.signal.removeEventListener("abort", kill);
    if (stopping === undefined)
      throw new ViableError("swarm.process_ended", `The process of ${name} ${how}.`, { retryable: true });
  });
  // Where it ends before it runs, that is told by the start.
  done.catch(() => undefined);
  if (ctx.signal.aborted) kill();
  else ctx.signal.addEventListener("abort", kill, { once: true });
  const runs = new Promise<void>((resolve) => child.once("message", () => resolve()));
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
    child.kill("SIGTERM");
    await waitFor(stopCtx, ended).catch(() => undefined);
    const timer = ctx.runtime.clock.setTimer(kill, graceMs);
    await ended;
    timer.cancel();
  }
}

function tellEnd(code: number | null, signal: NodeJS.Signals | null): string {
  if (signal !== null) return `was ended by ${signal}`;
  // As a shell has it: what died by a signal under somebody who hands statuses on.
  const name = Object.entries(constants.signals).find(([, number]) => code === 128 + number)?.[0];
  return name === undefined ? `ended with status ${code}` : `was ended by ${name}`;
}
