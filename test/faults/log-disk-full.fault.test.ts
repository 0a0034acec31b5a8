/**
 * The log on a disk that fills up under load: what cannot be kept is not acknowledged, and each writer is told so; what was acknowledged
 * is there once; and with room again the same writers go on with what they had no answer to. On PGlite and on PostgreSQL, each on
 * a small file system of its own.
 */
import { expect, test } from "vitest";
import { fillDisk } from "./log/full-disk.ts";
import { keepResult, sayReplay, seed } from "./log/result-file.ts";

test.each(["pglite", "postgres"] as const)("%s", { timeout: 240_000 }, async (kind) => {
  sayReplay("log-disk-full");
  const found = await fillDisk({ kind, seed });
  expect(found.violations).toEqual([]);
  expect(found.toldNoSpace + found.toldUnavailable).toBeGreaterThan(0);
  // `log.no_space` says that nothing was written.
  expect(found.toldNoSpaceAndKept).toBe(0);
  expect(found.acknowledgedWithRoomAgain).toBeGreaterThan(0);
  keepResult(`log-disk-full-${kind}`, { store: kind, ...found, violations: found.violations.length });
});
