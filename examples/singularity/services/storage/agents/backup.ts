import { agent } from "viable";
import { z } from "zod";
import { type BackupLine, writeBackup } from "../backup-file.ts";
import { listLabels, readDocument } from "../documents.ts";

/** Writes all kept documents of the tenant into a file. */
export const backup = agent({
  name: "backup",
  capability: "backup",
  description: "Writes all kept documents into a file of JSON lines with checksums",
  input: z.strictObject({
    file: z
      .string()
      .min(1)
      .max(4_096)
      .describe("Where the file goes; a relative path counts from where the system runs"),
    overwrite: z.boolean().default(false),
  }),
  timeoutMs: 10 * 60_000,
  async handle(ctx, { file, overwrite }) {
    async function* documents(): AsyncGenerator<BackupLine> {
      let count = 0;
      for await (const label of listLabels(ctx.memory)) {
        ctx.signal.throwIfAborted();
        if (label.state !== "kept") continue;
        const { text } = await readDocument(ctx.memory, label);
        const { name, version, sha256, keptAt } = label;
        yield { name, version, sha256, keptAt, text };
        if (++count % 20 === 0) ctx.progress(50, `${count} versions written`);
      }
    }
    const at = new Date(ctx.runtime.clock.now()).toISOString();
    const about = { tenant: ctx.tenant, at, overwrite, token: ctx.executionId };
    return { file, at, ...(await writeBackup(file, about, documents())) };
  },
});
