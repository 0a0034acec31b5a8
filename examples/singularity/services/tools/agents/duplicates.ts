import { threadAgent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { loadTypeScript } from "../../../source/parse-script.ts";
import { readScripts } from "../../../source/read-scripts.ts";
import { countLines } from "../../../source/read-text.ts";
import { readTree } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { createDuplicateFinder } from "../duplicate-finder.ts";
import { readTokens, type TokenIds } from "../read-tokens.ts";

const maxDuplicates = 500;

/** Code that stands in two places. */
export const duplicates = threadAgent({
  name: "duplicates",
  capability: "code_analysis.duplicates",
  description: "Pieces of TypeScript and JavaScript that stand in more than one place, token by token",
  input: pathInput.extend({
    minTokens: z.number().int().min(20).max(10_000).default(50).describe("Shorter pieces are no duplicates"),
    minLines: z.number().int().min(1).max(1_000).default(5),
  }),
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path, minTokens, minLines }) {
    const tree = await readTree(path, ctx);
    const typescript = loadTypeScript();
    const finder = createDuplicateFinder(minTokens, minLines);
    const known: TokenIds = new Map();
    const notCompared: Finding[] = [];
    let lines = 0;
    const findings = await readScripts(typescript, tree, ctx, "Comparing", ({ file, text, source }) => {
      if (finder.add(file.path, readTokens(typescript, source, known))) lines += countLines(text);
      else {
        const message = "Not compared: the tree has more tokens than one run holds. Name a smaller folder.";
        notCompared.push({ kind: "duplicates.too_much", file: file.path, message });
      }
    });
    const truncated: Truncated = {};
    const longestFirst = [...finder.found].sort((a, b) => b.tokens - a.tokens);
    return {
      count: finder.found.length,
      duplicatedLines: finder.found.reduce((sum, each) => sum + each.lines, 0),
      comparedLines: lines,
      duplicates: cutList("duplicates", longestFirst, maxDuplicates, truncated),
      ...aboutTree(tree, [...tree.findings, ...findings, ...notCompared], truncated),
    };
  },
});
