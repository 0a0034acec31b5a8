import { existsSync } from "node:fs";
import { join } from "node:path";

// What lies in and beside the directory of an embedded database.

/** PGlite takes for a database what has this file, so a directory has it only when it has all else. */
export const holdsDatabase = (dataDir: string): boolean => existsSync(join(dataDir, "PG_VERSION"));

/** Where a new database is made until it is whole. */
export const makingOf = (dataDir: string): string => `${dataDir}.making`;

/** Where a snapshot is restored until it is whole. */
export const restoringOf = (dataDir: string): string => `${dataDir}.restoring`;
