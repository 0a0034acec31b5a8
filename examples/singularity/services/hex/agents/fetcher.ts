import { agent, ViableError } from "viable";
import { z } from "zod";
import { findVersion } from "../find-version.ts";
import { packageName, packageVersion } from "../package-schema.ts";
import { type Damage, isDamage, type PackageLabel, readFile, readManifest } from "../package-store.ts";

/** Hands out the files of a version, each one checked. */
export const fetcher = agent({
  name: "fetcher",
  capability: "package_registry.fetch",
  description: "The files of a version, the highest unless told, after every checksum was verified",
  input: z.strictObject({
    name: packageName,
    version: packageVersion.optional().describe("Default the highest release"),
    integrity: z.string().max(200).optional().describe("As a lock list has it: only this content will do"),
  }),
  risk: "low",
  async handle(ctx, { name, version, integrity: locked }) {
    const label = await findVersion(ctx.memory, name, version);
    if (locked !== undefined && locked !== label.integrity) {
      throw new ViableError(
        "package.other_content",
        `${name} ${label.version} has ${label.integrity}, not ${locked}.`,
        {
          next: "Nothing was handed out. Find out which of the two was changed: a version never does by itself.",
        },
      );
    }
    const manifest = await readManifest(ctx.memory, label);
    if (isDamage(manifest)) throw damaged(label, manifest);
    const files: { path: string; bytes: number; sha256: string; encoding: "text" | "base64"; content: string }[] = [];
    for (const file of manifest.files) {
      ctx.signal.throwIfAborted();
      const read = await readFile(ctx.memory, file);
      if (isDamage(read)) throw damaged(label, read);
      files.push({ ...file, ...write(read) });
    }
    const { kind, description, dependencies, integrity, publishedAt } = label;
    return { name, version: label.version, kind, description, dependencies, integrity, publishedAt, files };
  },
});

/** What a text may take in JSON for each of its bytes: more than source does with its quotes and line breaks, and all of it still fits. */
const maxCharsPerByte = 1.9;
/** Small texts stay readable, whatever is in them. */
const freeChars = 64;

/** As text where it is one and not mostly what JSON has to escape, else as base64. */
function write(bytes: Buffer): { encoding: "text" | "base64"; content: string } {
  const text = bytes.toString("utf8");
  const maxChars = bytes.length * maxCharsPerByte + freeChars;
  const isText = Buffer.from(text).equals(bytes) && JSON.stringify(text).length <= maxChars;
  return isText ? { encoding: "text", content: text } : { encoding: "base64", content: bytes.toString("base64") };
}

const damaged = ({ name, version }: PackageLabel, { file, reason }: Damage): ViableError =>
  new ViableError("package.damaged", `${name} ${version}${file === undefined ? "" : `, ${file}`}: ${reason}.`, {
    next: "Publish the same content again: that mends it. package_registry.verify finds others like it.",
    details: { name, version, ...(file !== undefined && { file }) },
  });
