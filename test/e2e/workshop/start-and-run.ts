// What tools/start.ts does, on the little workshop: start-and-run.ts COMMAND ARGS-AS-JSON [--once] [--json]
import { join } from "node:path";
import { runToExit, startAndRun } from "viable/cli";

const [command = "", args = "{}", ...flags] = process.argv.slice(2);

await runToExit((shell) =>
  startAndRun(shell, {
    config: join(import.meta.dirname, "viable.config.ts"),
    command,
    args: JSON.parse(args),
    once: flags.includes("--once"),
    output: flags.includes("--json") ? "json" : "text",
    render: (result) => `The report: ${JSON.stringify(result)}\n`,
  }),
);
