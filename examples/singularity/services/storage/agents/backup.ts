import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Memory } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { type BackupLine, findOwnBackup, writeBackup } from "../backup-file.ts";
import { backupFolder, backupName, type Environment } from "../backup-folder.ts";
import { type DocumentLabel, isStillKept, listLabels, readDocument } from "../documents.ts";

/** Writes all kept documents of the tenant into a file of the folder that the environment names. */
export const createBackup = (environment: Environment) =>
  agent({
    name: "backup",
    capability: "backup",
    description: "Writes all kept documents into a file of JSON lines with checksums",
    input: z.strictObject({ file: backupName, overwrite: z.boolean().default(false) }),
    timeoutMs: 10 * 60_000,
    async handle(ctx, { file, overwrite }) {
      async function* documents(): AsyncGenerator<BackupLine> {
        let count = 0;
        for await (const label of listLabels(ctx.memory)) {
          ctx.signal.throwIfAborted();
          if (label.state !== "kept") continue;
          const text = await readIfThere(ctx.memory, label);
          if (text === undefined) continue;
          const { name, version, sha256, keptAt } = label;
          yield { name, version, sha256, keptAt, text };
          if (++count % 20 === 0) ctx.progress(50, `${count} versions written`);
        }
      }
      const folder = backupFolder(environment);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const path = join(folder, file);
      // A process that ended between the file and the outcome has done the work: begun again, the task finds its own.
      const finished = await findOwnBackup(path, ctx.tenant, ctx.executionId, ctx.signal);
      if (finished !== undefined) return { file: path, ...finished };
      const at = new Date(ctx.runtime.clock.now()).toISOString();
      const about = { tenant: ctx.tenant, at, overwrite, id: ctx.executionId };
      return { file: path, at, ...(await writeBackup(path, about, documents())) };
    },
  });

/** The text of a version; undefined where it had to make room for newer ones while the backup was written. */
async function readIfThere(memory: Memory, label: DocumentLabel): Promise<string | undefined> {
  try {
    return (await readDocument(memory, label)).text;
  } catch (error) {
    if (await isStillKept(memory, label)) throw error;
    return undefined;
  }
}

export const backup = createBackup(process.env);
