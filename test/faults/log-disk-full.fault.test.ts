/**
 * The log on a disk that fills up under load: what cannot be kept is not acknowledged, and each writer is told so; what was acknowledged
 * is there once; and with room again the same writers go on with what they had no answer to. On PGlite and on PostgreSQL, each on
 * a small file system of its own, which is full for the write-ahead log first or for the tables.
 */
import { expect, test } from "vitest";
import { fillDisk } from "./log/full-disk.ts";
import { keepResult, sayReplay, seed } from "./log/result-file.ts";

const cases = [
  { kind: "pglite", full: "write-ahead log", name: "pglite" },
  { kind: "pglite", full: "tables", name: "pglite-tables" },
  { kind: "postgres", full: "write-ahead log", name: "postgres" },
  { kind: "postgres", full: "tables", name: "postgres-tables" },
] as const;

test.each(cases)("$kind, no room for the $full", { timeout: 240_000 }, async ({ kind, full, name }) => {
  sayReplay("log-disk-full");
  const found = await fillDisk({ kind, full, seed });
  expect(found.violations).toEqual([]);
  expect(found.toldNoSpace + found.toldUnavailable).toBeGreaterThan(0);
  // `log.no_space` says that nothing was written.
  expect(found.toldNoSpaceAndKept).toBe(0);
  expect(found.acknowledgedWithRoomAgain).toBeGreaterThan(0);
  if (full === "tables") expect(found).toMatchObject({ freeAtFullMb: 0, serverEnded: false });
  keepResult(`log-disk-full-${name}`, { store: kind, full, ...found, violations: found.violations.length });
});
