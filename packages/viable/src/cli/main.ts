// The `viable` command: bin/viable.mjs comes here once it has found a Node that can run it.
import { runProgram } from "./program.ts";
import { runToExit } from "./run-to-exit.ts";

await runToExit((shell) => runProgram(shell, process.argv.slice(2)));
