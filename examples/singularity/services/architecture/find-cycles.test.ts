import fc from "fast-check";
import { expect, test } from "vitest";
import type { Edge } from "../../source/module-graph.ts";
import { findCycles } from "./find-cycles.ts";

const edge = (from: string, to: string): Edge => ({ from, to, line: 1, kind: "static" });

test("a circle of 50,000 files overflows no stack", () => {
  const names = Array.from({ length: 50_000 }, (_, index) => `f${index}`);
  const edges = names.map((name, index) => edge(name, names[(index + 1) % names.length] as string));
  const [found, ...more] = findCycles(names, edges);
  expect(more).toEqual([]);
  expect(found?.members.length).toBe(50_000);
});

test("two files are in one circle exactly when each reaches the other", () => {
  const graphs = fc
    .integer({ min: 1, max: 9 })
    .chain((size) =>
      fc.tuple(fc.constant(size), fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 20 })),
    );
  fc.assert(
    fc.property(graphs, ([size, pairs]) => {
      const names = Array.from({ length: size }, (_, index) => `f${index}`);
      const edges = pairs.map(([from, to]) => edge(`f${from}`, `f${to}`));
      const reach = names.map((from) => names.map((to) => edges.some((each) => each.from === from && each.to === to)));
      for (let via = 0; via < size; via++)
        for (let from = 0; from < size; from++)
          for (let to = 0; to < size; to++)
            if (reach[from]?.[via] && reach[via]?.[to]) (reach[from] as boolean[])[to] = true;
      const cycles = findCycles(names, edges);
      const circleOf = (index: number) => cycles.findIndex((cycle) => cycle.members.includes(`f${index}`));
      for (let a = 0; a < size; a++) {
        for (let b = 0; b < size; b++) {
          const together = circleOf(a) !== -1 && circleOf(a) === circleOf(b);
          expect(together).toBe(Boolean(reach[a]?.[b] && reach[b]?.[a]));
        }
      }
      for (const { path } of cycles) {
        for (const [index, from] of path.entries()) {
          const to = path[(index + 1) % path.length];
          expect(edges.some((each) => each.from === from && each.to === to)).toBe(true);
        }
      }
    }),
  );
});
