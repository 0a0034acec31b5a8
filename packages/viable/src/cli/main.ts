// The `viable` command: bin/viable.mjs comes here once it has found a Node that can run it.
import { runProgram } from "./program.ts";
import { createShell } from "./shell.ts";

const status = await runProgram(createShell(), process.argv.slice(2));
// What has been written must have left: a pipe may hold it back. Whatever still runs then ends here.
await Promise.all(
  [process.stdout, process.stderr].map((stream) => new Promise<void>((resolve) => stream.write("", () => resolve()))),
);
process.exit(status);
