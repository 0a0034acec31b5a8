import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";

/** The variables of a process: `process.env`, or what a test hands over. */
export type Environment = { readonly [name: string]: string | undefined };

const configFolder = dirname(fileURLToPath(new URL("../../viable.config.ts", import.meta.url)));

/**
 * The one folder that backups of documents are written to and read from, so that no session can write, or look into, any other file:
 * `VIABLE_BACKUP_DIR`, else `backups` where the system keeps its state, which is `.viable` beside the config unless told.
 */
export function backupFolder(environment: Environment): string {
  // A variable that is empty is not set.
  if (environment.VIABLE_BACKUP_DIR) return resolve(environment.VIABLE_BACKUP_DIR);
  return join(resolve(environment.VIABLE_STATE_DIR || join(configFolder, ".viable")), "backups");
}

/** A file of that folder: nothing in its name leads out of it. */
export const backupName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "is the name of a file without a folder: letters, digits and . _ -")
  .max(150)
  .describe("Its name, without a folder: backups lie in one place, which VIABLE_BACKUP_DIR names");
