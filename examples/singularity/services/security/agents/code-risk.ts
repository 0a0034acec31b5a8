import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { isTest } from "../../../source/languages.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { loadTypeScript } from "../../../source/parse-script.ts";
import { readScripts } from "../../../source/read-scripts.ts";
import { readTree } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { findRisks, type Risk } from "../find-risks.ts";

const maxRisks = 1_000;

/** Looks for calls that are dangerous when they are given what comes from outside. */
export const codeRisk = threadAgent({
  name: "code-risk",
  capability: "code_risk",
  description: "Risky calls by syntax: eval, shells, markup, disabled TLS checks, weak hashes, slow patterns",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const tree = await readTree(path, ctx);
    const typescript = loadTypeScript();
    const risks: (Risk & { file: string; inTest: boolean })[] = [];
    const findings = await readScripts(typescript, tree, ctx, "Looking for risky calls", ({ file, source }) => {
      const inTest = isTest(file.path);
      risks.push(...findRisks(typescript, source).map((each) => ({ file: file.path, inTest, ...each })));
    });
    const kinds: { [kind: string]: number } = {};
    for (const { kind } of risks) kinds[kind] = (kinds[kind] ?? 0) + 1;
    const truncated: Truncated = {};
    // What ships first: a risky call in a test is at worst a nuisance.
    risks.sort((a, b) => Number(a.inTest) - Number(b.inTest));
    return {
      count: risks.length,
      kinds,
      risks: cutList("risks", risks, maxRisks, truncated),
      ...aboutTree(tree, [...tree.findings, ...findings], truncated),
    };
  },
});
