import type { ExecutionTree, TreeNode } from "./execution-tree.ts";
import { formatDuration } from "./format-duration.ts";
import type { Paint } from "./paint.ts";
import { paint } from "./paint.ts";
import { cutTo, toPlainLine } from "./plain-text.ts";
import type { Screen } from "./shell.ts";
import { howToDecide } from "./tell-approval.ts";

const marks: Readonly<Record<TreeNode["status"], readonly [string, Paint]>> = {
  pending: ["·", "dim"],
  running: ["▸", "cyan"],
  waiting: ["=", "yellow"],
  completed: ["✓", "green"],
  failed: ["✗", "red"],
  cancelled: ["-", "yellow"],
  timed_out: ["!", "red"],
};

/**
 * A tree of executions, one line each, children under their parents. Where there are more lines than the terminal has rows, what
 * has ended well goes first: what is under way or went wrong is what somebody looks for.
 */
export function renderTree(
  tree: ExecutionTree,
  screen: Pick<Screen, "colour" | "columns" | "rows">,
  nowMs: number,
): string[] {
  const lines = inOrder(tree);
  // The last row is the cursor's, and one more says what is left out.
  const room = Math.max(1, screen.rows - 2);
  const hidden = new Set<TreeNode>();
  for (let index = lines.length - 1; index > 0 && lines.length - hidden.size > room; index--) {
    const node = lines[index]?.node;
    if (node?.status === "completed") hidden.add(node);
  }
  const shown = lines.filter(({ node }) => !hidden.has(node)).slice(0, room);
  const text = shown.map(({ node, depth }) => renderNode(node, depth, screen, nowMs));
  const left = lines.length - shown.length;
  return left === 0 ? text : [...text, cutTo(`  … and ${left} more`, screen.columns)];
}

/** One change of an execution as a line of a log. */
export function renderChange(node: TreeNode): string {
  const what = `${node.command} on ${node.service}`;
  const took = node.endedMs === undefined ? "" : ` after ${formatDuration(node.endedMs - node.acceptedMs)}`;
  const again = node.attempt > 1 && node.status === "running" ? ` (try ${node.attempt})` : "";
  const about =
    node.status === "failed" && node.error !== undefined
      ? `: ${node.error.message}`
      : node.status === "running" && node.progress !== undefined
        ? `: ${percent(node)} ${node.progress.message}`
        : node.status === "waiting" && node.approvalId !== undefined
          ? `: ${whatFor(node)}`
          : "";
  return toPlainLine(`${what}: ${node.status.replace("_", " ")}${again}${took}${about}`);
}

function renderNode(node: TreeNode, depth: number, screen: Pick<Screen, "colour" | "columns">, nowMs: number): string {
  const [mark, style] = marks[node.status];
  const tookMs = (node.endedMs ?? Math.max(nowMs, node.acceptedMs)) - node.acceptedMs;
  const about =
    node.error !== undefined
      ? node.error.message
      : node.endedMs === undefined && node.progress !== undefined
        ? `${percent(node)} ${node.progress.message}`
        : node.status === "waiting"
          ? whatFor(node)
          : "";
  const head = `${"  ".repeat(depth)}${mark} `;
  const line = cutTo(
    toPlainLine(`${head}${node.command} (${node.service}) ${formatDuration(tookMs)} ${about}`).trimEnd(),
    screen.columns - 1,
  );
  return line.replace(mark, paint(screen, style, mark));
}

const whatFor = ({ approvalId }: TreeNode): string =>
  approvalId === undefined ? "waits for equal work" : `a person decides: ${howToDecide(approvalId)}`;

const percent = (node: TreeNode): string => `${Math.round(node.progress?.percent ?? 0)} %`;

function inOrder(tree: ExecutionTree): { node: TreeNode; depth: number }[] {
  const children = new Map<string | undefined, TreeNode[]>();
  for (const node of tree.values()) {
    const parent = node.parentId !== undefined && tree.has(node.parentId) ? node.parentId : undefined;
    children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  const lines: { node: TreeNode; depth: number }[] = [];
  const visit = (parent: string | undefined, depth: number) => {
    for (const node of children.get(parent) ?? []) {
      lines.push({ node, depth });
      visit(node.executionId, depth + 1);
    }
  };
  visit(undefined, 0);
  return lines;
}
