import type { JsonObject, JsonValue } from "@viable/kernel";
import { loadConfig } from "../config-file.ts";
import { readSettings } from "../settings.ts";
import { stateDirectory } from "../state-directory.ts";
import { exitStatus } from "./exit-status.ts";
import { connectTo } from "./gateway.ts";
import { printWireError } from "./print-error.ts";
import { createProgressDisplay } from "./progress-display.ts";
import { runCommand } from "./run-command.ts";
import { reportFailure } from "./run-to-exit.ts";
import { serve } from "./serve.ts";
import type { Shell } from "./shell.ts";
import { renderRunning } from "./start.ts";

export interface StartAndRunOptions {
  /** The system's config file. */
  readonly config: string;
  readonly command: string;
  readonly args: JsonObject;
  /** End after the result, instead of staying up. */
  readonly once: boolean;
  /** `json`: stdout holds the result alone, as JSON. `text`: what `render` makes of it. */
  readonly output: "json" | "text";
  render(result: JsonValue): string;
}

/**
 * Starts a system, runs one command on it with live progress, shows the result, and stays up until a signal, or ends with `once`.
 * Answers the exit status; throws what kept the system from starting.
 */
export async function startAndRun(shell: Shell, options: StartAndRunOptions): Promise<number> {
  const definition = await loadConfig(options.config);
  const settings = readSettings(definition, options.config, shell.environment);
  const interrupt = shell.catchInterrupt();
  let ended: number | undefined;
  const status = await serve(shell, definition, settings, {
    config: options.config,
    async onRunning(running) {
      if (running.url === undefined) {
        shell.err.write(
          "This process has no gateway, so nothing can be asked of it: leave VIABLE_ROLES out, or add gateway.\n",
        );
        return exitStatus.failed;
      }
      shell.err.write(`${renderRunning(shell.err, running)}\n`);
      const token = stateDirectory(running.stateDir).readToken() ?? "";
      ended = await runAndPrint(shell, { url: running.url, token }, options);
      if (options.once || interrupt.aborted) return ended;
      shell.err.write(`\nThe system stays up at ${running.url}. Ctrl-C drains and ends it.\n`);
      return undefined;
    },
  });
  // A system that was up and is asked to go has done its work; a single run that was broken off has not.
  return options.once && interrupt.aborted ? (ended ?? exitStatus.interrupted) : status;
}

async function runAndPrint(
  shell: Shell,
  address: { readonly url: string; readonly token: string },
  options: StartAndRunOptions,
): Promise<number> {
  const display = createProgressDisplay(shell.err, shell.runtime.clock);
  try {
    const view = await runCommand(shell, connectTo(shell, address), {
      command: options.command,
      args: options.args,
      onEvent: display.show,
    });
    display.end();
    if (view.status !== "completed") {
      if (view.error !== undefined) printWireError(shell.err, view.error);
      return exitStatus.failed;
    }
    const result = view.result ?? null;
    shell.out.write(options.output === "json" ? `${JSON.stringify(result, null, 2)}\n` : options.render(result));
    return exitStatus.done;
  } catch (error) {
    display.end();
    return reportFailure(shell, error);
  }
}
