import { threadAgent } from "viable";
import type { Finding } from "../../../source/finding.ts";
import { readHistory } from "../../../source/read-history.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { fixWords, harmlessWords } from "../fix-commits.ts";

/** Which files are likely to need mending next, learnt from the repository's own history. */
export const riskRanker = threadAgent({
  name: "risk-ranker",
  capability: "risk_ranking",
  description: "Ranks source files by the risk that the next commits mend a defect in them, learnt from git's history",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    ctx.progress(5, "Reading the history");
    const history = await readHistory(path, ctx);
    if (!history.ok) return { origin: "none", reason: history.message, files: [], findings: [], truncated: {} };
    ctx.progress(40, `Learning from ${history.commits.length} commits`);
    // Only the thread loads what it computes with.
    const { rankFiles } = await import("../rank-files.ts");
    const { truncated, ...ranking } = rankFiles(history, ctx.signal);
    const findings: Finding[] = [];
    if (history.isShallow) {
      const message =
        "A shallow clone: the older commits are not here, so files look younger and calmer than they are.";
      findings.push({ kind: "history.shallow", message });
    }
    return {
      ...ranking,
      fixCommitsBy: { wordsInTheFirstLine: [...fixWords], unlessThereIs: [...harmlessWords] },
      findings,
      truncated: { ...truncated, ...(history.olderCommits > 0 && { commits: history.olderCommits }) },
    };
  },
});
