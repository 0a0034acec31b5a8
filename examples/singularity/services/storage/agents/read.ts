import { agent } from "viable";
import { z } from "zod";
import { documentName, findVersion, listVersions, readDocument } from "../documents.ts";

/** Reads a kept document back, checked. */
export const read = agent({
  name: "read",
  capability: "data_persistence.read",
  description: "Reads a kept version of a document, the latest unless told, and checks it",
  input: z.strictObject({ name: documentName, version: z.number().int().min(1).optional() }),
  risk: "low",
  async handle(ctx, { name, version }) {
    const label = await findVersion(ctx.memory, name, version);
    const { document } = await readDocument(ctx.memory, label);
    const versions = (await listVersions(ctx.memory, name)).filter(({ state }) => state === "kept");
    return {
      name,
      version: label.version,
      sha256: label.sha256,
      keptAt: label.keptAt,
      versions: versions.map((each) => each.version),
      document,
    };
  },
});
