import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { readTree } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { unknown } from "../dependency.ts";
import { readDependencies } from "../read-dependencies.ts";
import { maxLockfileBytes } from "../read-lockfile.ts";

const maxDependencies = 5_000;

/** Different ones; the largest trees we saw have thirty. */
const maxLicences = 500;

/** Which packages a tree depends on, and under which licences. */
export const dependencyInventory = threadAgent({
  name: "dependency-inventory",
  capability: "dependency_inventory",
  description:
    "Packages of a tree with version, licence and install scripts, by lockfile, manifest and what is installed",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const tree = await readTree(path, { signal: ctx.signal, maxBytesPerFile: maxLockfileBytes });
    const { dependencies, findings } = await readDependencies(tree, ctx);
    const about: Finding[] = [];
    if (dependencies.length === 0 && !tree.files.some(({ path }) => /(^|\/)package\.json$/.test(path))) {
      about.push({
        kind: "dependencies.no_manifest",
        message: "No package.json here: nothing says what it depends on.",
      });
    }
    // Not an object: a licence may have any name, also that of something every object has.
    const licences = new Map<string, number>();
    for (const { licence } of dependencies) licences.set(licence, (licences.get(licence) ?? 0) + 1);
    const truncated: Truncated = {};
    return {
      count: dependencies.length,
      direct: dependencies.filter((each) => each.direct).length,
      unknownLicences: licences.get(unknown) ?? 0,
      withInstallScripts: dependencies.filter((each) => each.installScripts === true).length,
      licences: Object.fromEntries(cutList("licences", [...licences], maxLicences, truncated)),
      dependencies: cutList("dependencies", dependencies, maxDependencies, truncated),
      ...aboutTree(tree, [...tree.findings, ...findings, ...about], truncated),
    };
  },
});
