import type { Clock, Timer } from "@viable/kernel";
import type { EventView } from "@viable/protocol";
import { emptyTree, foldBounded, nodeOf } from "./bounded-tree.ts";
import type { TreeNode } from "./execution-tree.ts";
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

/** Live on a terminal: a bar for each execution, drawn anew. Elsewhere plain lines, one for each change that matters. */
export function createProgressDisplay(screen: Screen, clock: Clock): ProgressDisplay {
  return screen.isAnimated ? createLiveDisplay(screen, clock) : createLineDisplay(screen, clock);
}

function createLiveDisplay(screen: Screen, clock: Clock): ProgressDisplay {
  let state = emptyTree;
  let timer: Timer | undefined;
  const draw = () => screen.draw(renderTree(state, screen, clock.now()));
  const tick = () => {
    draw();
    // Durations go on while nothing happens, and the terminal may have another size by now.
    timer = clock.setTimer(tick, drawEveryMs, { background: true });
  };
  return {
    show(event) {
      state = foldBounded(state, event);
      if (state.tree.size > 0 && timer === undefined) tick();
    },
    end() {
      timer?.cancel();
      if (timer === undefined) return;
      draw();
      screen.leave();
    },
  };
}

function createLineDisplay(screen: Screen, clock: Clock): ProgressDisplay {
  let state = emptyTree;
  /** Of what is under way: its last line, and when that was written. */
  const told = new Map<string, { readonly ms: number; readonly line: string }>();
  let recentMs: number[] = [];
  let untold = 0;
  /** What the tree's root does and what fails is always told; the rest as far as there is room. */
  const mayTell = (node: TreeNode, progressed: boolean, nowMs: number): boolean => {
    const lastMs = told.get(node.executionId)?.ms ?? Number.NEGATIVE_INFINITY;
    if (progressed && nowMs - lastMs < lineEveryMs) return false;
    // Nothing goes on before somebody has read it.
    const needsPerson = node.status === "waiting" && node.approvalId !== undefined;
    if (node.parentId === undefined || node.status === "failed" || needsPerson) return true;
    recentMs = recentMs.filter((ms) => nowMs - ms < 1_000);
    return recentMs.length < linesPerSecond;
  };
  return {
    show(event) {
      const before = state;
      state = foldBounded(state, event);
      const node = nodeOf(state, event);
      if (node === undefined || state === before) return;
      const nowMs = clock.monotonicMs();
      const progressed = event.type === "execution.progressed";
      const line = renderChange(node);
      if (line === told.get(node.executionId)?.line) return;
      const isTold = mayTell(node, progressed, nowMs);
      if (node.endedMs !== undefined) told.delete(node.executionId);
      else if (isTold) told.set(node.executionId, { ms: nowMs, line });
      if (!isTold) {
        if (!progressed) untold += 1;
        return;
      }
      recentMs.push(nowMs);
      const left = untold === 0 ? "" : ` (and ${untold} more since the last line)`;
      untold = 0;
      screen.write(`${line}${left}\n`);
    },
    end() {},
  };
}
