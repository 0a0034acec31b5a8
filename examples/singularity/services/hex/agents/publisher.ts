import { agent, ViableError } from "viable";
import { readContent } from "../package-content.ts";
import { packageInput } from "../package-schema.ts";
import { keepPackage } from "../package-store.ts";

/** Publishes packages: each version once, and never another under the same number. */
export const publisher = agent({
  name: "publisher",
  capability: "package_registry.publish",
  description: "Publishes a version of a package with checksums of its files; a version never changes",
  input: packageInput,
  async handle(ctx, input) {
    const { default: validRange } = await import("semver/ranges/valid.js");
    for (const [name, range] of Object.entries(input.dependencies)) {
      if (validRange(range) !== null) continue;
      throw new ViableError("package.invalid", `dependencies.${name}: "${range}" is no range of versions.`, {
        next: "Write it as ^1.2.3, ~1.2, >=1 <3, 1.x or 1.2.3.",
      });
    }
    const content = readContent(input);
    const { label, isNew, mended } = await keepPackage(ctx, content);
    return { ...label, isNew, ...(mended > 0 && { mended }), checksums: [...content.manifest.files] };
  },
});
