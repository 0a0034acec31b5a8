import { threadAgent } from "viable";
import type { Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { countLines, readText } from "../../../source/read-text.ts";
import { readTree } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";

/** How much source there is, by file and by language. */
export const sizes = threadAgent({
  name: "sizes",
  capability: "code_analysis.sizes",
  description: "Files, lines and bytes of a tree, by file and by language",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const tree = await readTree(path, ctx);
    const findings: Finding[] = [...tree.findings];
    const files: { path: string; lines: number; bytes: number; language: string }[] = [];
    const languages = new Map<
      string,
      { language: string; kind: string; files: number; lines: number; bytes: number }
    >();
    let others = 0;
    for (const [index, file] of tree.files.entries()) {
      ctx.signal.throwIfAborted();
      if (index % 100 === 0) {
        ctx.progress(Math.floor((index / tree.files.length) * 95), `Counting lines: ${index} of ${tree.files.length}`);
      }
      if (file.language === undefined) {
        others++;
        continue;
      }
      const read = await readText(tree, file);
      if (read.finding !== undefined) findings.push(read.finding);
      if (!read.ok) continue;
      const { name, kind } = file.language;
      const lines = countLines(read.text);
      const sum = languages.get(name) ?? { language: name, kind, files: 0, lines: 0, bytes: 0 };
      languages.set(name, { ...sum, files: sum.files + 1, lines: sum.lines + lines, bytes: sum.bytes + file.bytes });
      files.push({ path: file.path, lines, bytes: file.bytes, language: name });
    }
    const truncated: Truncated = {};
    return {
      lines: files.reduce((sum, file) => sum + file.lines, 0),
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      languages: [...languages.values()].sort((a, b) => b.lines - a.lines),
      otherFiles: others,
      files,
      ...aboutTree(tree, findings, truncated),
    };
  },
});
