import type { EventView, OutcomeStatus } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { ExecutionTree, TreeNode } from "./execution-tree.ts";
import { executionOf, foldTree } from "./execution-tree.ts";

/** A tree that stays small: what has ended leaves it when there is more, and is counted. */
export interface BoundedTree {
  readonly tree: ExecutionTree;
  /** Those that have ended and left. */
  readonly ended: Readonly<Partial<Record<OutcomeStatus, number>>>;
  /** Those that came when as many were under way as are kept. What becomes of them is not told. */
  readonly untold: number;
}

/** More than any terminal shows, and few enough to be looked through at each event. */
const maxNodes = 200;

export const emptyTree: BoundedTree = { tree: new Map(), ended: {}, untold: 0 };

/** The tree after one more event, as `foldTree` makes it, of 200 executions at most. The first ones stay, since they are what is waited for. */
export function foldBounded(before: BoundedTree, event: EventView): BoundedTree {
  const tree = foldTree(before.tree, event);
  if (tree === before.tree) return before;
  if (tree.size <= maxNodes) return { ...before, tree };
  const over = findOver(tree);
  if (over === undefined) return { ...before, untold: before.untold + 1 };
  const rest = new Map(tree);
  rest.delete(over.executionId);
  const { status } = over;
  if (!isOutcome(status)) return { ...before, tree: rest, untold: before.untold + 1 };
  return { ...before, tree: rest, ended: { ...before.ended, [status]: (before.ended[status] ?? 0) + 1 } };
}

/** What leaves first: of those that have ended what ended longest ago, and first those that ended well; else the newest. */
function findOver(tree: ExecutionTree): TreeNode | undefined {
  const [root, ...others] = tree.values();
  const parents = new Set(others.map(({ parentId }) => parentId));
  let found: TreeNode | undefined;
  for (const node of others) {
    if (node.endedMs === undefined || parents.has(node.executionId)) continue;
    if (found === undefined || orderOf(node) < orderOf(found)) found = node;
  }
  return found ?? others.at(-1) ?? root;
}

const orderOf = ({ status, endedMs = 0 }: TreeNode): number => endedMs + (status === "completed" ? 0 : 1e15);

/** The execution that an event is about, where the tree has it. */
export const nodeOf = ({ tree }: BoundedTree, event: EventView): TreeNode | undefined =>
  tree.get(executionOf(event) ?? "");
