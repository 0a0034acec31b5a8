import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { dirname } from "node:path";
import type { Timer } from "@viable/kernel";
import type { Command } from "commander";
import { configFileName } from "../config-file.ts";
import { exitStatus } from "./exit-status.ts";
import { paint } from "./paint.ts";
import type { Shell } from "./shell.ts";
import { configOf } from "./start.ts";
import type { SaidToStarter } from "./starter-line.ts";
import { watchFolder } from "./watch-folder.ts";

interface DevOptions {
  readonly config?: string;
}

/** Files must be quiet for this long before they are taken as one change, in milliseconds. */
const quietMs = 300;
/** A config that takes longer than this to load, in milliseconds, counts as broken. */
const checkMs = 30_000;
/** A system that is asked to stop is killed after this, in milliseconds: longer than any drain it could be waiting for is not development. */
const stopMs = 60_000;

/** `viable dev`: start, and start again when the sources change. */
export function addDev(program: Command, shell: Shell): void {
  program
    .command("dev")
    .description("start the system and restart it when its config or a source file beside it changes; state is kept")
    .option("--config <file>", `the config; else the nearest ${configFileName}`)
    .addHelpText(
      "after",
      "\nA change is loaded in another process first. While it does not load, the system goes on as it was.\nCtrl-C ends both.\n\nExample:\n  $ viable dev",
    )
    .action(async (options: DevOptions) => {
      shell.exitStatus = await develop(shell, configOf(shell, options.config));
    });
}

/**
 * Keeps a child process running the config. States: starting → running → (a change that loads) stopping → starting …; running →
 * down (it ended by itself) → (a change that loads) starting. The first start must succeed: whoever begins wants to know.
 */
async function develop(shell: Shell, file: string): Promise<number> {
  shell.whenUnread = "go on";
  const interrupt = shell.catchInterrupt();
  const say = (text: string) => shell.err.write(`${paint(shell.err, "cyan", "dev:")} ${text}\n`);
  let system = startSystem(file);
  let changed = false;
  let wake: () => void = () => {};
  const folder = watchFolder(dirname(file), quietMs, shell.runtime.clock, () => {
    changed = true;
    wake();
  });
  interrupt.addEventListener("abort", () => wake(), { once: true });
  if (folder.partial) say(`There are too many folders under ${dirname(file)}; some are not watched.`);
  const first = await Promise.race([system.ready, system.ended]);
  try {
    if (first !== undefined) return first;
    say(`Watching ${dirname(file)}.`);
    let up = true;
    while (!interrupt.aborted) {
      const woken = new Promise<undefined>((resolve) => {
        wake = () => resolve(undefined);
      });
      const ended = changed ? undefined : await (up ? Promise.race([woken, system.ended]) : woken);
      if (interrupt.aborted) break;
      if (ended !== undefined) {
        up = false;
        say(`The system ended with status ${ended}. It is started again at the next change.`);
      } else if (changed) {
        changed = false;
        if ((await checkConfig(shell, file)) !== exitStatus.done) {
          say(up ? "The change does not load; the system goes on as it was." : "The change does not load.");
          continue;
        }
        say("Something changed; starting anew.");
        await stopSystem(shell, system);
        system = startSystem(file);
        up = true;
      }
    }
    return exitStatus.done;
  } finally {
    folder.close();
    await stopSystem(shell, system);
  }
}

interface DevSystem {
  readonly child: ChildProcess;
  /** Resolves when the system takes commands. */
  readonly ready: Promise<undefined>;
  /** Its exit status. */
  readonly ended: Promise<number>;
}

/**
 * The system in a process group of its own, so that a terminal's Ctrl-C comes to it only through us, and once. It holds a line to us: if we are
 * killed, it drains and ends.
 */
function startSystem(file: string): DevSystem {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", "start", "--config", file], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    detached: process.platform !== "win32",
  });
  return {
    child,
    ready: new Promise((resolve) =>
      child.on("message", ({ kind }: SaidToStarter) => {
        if (kind === "runs") resolve(undefined);
      }),
    ),
    ended: whenEnded(child),
  };
}

async function stopSystem(shell: Shell, { child, ended }: DevSystem): Promise<void> {
  child.kill("SIGTERM");
  const timer: Timer = shell.runtime.clock.setTimer(() => child.kill("SIGKILL"), stopMs);
  await ended;
  timer.cancel();
}

/** Loads the config in a process of its own: a module that was loaded once stays as it was in the process that loaded it. */
async function checkConfig(shell: Shell, file: string): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? "", "config", "check", file], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const timer = shell.runtime.clock.setTimer(() => child.kill("SIGKILL"), checkMs);
  const status = await whenEnded(child);
  timer.cancel();
  return status;
}

const whenEnded = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => {
    child.once("error", () => resolve(exitStatus.failed));
    child.once("exit", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
