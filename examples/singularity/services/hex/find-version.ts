import type { Memory } from "viable";
import { ViableError } from "viable";
import { findLabel, listLabels, type PackageLabel } from "./package-store.ts";

/** Versions named where one is not there. */
const maxNamed = 20;

/** The label of a version; where none is named the highest, a release before one that comes before it. Throws `package.not_found`. */
export async function findVersion(memory: Memory, name: string, version: string | undefined): Promise<PackageLabel> {
  const exact = version === undefined ? undefined : await findLabel(memory, name, version);
  if (exact !== undefined) return exact;
  const { default: semver } = await import("semver");
  const labels: PackageLabel[] = [];
  for await (const label of listLabels(memory, name)) labels.push(label);
  labels.sort((a, b) => semver.rcompare(a.version, b.version));
  const latest = labels.find((each) => semver.prerelease(each.version) === null) ?? labels[0];
  if (version === undefined && latest !== undefined) return latest;
  const there = labels.slice(0, maxNamed).map((each) => each.version);
  throw new ViableError(
    "package.not_found",
    version === undefined ? `No package "${name}" is in the registry.` : `${name} ${version} is not in the registry.`,
    { next: there.length === 0 ? "Publish it first by package_registry.publish." : `There are ${there.join(", ")}.` },
  );
}
