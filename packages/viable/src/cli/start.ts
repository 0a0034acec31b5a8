import { resolve } from "node:path";
import { ViableError } from "@viable/kernel";
import type { Command } from "commander";
import { configFileName, findConfig, loadConfig } from "../config-file.ts";
import { roles } from "../hosting.ts";
import { readSettings } from "../settings.ts";
import { formatDuration } from "./format-duration.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { paint } from "./paint.ts";
import type { Running } from "./serve.ts";
import type { Screen, Shell } from "./shell.ts";
import { keepTellingStarter, tellStarter } from "./starter-line.ts";
import { renderPairs, renderTable } from "./table.ts";

interface StartOptions extends OutputOptions {
  readonly config?: string;
  readonly only?: string;
  readonly roles?: string;
}

/** `viable start`: the system of a config, or a part of it, until a signal. */
export function addStart(program: Command, shell: Shell): void {
  const command = program
    .command("start")
    .description("start the system and keep it up; SIGTERM or Ctrl-C drains it")
    .option("--config <file>", `the config; else the nearest ${configFileName}`)
    .option(
      "--only <services>",
      "run the swarms of these services alone, joined by commas; other processes run the rest",
    )
    .option("--roles <roles>", `what this process is for, joined by commas: ${roles.join(", ")}; default: all`)
    .addHelpText(
      "after",
      "\nSeveral processes on one PostgreSQL make one system, on one machine or many.\n\nExamples:\n  $ VIABLE_PORT=4200 viable start --config ./viable.config.ts\n  $ DATABASE_URL=postgres://db/viable NATS_URL=nats://bus viable start --only ai,storage --roles swarm",
    );
  addOutputOption(command).action(async (options: StartOptions) => {
    const file = configOf(shell, options.config);
    const definition = await loadConfig(file);
    const settings = readSettings(definition, file, shell.environment, options);
    // Here and not above: the verbs that only ask a running system do not load one.
    const { serve } = await import("./serve.ts");
    shell.exitStatus = await serve(shell, definition, settings, {
      config: file,
      onJoining: (processId) => tellStarter({ kind: "joins", processId }),
      async onRunning(running) {
        printData(shell, options.output, running, () => renderRunning(shell.out, running));
        tellStarter({ kind: "runs" });
        keepTellingStarter(shell.runtime.clock);
        return undefined;
      },
    });
  });
}

/** The config that is meant. Throws `config.not_found`. */
export function configOf(shell: Shell, given: string | undefined): string {
  const file = given === undefined ? findConfig(shell.cwd) : resolve(shell.cwd, given);
  if (file === undefined) {
    throw new ViableError("config.not_found", `There is no ${configFileName} in ${shell.cwd} or above it.`, {
      next: "Write one that default-exports defineSystem({...}), or name one with --config.",
    });
  }
  return file;
}

/** What runs and where, for people. */
export function renderRunning(screen: Screen, running: Running): string {
  return [
    `${paint(screen, "green", "running")} ${running.system}, started in ${formatDuration(running.startMs)}\n\n`,
    renderPairs(screen, [
      ["gateway", running.url ?? "none"],
      ["state", running.stateDir],
      ["process", String(running.pid)],
      ["durability", running.durabilityNote],
      ...(running.elsewhere.length === 0 ? [] : [["elsewhere", running.elsewhere.join(", ")] as const]),
    ]),
    "\n",
    renderTable(
      screen,
      ["SERVICE", "ADDRESS", "AGENTS"],
      running.services.map(({ name, url, agents }) => [name, url ?? "", String(agents)]),
    ),
  ].join("");
}
