import type { JsonValue } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { documentName, keepDocument } from "../documents.ts";

/** Keeps a document as the next version of its name. */
export const keep = agent({
  name: "keep",
  capability: "data_persistence.keep",
  description: "Keeps a JSON document under a name as a new version, with its checksum",
  input: z.strictObject({
    name: documentName,
    // It came as JSON; to walk all of a large document only to say so again would keep every timer waiting.
    document: z.unknown().refine((value) => value !== undefined, "is missing"),
  }),
  risk: "low",
  async handle(ctx, { name, document }) {
    const { version, sha256, chars, pieces, keptAt } = await keepDocument(ctx, name, document as JsonValue);
    return { name, version, sha256, chars, pieces, keptAt };
  },
});
