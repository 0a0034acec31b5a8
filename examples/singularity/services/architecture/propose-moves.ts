import type { Edge } from "../../source/module-graph.ts";
import type { Layering } from "./layer-rooms.ts";
import type { Rooms } from "./rooms.ts";

export type Move = {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** How many imports go the right way after it that went upward before, less those that it turns. */
  readonly removes: number;
};

/** Moves proposed at once: after so many the picture has changed, and it should be looked at again. */
const maxMoves = 50;

/**
 * Proposes which files to move so that fewer imports go upward: again and again the one file and the one room where that
 * gains most, judged by what the file imports and who imports it. Stops when no single move gains.
 */
export function proposeMoves(rooms: Rooms, layering: Layering, edges: readonly Edge[]): Move[] {
  const now = new Map(rooms);
  const crossing = edges.filter((edge) => rooms.has(edge.from) && rooms.has(edge.to) && edge.from !== edge.to);
  const touching = new Map<string, Edge[]>();
  for (const edge of crossing) {
    for (const end of [edge.from, edge.to]) {
      const list = touching.get(end);
      if (list === undefined) touching.set(end, [edge]);
      else list.push(edge);
    }
  }
  const levelOf = (room: string): number => layering.levelOf.get(room) ?? 0;
  const upwardPairs = new Set(layering.upward.map(({ from, to }) => `${from}\0${to}`));
  const isUpward = (from: string, to: string): boolean =>
    from !== to && (upwardPairs.has(`${from}\0${to}`) || levelOf(from) <= levelOf(to));
  /** Upward imports that a file takes part in when it lies in a room. */
  const costIn = (file: string, room: string): number =>
    (touching.get(file) ?? []).filter((edge) => {
      const from = edge.from === file ? room : (now.get(edge.from) as string);
      const to = edge.to === file ? room : (now.get(edge.to) as string);
      return isUpward(from, to);
    }).length;

  const moves: Move[] = [];
  const moved = new Set<string>();
  while (moves.length < maxMoves) {
    let best: Move | undefined;
    const candidates = new Set(
      crossing
        .filter((edge) => isUpward(now.get(edge.from) as string, now.get(edge.to) as string))
        .flatMap((edge) => [edge.from, edge.to]),
    );
    for (const file of candidates) {
      if (moved.has(file)) continue;
      const from = now.get(file) as string;
      const cost = costIn(file, from);
      const around = new Set(
        (touching.get(file) ?? []).map((edge) => now.get(edge.from === file ? edge.to : edge.from) as string),
      );
      around.delete(from);
      for (const to of around) {
        const removes = cost - costIn(file, to);
        if (removes > (best?.removes ?? 0)) best = { file, from, to, removes };
      }
    }
    if (best === undefined) break;
    now.set(best.file, best.to);
    moved.add(best.file);
    moves.push(best);
  }
  return moves;
}
