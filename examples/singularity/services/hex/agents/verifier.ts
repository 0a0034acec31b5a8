import { agent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { findVersion } from "../find-version.ts";
import { packageName, packageVersion } from "../package-schema.ts";
import { type Damage, isDamage, listLabels, type PackageLabel, readFile, readManifest } from "../package-store.ts";

const maxProblems = 500;
/** A large registry is read from a slow disk. */
const timeoutMs = 30 * 60_000;

type Problem = Damage & { readonly name: string; readonly version: string };

/** Reads kept packages again and compares every checksum. */
export const verifier = agent({
  name: "verifier",
  capability: "package_registry.verify",
  description: "Reads all kept packages, or one, and reports every file that is not what was published",
  input: z
    .strictObject({
      name: packageName.optional().describe("Only this package"),
      version: packageVersion.optional().describe("Only this version of it"),
    })
    .refine(({ name, version }) => version === undefined || name !== undefined, {
      path: ["name"],
      message: "is missing: of which package is the version?",
    }),
  risk: "low",
  timeoutMs,
  async handle(ctx, { name, version }) {
    const labels = name === undefined || version === undefined ? listLabels(ctx.memory, name) : one(name, version);
    const problems: Problem[] = [];
    let versions = 0;
    let files = 0;
    for await (const label of labels) {
      const manifest = await readManifest(ctx.memory, label);
      const about = { name: label.name, version: label.version };
      if (isDamage(manifest)) problems.push({ ...about, ...manifest });
      else {
        for (const file of manifest.files) {
          ctx.signal.throwIfAborted();
          const read = await readFile(ctx.memory, file);
          if (isDamage(read)) problems.push({ ...about, ...read });
          files++;
        }
      }
      versions++;
      // How many there are is not known before the last one.
      ctx.progress(50, `${versions} versions verified, ${problems.length} problems`);
    }
    // One that was named must be there; that none is kept is fine.
    if (versions === 0 && name !== undefined) await findVersion(ctx.memory, name, version);
    const truncated: Truncated = {};
    return {
      versions,
      files,
      isSound: problems.length === 0,
      problems: cutList("problems", problems, maxProblems, truncated),
      truncated,
    };

    async function* one(of: string, exactly: string): AsyncGenerator<PackageLabel> {
      yield await findVersion(ctx.memory, of, exactly);
    }
  },
});
