import { createHash } from "node:crypto";
import type { IdKind } from "@viable/kernel";
import { idFromDigest } from "@viable/kernel";

type Parts = readonly (string | number)[];

/** An id that follows from what it is of: the same again for the same. */
export const idFor = (kind: IdKind, parts: Parts): string =>
  idFromDigest(kind, createHash("sha256").update(JSON.stringify(parts)).digest());

/** The same of a run. */
export const runIdFor = (parts: Parts): string => idFor("run", parts);
