import { Command, CommanderError } from "commander";
import { version } from "../version.ts";
import { addApprovals } from "./approvals.ts";
import { addAsk } from "./ask.ts";
import { addBackup } from "./backup.ts";
import { addCapability } from "./capability.ts";
import { addCompletion } from "./completion.ts";
import { addConfig } from "./config.ts";
import { addCredentials } from "./credentials.ts";
import { addDev } from "./dev.ts";
import { addDoctor } from "./doctor.ts";
import { addEvents } from "./events.ts";
import { addExec } from "./exec.ts";
import { addExecutions } from "./executions.ts";
import { exitStatus } from "./exit-status.ts";
import { addHealth } from "./health.ts";
import { addLogIn } from "./log-in.ts";
import { addMemory } from "./memory.ts";
import { addProjections } from "./projections.ts";
import { addReactors } from "./reactors.ts";
import { addRegistry } from "./registry.ts";
import { addRestore } from "./restore.ts";
import { reportFailure } from "./run-to-exit.ts";
import { addSessions } from "./sessions.ts";
import type { Shell } from "./shell.ts";
import { addStart } from "./start.ts";
import { addStatus } from "./status.ts";
import { addSwarms } from "./swarms.ts";
import { addUsers } from "./users.ts";
import { addWebhooks } from "./webhooks.ts";

/** Each adds one verb. Their order is that of the help: what starts a system, what uses it, what looks at it. */
const verbs = [
  addDev,
  addStart,
  addExec,
  addAsk,
  addExecutions,
  addSessions,
  addReactors,
  addApprovals,
  addCapability,
  addLogIn,
  addUsers,
  addCredentials,
  addSwarms,
  addRegistry,
  addMemory,
  addEvents,
  addProjections,
  addWebhooks,
  addHealth,
  addStatus,
  addDoctor,
  addConfig,
  addBackup,
  addRestore,
  addCompletion,
];

/** Runs one command line and answers its exit status. Never throws. */
export async function runProgram(shell: Shell, args: readonly string[]): Promise<number> {
  const program = createProgram(shell);
  try {
    await program.parseAsync(args, { from: "user" });
    return shell.exitStatus;
  } catch (error) {
    // Commander has said what is wrong; with help and the version nothing is.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitStatus.done : exitStatus.usage;
    return reportFailure(shell, error);
  }
}

/** All verbs with their options, for this shell. */
export function createProgram(shell: Shell): Command {
  const program = new Command("viable")
    .description("Runs systems of swarms of agents, and talks to them.")
    .version(version)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => shell.out.write(text),
      writeErr: (text) => shell.err.write(text),
      getOutHelpWidth: () => shell.out.columns,
      getErrHelpWidth: () => shell.err.columns,
      getOutHasColors: () => shell.out.colour,
      getErrHasColors: () => shell.err.colour,
    })
    .addHelpText(
      "after",
      `
Exit status: 0 done, 1 the work failed or what was asked for is not there, 2 wrong usage or invalid config, 3 refused, 4 gateway not
reachable, 5 waits for a person, 130 interrupted.

Examples:
  $ viable start
  $ viable exec analyze --path .`,
    );
  for (const add of verbs) add(program, shell);
  return program;
}
