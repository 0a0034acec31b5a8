import { byText } from "../../source/by-text.ts";
import type { RoomEdge } from "./rooms.ts";

export interface Layering {
  /** From the ground up: a room uses only rooms of lower levels, but for the edges that go upward. */
  readonly levels: readonly (readonly string[])[];
  readonly levelOf: ReadonlyMap<string, number>;
  /** Edges against the direction: together as few imports as the search could leave. */
  readonly upward: readonly RoomEdge[];
}

/**
 * Puts rooms into layers by the direction of their imports. Where rooms import each other in a circle, no order fits all
 * imports; then an order is taken that leaves few against it (Eades, Lin and Smyth's heuristic with weights, then improved
 * by moving single rooms), and those that are left are named.
 */
export function layerRooms(rooms: readonly string[], edges: readonly RoomEdge[]): Layering {
  const place = new Map(improveOrder(orderRooms(rooms, edges), edges).map((room, index) => [room, index]));
  const goesUp = ({ from, to }: RoomEdge): boolean => (place.get(from) as number) < (place.get(to) as number);
  return toLayering(rooms, edges, goesUp, place);
}

/**
 * Puts rooms into the layers that somebody declared, topmost first. An edge goes upward where a lower layer imports a
 * higher one; rooms that were not declared are put where their imports lead.
 */
export function layerAsDeclared(
  rooms: readonly string[],
  edges: readonly RoomEdge[],
  declared: readonly string[],
): Layering {
  const wanted = new Map([...declared].reverse().map((room, index) => [room, index]));
  const measured = layerRooms(rooms, edges);
  const isDeclared = ({ from, to }: RoomEdge): boolean => wanted.has(from) && wanted.has(to);
  const goesUp = (edge: RoomEdge): boolean =>
    isDeclared(edge)
      ? (wanted.get(edge.from) as number) < (wanted.get(edge.to) as number)
      : measured.upward.includes(edge);
  // Ground first, by the declared order where there is one: only then is every room below met before those above it.
  const known = [...wanted.keys()].filter((room) => rooms.includes(room));
  const order = [...known, ...measured.levels.flat().filter((room) => !wanted.has(room))];
  return toLayering(rooms, edges, goesUp, new Map(order.map((room, index) => [room, index])));
}

function toLayering(
  rooms: readonly string[],
  edges: readonly RoomEdge[],
  goesUp: (edge: RoomEdge) => boolean,
  place: ReadonlyMap<string, number>,
): Layering {
  const down = edges.filter((edge) => !goesUp(edge));
  const levelOf = new Map<string, number>(rooms.map((room) => [room, 0]));
  // The longest way down; as many rounds as there are rooms reach every fixed point there is.
  for (let round = 0, isStable = false; !isStable && round < rooms.length; round++) {
    isStable = true;
    for (const { from, to } of down) {
      const level = (levelOf.get(to) as number) + 1;
      if ((levelOf.get(from) as number) >= level || level >= rooms.length) continue;
      levelOf.set(from, level);
      isStable = false;
    }
  }
  const levels: string[][] = [];
  for (const room of [...rooms].sort((a, b) => (place.get(a) as number) - (place.get(b) as number) || byText(a, b))) {
    const level = levelOf.get(room) as number;
    while (levels.length <= level) levels.push([]);
    (levels[level] as string[]).push(room);
  }
  return { levels: levels.filter((level) => level.length > 0), levelOf, upward: edges.filter(goesUp) };
}

/** Ground first: what nobody needs goes last, what needs nobody first, and in a knot whoever is needed most against what it needs. */
function orderRooms(rooms: readonly string[], edges: readonly RoomEdge[]): string[] {
  const left = new Set([...rooms].sort(byText));
  const ground: string[] = [];
  const roof: string[] = [];
  while (left.size > 0) {
    const alive = edges.filter((edge) => left.has(edge.from) && left.has(edge.to));
    const uses = sumBy(alive, (edge) => edge.from);
    const usedBy = sumBy(alive, (edge) => edge.to);
    const free = [...left].filter((room) => !uses.has(room));
    const top = free.length > 0 ? [] : [...left].filter((room) => !usedBy.has(room));
    if (free.length > 0) ground.push(...free);
    else if (top.length > 0) roof.unshift(...top);
    else {
      const surplus = (room: string): number => (usedBy.get(room) as number) - (uses.get(room) as number);
      const [next] = [...left].sort((a, b) => surplus(b) - surplus(a) || byText(a, b));
      ground.push(next as string);
      left.delete(next as string);
      continue;
    }
    for (const room of [...free, ...top]) left.delete(room);
  }
  return [...ground, ...roof];
}

function sumBy(edges: readonly RoomEdge[], key: (edge: RoomEdge) => string): Map<string, number> {
  const sums = new Map<string, number>();
  for (const edge of edges) sums.set(key(edge), (sums.get(key(edge)) ?? 0) + edge.edges.length);
  return sums;
}

/** Moves single rooms to where fewer imports go against the order, until none gains by it. */
function improveOrder(order: string[], edges: readonly RoomEdge[]): string[] {
  let best = order;
  let bestCost = countUpward(best, edges);
  for (let round = 0, hasGained = true; hasGained && bestCost > 0 && round < order.length; round++) {
    hasGained = false;
    for (const room of order) {
      const without = best.filter((each) => each !== room);
      for (let at = 0; at <= without.length; at++) {
        const tried = [...without.slice(0, at), room, ...without.slice(at)];
        const cost = countUpward(tried, edges);
        if (cost >= bestCost) continue;
        best = tried;
        bestCost = cost;
        hasGained = true;
      }
    }
  }
  return best;
}

function countUpward(order: readonly string[], edges: readonly RoomEdge[]): number {
  const place = new Map(order.map((room, index) => [room, index]));
  let count = 0;
  for (const { from, to, edges: imports } of edges) {
    if ((place.get(from) as number) < (place.get(to) as number)) count += imports.length;
  }
  return count;
}
