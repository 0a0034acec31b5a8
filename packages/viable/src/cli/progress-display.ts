import type { Clock, Timer } from "@viable/kernel";
import type { EventView } from "@viable/protocol";
import type { ExecutionTree, TreeNode } from "./execution-tree.ts";
import { executionOf, foldTree } from "./execution-tree.ts";
import { renderChange, renderTree } from "./render-tree.ts";
import type { Screen } from "./shell.ts";

/** Shows how far a tree of executions is. */
export interface ProgressDisplay {
  show(event: EventView): void;
  /** Draws what is left to draw and leaves the screen to others. */
  end(): void;
}

/** Between two drawings on a terminal, in milliseconds: quick enough to look alive, slow enough to be read. */
const drawEveryMs = 200;
/** Between two lines about one execution's progress elsewhere, in milliseconds. */
const lineEveryMs = 1_000;
/** More lines than this are a stream and no log. */
const linesPerSecond = 4;

/** Live on a terminal: one line for each execution, drawn anew. Elsewhere plain lines, one for each change that matters. */
export function createProgressDisplay(screen: Screen, clock: Clock): ProgressDisplay {
  return screen.isTerminal ? createLiveDisplay(screen, clock) : createLineDisplay(screen, clock);
}

function createLiveDisplay(screen: Screen, clock: Clock): ProgressDisplay {
  let tree: ExecutionTree = new Map();
  let drawn = 0;
  let timer: Timer | undefined;
  const draw = () => {
    const lines = renderTree(tree, screen, clock.now());
    // Up to the first line of the last drawing, and everything from there on is cleared.
    const back = drawn === 0 ? "" : `\u001b[${drawn}A\r\u001b[J`;
    screen.write(`${back}${lines.map((line) => `${line}\n`).join("")}`);
    drawn = lines.length;
  };
  const tick = () => {
    draw();
    // Durations go on while nothing happens.
    timer = clock.setTimer(tick, drawEveryMs, { background: true });
  };
  return {
    show(event) {
      tree = foldTree(tree, event);
      if (tree.size > 0 && timer === undefined) tick();
    },
    end() {
      timer?.cancel();
      if (tree.size > 0) draw();
    },
  };
}

function createLineDisplay(screen: Screen, clock: Clock): ProgressDisplay {
  let tree: ExecutionTree = new Map();
  const toldMs = new Map<string, number>();
  let recentMs: number[] = [];
  let untold = 0;
  /** What the tree's root does and what fails is always told; the rest as far as there is room. */
  const mayTell = (node: TreeNode, progressed: boolean, nowMs: number): boolean => {
    if (progressed && nowMs - (toldMs.get(node.executionId) ?? Number.NEGATIVE_INFINITY) < lineEveryMs) return false;
    // Nothing goes on before somebody has read it.
    const needsPerson = node.status === "waiting" && node.approvalId !== undefined;
    if (node.parentId === undefined || node.status === "failed" || needsPerson) return true;
    recentMs = recentMs.filter((ms) => nowMs - ms < 1_000);
    return recentMs.length < linesPerSecond;
  };
  return {
    show(event) {
      tree = foldTree(tree, event);
      const node = tree.get(executionOf(event) ?? "");
      if (node === undefined) return;
      const nowMs = clock.monotonicMs();
      const progressed = event.type === "execution.progressed";
      if (!mayTell(node, progressed, nowMs)) {
        if (!progressed) untold += 1;
        return;
      }
      recentMs.push(nowMs);
      toldMs.set(node.executionId, nowMs);
      const left = untold === 0 ? "" : ` (and ${untold} more since the last line)`;
      untold = 0;
      screen.write(`${renderChange(node)}${left}\n`);
    },
    end() {},
  };
}
