import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { readTree } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";
import { unknown } from "../licence-of.ts";
import { maxLockfileBytes } from "../read-lockfile.ts";
import { readTreeDependencies } from "../tree-dependencies.ts";

/** More than the largest trees we saw; with their licences they fit into a result. */
const maxDependencies = 5_000;

/** Different ones; the largest trees we saw have thirty. */
const maxLicences = 500;

/** Reads what a tree declares, has locked and has installed. An agent of its own, since reading computes and the registry remembers. */
export const treeReader = threadAgent({
  name: "tree-reader",
  capability: "package_registry.tree",
  description: "Packages that a tree declares, has locked and has installed, with version and licence",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const tree = await readTree(path, { signal: ctx.signal, maxBytesPerFile: maxLockfileBytes });
    const { dependencies, findings } = await readTreeDependencies(tree, ctx);
    const about: Finding[] = tree.findings.filter((each) => each.kind !== "source.no_source");
    if (!tree.files.some((file) => /(^|\/)package\.json$/.test(file.path))) {
      const message = "No package.json here: nothing says what it depends on.";
      about.push({ kind: "dependencies.no_manifest", message });
    }
    const licences = new Map<string, number>();
    for (const { licence } of dependencies) licences.set(licence, (licences.get(licence) ?? 0) + 1);
    const truncated: Truncated = {};
    return {
      path: tree.root,
      count: dependencies.length,
      direct: dependencies.filter((each) => each.direct).length,
      installed: dependencies.filter((each) => each.installed).length,
      withInstallScripts: dependencies.filter((each) => each.installScripts === true).length,
      unknownLicences: licences.get(unknown) ?? 0,
      licences: Object.fromEntries(cutList("licences", [...licences], maxLicences, truncated)),
      dependencies: cutList("dependencies", dependencies, maxDependencies, truncated),
      ...aboutTree(tree, [...about, ...findings], truncated),
    };
  },
});
