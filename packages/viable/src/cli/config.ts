import { resolve } from "node:path";
import type { Command } from "commander";
import { configFileName, loadConfig } from "../config-file.ts";
import { noteHosting } from "../hosting.ts";
import { readSettings } from "../settings.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import { paint } from "./paint.ts";
import type { Shell } from "./shell.ts";
import { configOf } from "./start.ts";

interface ConfigOptions extends OutputOptions {
  readonly config?: string;
}

/** `viable config`: what a config says, without starting anything. */
export function addConfig(program: Command, shell: Shell): void {
  const config = program
    .command("config")
    .description("check and show a config, without starting anything")
    .addHelpText("after", "\nExample:\n  $ viable config check");

  const check = config
    .command("check [file]")
    .description(
      `load a config, or the nearest ${configFileName}, and say what is wrong with it; ends with 2 if something is`,
    )
    .addHelpText("after", "\nExample:\n  $ viable config check ./viable.config.ts");
  addOutputOption(check).action(async (given: string | undefined, options: OutputOptions) => {
    const file = configOf(shell, given);
    const definition = await loadConfig(file);
    const settings = readSettings(definition, file, shell.environment);
    const { countConfig } = await import("./describe-config.ts");
    const { name: system } = definition;
    const counts = countConfig(definition);
    const notes = noteHosting(definition, settings);
    printData(shell, options.output, { ok: true, file, system, ...counts, notes }, () => {
      const told = Object.entries(counts).filter(([, count]) => count > 0);
      const parts = [system, ...told.map(([name, count]) => tellCount(name, count))];
      return `${file} is ${paint(shell.out, "green", "ok")}: ${parts.join(", ")}\n${notes.map((note) => `${paint(shell.out, "yellow", "note:")} ${note}\n`).join("")}`;
    });
  });

  const show = config
    .command("show")
    .description("the config as it takes effect here, with what the environment changes")
    .option("--config <file>", `the config; else the nearest ${configFileName}`)
    .addHelpText("after", "\nExample:\n  $ VIABLE_PORT=4200 viable config show --output yaml");
  addOutputOption(show).action(async (options: ConfigOptions) => {
    const file = resolve(configOf(shell, options.config));
    const definition = await loadConfig(file);
    const { describeConfig, renderConfig } = await import("./describe-config.ts");
    const shown = describeConfig(
      file,
      definition,
      readSettings(definition, file, shell.environment),
      shell.environment,
    );
    printData(shell, options.output, shown, () => renderConfig(shell, shown));
  });
}

/** `processManagers`, 1: one process manager. */
function tellCount(name: string, count: number): string {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return `${count} ${count === 1 ? words.slice(0, -1) : words}`;
}
