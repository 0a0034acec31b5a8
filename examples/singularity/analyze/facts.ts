import type { JsonObject } from "viable";
import type { Analysis } from "./analysis.ts";

/** Files named among the facts: enough to say where to begin. */
const maxNamed = 5;

/** What deciding and summing up need of a report: numbers and a few names. What is not known is absent. */
export function toFacts(report: Analysis): JsonObject {
  const { modules, edges, cycles, runtimeCycles, layers, sizes, duplicates, duplicatedLines } = report;
  const { deadExports, secrets, risks, dependencies, functions, truncated } = report;
  const total = (name: string, list: readonly unknown[] | undefined): number | undefined =>
    list === undefined ? undefined : list.length + (truncated[name] ?? 0);
  return {
    modules,
    edges,
    cycles: total("cycles", cycles),
    runtimeCycles,
    upwardImports: total("upward", layers?.upward),
    lines: sizes?.lines,
    languages: sizes?.languages.slice(0, maxNamed).map((each) => each.language),
    duplicates: total("duplicates", duplicates),
    duplicatedLines,
    deadExports: total("deadExports", deadExports),
    secrets: total("secrets", secrets),
    risks: total("risks", risks),
    dependencies: total("dependencies", dependencies),
    unknownLicences: dependencies?.filter((each) => each.licence === "unknown").length,
    // Where nobody has judged, nothing is known of what is denied.
    deniedLicences: dependencies?.every((each) => each.verdict !== undefined)
      ? dependencies.filter((each) => each.verdict === "denied").length
      : undefined,
    mostComplex: functions?.slice(0, maxNamed).map((each) => ({ ...each })),
    syntaxErrors: report.findings.filter((each) => each.kind === "syntax").length,
    missing: report.missing.map((each) => each.section),
  };
}
