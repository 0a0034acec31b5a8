import { join } from "node:path";
import { agent, ViableError } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { readBackup } from "../backup-file.ts";
import { backupFolder, backupName, type Environment } from "../backup-folder.ts";
import { documentName, dropVersions, listVersions, readText, sha256Of, writeDocument } from "../documents.ts";

const maxConflicts = 500;

/** Brings back what a backup in the folder that the environment names holds, and the memory does not. */
export const createRestore = (environment: Environment) =>
  agent({
    name: "restore",
    capability: "backup.restore",
    description: "Brings back the documents of a backup that are missing or damaged; what is whole is left alone",
    input: z.strictObject({ file: backupName }),
    timeoutMs: 10 * 60_000,
    async handle(ctx, { file }) {
      const path = join(backupFolder(environment), file);
      const conflicts: { name: string; version: number }[] = [];
      let restored = 0;
      let unchanged = 0;
      const { documents } = await readBackup(path, ctx.tenant, ctx.signal, async (line) => {
        ctx.signal.throwIfAborted();
        const name = documentName.parse(line.name);
        const there = (await listVersions(ctx.memory, name)).find((label) => label.version === line.version);
        if (there !== undefined) {
          const text = there.state === "kept" ? await readText(ctx.memory, there) : undefined;
          if (text !== undefined && sha256Of(text) === there.sha256) {
            if (there.sha256 === line.sha256) unchanged++;
            else conflicts.push({ name, version: line.version });
            return;
          }
          await dropVersions(ctx.memory, [there]);
        }
        const written = await writeDocument(ctx, name, line.version, line.text, line.keptAt);
        if (written === undefined) {
          throw new ViableError(
            "document.busy",
            `Somebody else wrote version ${line.version} of "${name}" meanwhile.`,
            {
              retryable: true,
              next: "Restore it again: what is there by now is left alone.",
            },
          );
        }
        restored++;
        if (restored % 20 === 0) ctx.progress(50, `${restored} versions restored`);
      });
      const truncated: Truncated = {};
      return {
        file: path,
        documents,
        restored,
        unchanged,
        conflicts: cutList("conflicts", conflicts, maxConflicts, truncated),
        truncated,
      };
    },
  });

export const restore = createRestore(process.env);
