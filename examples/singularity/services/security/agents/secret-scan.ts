import { threadAgent } from "viable";
import { byText } from "../../../source/by-text.ts";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { readText } from "../../../source/read-text.ts";
import { readTree } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";

const maxSecrets = 1_000;

/** Where a secret was written down: the place and the kind, never the secret itself, since results are kept in the log. */
type Secret = { readonly file: string; readonly line: number; readonly kind: string };

/** Looks for credentials in every text file of a tree. */
export const secretScan = threadAgent({
  name: "secret-scan",
  capability: "secret_scan",
  description: "Credentials written into files: place and kind, never the secret itself",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const tree = await readTree(path, ctx);
    const { lintSource } = await import("@secretlint/core");
    const { creator, rules } = await import("@secretlint/secretlint-rule-preset-recommend");
    const config = { rules: [{ id: "@secretlint/secretlint-rule-preset-recommend", rule: creator }] };
    const findings: Finding[] = [...tree.findings];
    const secrets = new Map<string, Secret>();
    let scanned = 0;
    for (const [index, file] of tree.files.entries()) {
      ctx.signal.throwIfAborted();
      if (index % 50 === 0) {
        ctx.progress(Math.floor((index / tree.files.length) * 95), `Scanning: ${index} of ${tree.files.length}`);
      }
      const read = await readText(tree, file);
      if (read.finding !== undefined) findings.push(read.finding);
      if (!read.ok) continue;
      scanned++;
      const filePath = `${tree.root}/${file.path}`;
      const { messages } = await lintSource({
        source: { filePath, content: read.text, ext: /\.[^./]+$/.exec(file.path)?.[0] ?? "", contentType: "text" },
        options: { config, maskSecrets: true, noPhysicFilePath: true },
      });
      for (const each of messages) {
        const secret = { file: file.path, line: each.loc.start.line, kind: kindOf(each.ruleId, each.messageId) };
        secrets.set(JSON.stringify(secret), secret);
      }
    }
    const truncated: Truncated = {};
    const found = [...secrets.values()].sort(
      (a, b) => byText(a.file, b.file) || a.line - b.line || byText(a.kind, b.kind),
    );
    return {
      count: found.length,
      scannedFiles: scanned,
      rules: rules.length,
      secrets: cutList("secrets", found, maxSecrets, truncated),
      ...aboutTree(tree, findings, truncated),
    };
  },
});

/** `@secretlint/secretlint-rule-github` and `GITHUB_TOKEN` as `github.GITHUB_TOKEN`. */
function kindOf(ruleId: string, messageId: string): string {
  const rule = ruleId.slice(ruleId.lastIndexOf("/") + 1).replace(/^secretlint-rule-/, "");
  return `${rule}.${messageId}`;
}
