import type { JsonValue } from "viable";
import { agent, ViableError } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { compareDocuments, type Difference } from "../compare-documents.ts";
import { documentName, findVersion, listVersions, readDocument } from "../documents.ts";

const maxDifferences = 500;
/** A whole list may have come or gone: its size says enough, and the documents have the rest. */
const maxValueChars = 2_000;

/** Says what came and what went between two versions of a document. */
export const compare = agent({
  name: "compare",
  capability: "data_persistence.compare",
  description: "What appeared, went and changed between two kept versions; the last two unless told",
  input: z.strictObject({
    name: documentName,
    from: z.number().int().min(1).optional().describe("The older version; default the one before `to`"),
    to: z.number().int().min(1).optional().describe("The newer version; default the latest"),
  }),
  risk: "low",
  async handle(ctx, { name, from, to }) {
    const newer = await findVersion(ctx.memory, name, to);
    const older = from === undefined ? await findFormer(newer.version) : await findVersion(ctx.memory, name, from);
    const before = await readDocument(ctx.memory, older);
    const after = await readDocument(ctx.memory, newer);
    const { appeared, went, changed } = compareDocuments(before.document, after.document);
    const truncated: Truncated = {};
    return {
      name,
      from: older.version,
      to: newer.version,
      isEqual: older.sha256 === newer.sha256,
      appeared: cutList("appeared", appeared, maxDifferences, truncated).map(shorten),
      went: cutList("went", went, maxDifferences, truncated).map(shorten),
      changed: cutList("changed", changed, maxDifferences, truncated).map(shorten),
      truncated,
    };

    async function findFormer(version: number) {
      const kept = await listVersions(ctx.memory, name);
      const former = kept.filter((label) => label.state === "kept" && label.version < version).at(-1);
      if (former !== undefined) return former;
      throw new ViableError("document.no_former", `"${name}" has no version before ${version} to compare with.`, {
        next: "Keep another version first.",
      });
    }
  },
});

function shorten({ at, before, after }: Difference): Difference {
  return {
    at,
    ...(before !== undefined && { before: sizeIfLarge(before) }),
    ...(after !== undefined && { after: sizeIfLarge(after) }),
  };
}

function sizeIfLarge(value: JsonValue): JsonValue {
  const chars = JSON.stringify(value).length;
  if (chars <= maxValueChars) return value;
  return Array.isArray(value) ? { entries: value.length, chars } : { chars };
}
