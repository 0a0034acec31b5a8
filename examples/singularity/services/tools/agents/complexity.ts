import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { loadTypeScript } from "../../../source/parse-script.ts";
import { readScripts } from "../../../source/read-scripts.ts";
import { countLines } from "../../../source/read-text.ts";
import { readTree } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { measureComplexity } from "../measure-complexity.ts";

/** Functions named in one result: the most complex; who works through them asks again. */
const maxFunctions = 200;

/** How many ways lead through each function and file. */
export const complexity = threadAgent({
  name: "complexity",
  capability: "code_analysis.complexity",
  description: "Cyclomatic complexity of every function and file of TypeScript and JavaScript",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const tree = await readTree(path, ctx);
    const typescript = loadTypeScript();
    const files: { path: string; lines: number; complexity: number; functions: number }[] = [];
    const functions: { file: string; name: string; line: number; complexity: number }[] = [];
    const findings = await readScripts(typescript, tree, ctx, "Measuring complexity", ({ file, text, source }) => {
      const measured = measureComplexity(typescript, source);
      files.push({
        path: file.path,
        lines: countLines(text),
        complexity: measured.complexity,
        functions: measured.functions.length,
      });
      functions.push(...measured.functions.map((each) => ({ file: file.path, ...each })));
    });
    const truncated: Truncated = {};
    functions.sort((a, b) => b.complexity - a.complexity);
    return {
      files,
      functionCount: functions.length,
      functions: cutList("functions", functions, maxFunctions, truncated),
      ...aboutTree(tree, [...tree.findings, ...findings], truncated),
    };
  },
});
