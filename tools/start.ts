// npm start [-- PATH] [--once] [--output json]: starts the reference system, analyses PATH or this checkout, shows the report and stays up.
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { runToExit, startAndRun } from "viable/cli";

const root = join(import.meta.dirname, "..");
const example = join(root, "examples", "singularity");
const usage = "Usage: npm start [-- PATH] [--once] [--output json]";

await runToExit(async (shell) => {
  const given = readArguments(process.argv.slice(2));
  if (typeof given === "string") {
    shell.err.write(`error: ${given}\n${usage}\n`);
    return 2;
  }
  if (given.help) {
    shell.out.write(`${usage}\n`);
    return 0;
  }
  // npm runs us in the root; a path is meant from where npm was called.
  const path = given.path === undefined ? root : resolve(shell.environment.INIT_CWD || shell.cwd, given.path);
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) {
    shell.err.write(`error: ${path} is not a folder.\n${usage}\n`);
    return 2;
  }
  // By path, as the config is loaded: the example is data to this tool, not a part of it.
  const { renderReport } = (await import(pathToFileURL(join(example, "analyze", "report.ts")).href)) as {
    renderReport(result: unknown): string;
  };
  return await startAndRun(shell, {
    config: join(example, "viable.config.ts"),
    command: "analyze",
    args: { path },
    once: given.once,
    output: given.output,
    render: renderReport,
  });
});

interface Given {
  readonly path: string | undefined;
  readonly once: boolean;
  readonly output: "json" | "text";
  readonly help: boolean;
}

/** What was asked for, or what is wrong with it. */
function readArguments(args: string[]): Given | string {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: {
        once: { type: "boolean", default: false },
        output: { type: "string", default: "text" },
        help: { type: "boolean", default: false },
      },
    });
    const { once, output, help } = values;
    if (output !== "json" && output !== "text") return `--output is json or text, not "${output}".`;
    if (positionals.length > 1) return `One folder at a time, not ${positionals.join(" and ")}.`;
    return { path: positionals[0], once, output, help };
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
