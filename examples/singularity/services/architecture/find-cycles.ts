import type { Edge } from "../../source/module-graph.ts";

export type Cycle = {
  /** One shortest way round: each file imports the next, the last imports the first. */
  readonly path: readonly string[];
  /** All files that reach each other, the path's among them, in order. */
  readonly members: readonly string[];
  /** `types` where the circle closes only through imports of types, which are gone at run time; it can hurt no start-up. */
  readonly kind: "runtime" | "types";
};

/** Files met in search of one shortest way round: in a knot of thousands the shortest from some of its files will do. */
const maxSteps = 1_000_000;

/**
 * The circles of a graph: its strongly connected components of more than one file, or of one that imports itself. Those that
 * stand at run time come first, the largest first.
 */
export function findCycles(modules: readonly string[], edges: readonly Edge[]): Cycle[] {
  const running = edges.filter((edge) => edge.kind !== "type");
  const runtime = findComponents(modules, running);
  const known = new Set(runtime.flat());
  const types = findComponents(modules, edges).filter((members) => !members.some((member) => known.has(member)));
  const toCycle = (kind: Cycle["kind"], among: readonly Edge[]) => (members: string[]) => ({
    path: shortestWayRound(members, among),
    members,
    kind,
  });
  const bySize = (a: string[], b: string[]) => b.length - a.length;
  return [...runtime.sort(bySize).map(toCycle("runtime", running)), ...types.sort(bySize).map(toCycle("types", edges))];
}

/** Tarjan's algorithm with its own stack, since a chain of imports may be longer than the engine's. */
function findComponents(nodes: readonly string[], edges: readonly Edge[]): string[][] {
  const next = toTargets(edges);
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const components: string[][] = [];

  for (const start of nodes) {
    if (order.has(start)) continue;
    const calls: { node: string; child: number }[] = [];
    const enter = (node: string): void => {
      order.set(node, order.size);
      lowest.set(node, order.get(node) as number);
      open.push(node);
      isOpen.add(node);
      calls.push({ node, child: 0 });
    };
    enter(start);
    for (let call = calls.at(-1); call !== undefined; call = calls.at(-1)) {
      const child = next.get(call.node)?.[call.child++];
      if (child !== undefined) {
        if (!order.has(child)) enter(child);
        else if (isOpen.has(child)) lower(lowest, call.node, order.get(child) as number);
        continue;
      }
      calls.pop();
      const parent = calls.at(-1);
      if (parent !== undefined) lower(lowest, parent.node, lowest.get(call.node) as number);
      if (lowest.get(call.node) !== order.get(call.node)) continue;
      const members = open.splice(open.lastIndexOf(call.node));
      for (const member of members) isOpen.delete(member);
      if (members.length > 1 || next.get(call.node)?.includes(call.node)) components.push(members.sort());
    }
  }
  return components;
}

function lower(lowest: Map<string, number>, node: string, to: number): void {
  if (to < (lowest.get(node) as number)) lowest.set(node, to);
}

/** The shortest circle within a component, found by a breadth-first search from each of its files. */
function shortestWayRound(members: readonly string[], edges: readonly Edge[]): string[] {
  const inside = new Set(members);
  const next = toTargets(edges.filter((edge) => inside.has(edge.from) && inside.has(edge.to)));
  let best: string[] | undefined;
  let steps = 0;
  for (const start of members) {
    const search = wayBack(start, next, best?.length ?? Number.POSITIVE_INFINITY);
    best = search.way ?? best;
    steps += search.steps;
    // No way round is shorter than two, but that of a file which imports itself.
    if (steps > maxSteps || best?.length === 1) break;
  }
  return best ?? [...members];
}

/** The shortest way from `start` back to itself with fewer than `limit` files, and how many files were met in search of it. */
function wayBack(
  start: string,
  next: ReadonlyMap<string, readonly string[]>,
  limit: number,
): { way: string[] | undefined; steps: number } {
  const cameFrom = new Map<string, string | undefined>([[start, undefined]]);
  let front = [start];
  for (let length = 1; length < limit && front.length > 0; length++) {
    const following: string[] = [];
    for (const node of front) {
      for (const target of next.get(node) ?? []) {
        if (target === start) return { way: traceBack(node, cameFrom), steps: cameFrom.size };
        if (cameFrom.has(target)) continue;
        cameFrom.set(target, node);
        following.push(target);
      }
    }
    front = following;
  }
  return { way: undefined, steps: cameFrom.size };
}

function traceBack(last: string, cameFrom: ReadonlyMap<string, string | undefined>): string[] {
  const way: string[] = [];
  for (let node: string | undefined = last; node !== undefined; node = cameFrom.get(node)) way.unshift(node);
  return way;
}

function toTargets(edges: readonly Edge[]): Map<string, string[]> {
  const targets = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const list = targets.get(from);
    if (list === undefined) targets.set(from, [to]);
    else list.push(to);
  }
  return targets;
}
