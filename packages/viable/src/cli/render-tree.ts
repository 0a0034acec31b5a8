import type { ExecutionStatus } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { BoundedTree } from "./bounded-tree.ts";
import type { ExecutionTree, TreeNode } from "./execution-tree.ts";
import { formatDuration } from "./format-duration.ts";
import type { Paint } from "./paint.ts";
import { paint } from "./paint.ts";
import { cutTo, padTo, toPlainLine, widthOfText } from "./plain-text.ts";
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

/** However tall the terminal: more lines nobody looks through, and what was there before is to stay in sight. */
const maxLines = 30;
/** A level further in, in columns. Levels beyond the last stand as that one does. */
const indent = 2;
const maxDepth = 8;
/** Names have a third of the line at most. */
const nameShare = 3;
/** How wide a bar is, in columns, from how wide the terminal is: the rest of a narrow one is for words. */
const barWidths = [
  [100, 20],
  [70, 12],
  [50, 8],
] as const;
/** No terminal shows more of it, and it is looked through at each drawing. */
const maxAboutChars = 2_000;
/** `100 %` */
const percentWidth = 5;

type Size = Pick<Screen, "colour" | "columns" | "rows">;

/**
 * A tree of executions, a line with a bar for each, children under their parents, and under them how many are not shown. Each line is narrower than the
 * terminal. Where there are more than it has rows, and more than 30 in any case, what has ended well goes first, and of that what ended
 * longest ago: what is under way or went wrong is what somebody looks for.
 */
export function renderTree(state: BoundedTree, screen: Size, nowMs: number): string[] {
  const lines = inOrder(state.tree);
  // The last row is the cursor's, and one more says what is left out.
  const room = Math.max(1, Math.min(screen.rows - 2, maxLines));
  const hidden = new Set(
    lines
      .slice(1)
      .map(({ node }) => node)
      .sort(byImportance)
      .slice(0, Math.max(0, lines.length - room)),
  );
  const shown = lines.filter(({ node }) => !hidden.has(node));
  const names = shown.map(({ node }) => toPlainLine(`${node.command} (${node.service})`));
  const widest = Math.max(0, ...shown.map(({ depth }, index) => indent * depth + widthOfText(names[index] ?? "")));
  const nameWidth = Math.min(widest, Math.floor(screen.columns / nameShare));
  const times = shown.map(({ node }) =>
    formatDuration((node.endedMs ?? Math.max(nowMs, node.acceptedMs)) - node.acceptedMs),
  );
  const timeWidth = Math.max(0, ...times.map((time) => time.length));
  const text = shown.map(({ node, depth }, index) => {
    const name = padTo(cutTo(names[index] ?? "", nameWidth - indent * depth), nameWidth - indent * depth);
    return renderLine(node, " ".repeat(indent * depth), name, padTo(times[index] ?? "", timeWidth), screen);
  });
  const left = tellLeft(state, [...hidden]);
  return left === undefined ? text : [...text, cutTo(`  … and ${left}`, screen.columns - 1)];
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

function renderLine(node: TreeNode, margin: string, name: string, time: string, screen: Size): string {
  const [mark, style] = marks[node.status];
  const width = barWidths.find(([from]) => screen.columns >= from)?.[1] ?? 0;
  const isDone = node.status === "completed";
  const share = isDone ? 100 : Math.min(100, Math.max(0, node.progress?.percent ?? 0));
  const filled = Math.round((share / 100) * width);
  const told = (isDone || node.progress !== undefined ? `${Math.round(share)} %` : "").padStart(percentWidth);
  const begin = `${margin}${mark}`;
  const back = `${told} ${time}  ${toPlainLine(aboutOf(node).slice(0, maxAboutChars))}`.trimEnd();
  if (width === 0) {
    // As narrow as that, all but the name may be too wide.
    const line = cutTo(`${begin} ${name} ${back}`, screen.columns - 1);
    return line.startsWith(begin) ? `${margin}${paint(screen, style, mark)}${line.slice(begin.length)}` : line;
  }
  const bar = paint(screen, style, "█".repeat(filled)) + paint(screen, "dim", "░".repeat(width - filled));
  const room = screen.columns - 1 - widthOfText(`${begin} ${name}  `) - width;
  return `${margin}${paint(screen, style, mark)} ${name} ${bar} ${cutTo(back, room)}`;
}

function aboutOf(node: TreeNode): string {
  if (node.error !== undefined) return node.error.message;
  if (node.endedMs !== undefined) return node.status === "completed" ? "" : node.status.replace("_", " ");
  const again = node.attempt > 1 ? `try ${node.attempt} ` : "";
  if (node.status === "waiting") return whatFor(node);
  return `${again}${node.progress?.message ?? ""}`;
}

const whatFor = ({ approvalId }: TreeNode): string =>
  approvalId === undefined ? "waits for equal work" : `a person decides: ${howToDecide(approvalId)}`;

const percent = (node: TreeNode): string => `${Math.round(node.progress?.percent ?? 0)} %`;

/** From what may go first to what somebody looks for. */
const ranks: Readonly<Record<ExecutionStatus, number>> = {
  completed: 0,
  cancelled: 1,
  pending: 2,
  waiting: 3,
  timed_out: 4,
  failed: 4,
  running: 5,
};
/** Of those that have ended the oldest first, of the others the newest. */
const byImportance = (a: TreeNode, b: TreeNode): number =>
  ranks[a.status] - ranks[b.status] ||
  (a.endedMs ?? 0) - (b.endedMs ?? 0) ||
  (a.endedMs === undefined ? b.acceptedMs - a.acceptedMs : 0);

/** How many of which kind no line is for; undefined where there are none. */
function tellLeft({ ended, untold }: BoundedTree, hidden: readonly TreeNode[]): string | undefined {
  const counts = new Map<string, number>();
  const count = (what: string, by: number) => {
    if (by > 0) counts.set(what, (counts.get(what) ?? 0) + by);
  };
  for (const status of Object.keys(ranks) as ExecutionStatus[]) {
    count(status.replace("_", " "), hidden.filter((node) => node.status === status).length);
    if (isOutcome(status)) count(status.replace("_", " "), ended[status] ?? 0);
  }
  count("not followed", untold);
  if (counts.size === 0) return undefined;
  return [...counts].map(([what, many]) => `${many} ${what}`).join(", ");
}

function inOrder(tree: ExecutionTree): { node: TreeNode; depth: number }[] {
  const children = new Map<string | undefined, TreeNode[]>();
  for (const node of tree.values()) {
    const parent = node.parentId !== undefined && tree.has(node.parentId) ? node.parentId : undefined;
    children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  const lines: { node: TreeNode; depth: number }[] = [];
  const visit = (parent: string | undefined, depth: number) => {
    for (const node of children.get(parent) ?? []) {
      lines.push({ node, depth: Math.min(depth, maxDepth) });
      visit(node.executionId, depth + 1);
    }
  };
  visit(undefined, 0);
  return lines;
}
