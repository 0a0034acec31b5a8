import { readFile } from "node:fs/promises";
import { agent } from "viable";
import type { Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { maxFileBytes, readTree, reasonOf } from "../../../source/read-tree.ts";
import { pathInput, treeTimeoutMs } from "../../../source/task.ts";
import { countLines } from "../count-lines.ts";

/** How much source there is, as it was counted before there was a service for it: in the coordinator's own process, file by file. */
export const legacySizes = agent({
  name: "legacy-sizes",
  capability: "code_analysis.sizes",
  description: "Files, lines and bytes of a tree, counted by line ends, one file after another",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  async handle(ctx, { path }) {
    const tree = await readTree(path, ctx);
    const findings: Finding[] = [...tree.findings];
    const files: { path: string; lines: number; bytes: number; language: string }[] = [];
    const languages: { language: string; kind: string; files: number; lines: number; bytes: number }[] = [];
    let otherFiles = 0;
    for (const [index, file] of tree.files.entries()) {
      ctx.signal.throwIfAborted();
      if (index % 100 === 0)
        ctx.progress(
          Math.floor((index / tree.files.length) * 95),
          `Counting line ends: ${index} of ${tree.files.length}`,
        );
      const { language, bytes } = file;
      if (language === undefined) {
        otherFiles += 1;
        continue;
      }
      const { lines, finding } = await countFile(`${tree.root}/${file.path}`, language.name);
      if (finding !== undefined) findings.push({ ...finding, file: file.path });
      if (lines === undefined) continue;
      files.push({ path: file.path, lines, bytes, language: language.name });
      let sum = languages.find((each) => each.language === language.name);
      if (sum === undefined) {
        sum = { language: language.name, kind: language.kind, files: 0, lines: 0, bytes: 0 };
        languages.push(sum);
      }
      sum.files += 1;
      sum.lines += lines;
      sum.bytes += bytes;
    }
    const truncated: Truncated = {};
    return {
      lines: languages.reduce((sum, each) => sum + each.lines, 0),
      bytes: languages.reduce((sum, each) => sum + each.bytes, 0),
      languages: languages.sort((a, b) => b.lines - a.lines),
      otherFiles,
      files,
      ...aboutTree(tree, findings, truncated),
    };
  },
});

/** The lines of a file, where it has such, and what a reader should know about it. */
async function countFile(path: string, language: string): Promise<{ lines?: number; finding?: Finding }> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    return { finding: { kind: "source.unreadable", message: `The file cannot be read: ${reasonOf(error)}.` } };
  }
  // It may have grown since the walk saw it.
  if (bytes.length > maxFileBytes) return {};
  const counted = countLines(bytes);
  if (counted === undefined)
    return { finding: { kind: "source.binary", message: `Named like ${language}, but binary; not read.` } };
  if (counted.isUnicode) return { lines: counted.lines };
  const message = "Not UTF-8; read as Latin-1, so letters outside ASCII may be wrong.";
  return { lines: counted.lines, finding: { kind: "source.encoding", message } };
}
