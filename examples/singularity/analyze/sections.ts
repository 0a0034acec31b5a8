import type { JsonValue } from "viable";
import { z } from "zod";
import { cutList } from "../source/cut-list.ts";
import type { Analysis, RiskRanking } from "./analysis.ts";

/** One part of the report: who is asked for it, and what of the answer goes into the report. */
export interface Section {
  readonly name: SectionName;
  /** Asked in this order until one answers. */
  readonly capabilities: readonly string[];
  /** Reads the answer into the report. Throws a Zod error when it is not what was asked for. */
  take(report: Analysis, answer: JsonValue): void;
}

/** Sections that are computed from the tree alone: all are asked for at once. */
const fromTree = [
  "graph",
  "cycles",
  "layers",
  "design",
  "complexity",
  "sizes",
  "duplicates",
  "dead_exports",
  "secrets",
  "risks",
  "dependencies",
  "risk_ranking",
] as const;

/** Sections that judge, tell or keep what the others found. */
const fromReport = ["compliance", "decision", "summary", "storage", "rendering"] as const;

export const sectionNames = [...fromTree, ...fromReport] as const;
export type SectionName = (typeof sectionNames)[number];

const count = z.number().int().min(0);
const texts = z.array(z.string());
const range = z.object({ file: z.string(), from: z.number(), to: z.number() });
const cut = z.record(z.string(), count).default({});

/** How many functions, dead exports and outside packages the report names; whoever needs all asks the agent itself. */
const maxNamed = 100;

export const treeSections: readonly Section[] = [
  section(
    "graph",
    ["component_analysis.graph"],
    z.object({
      modules: count,
      edges: count,
      externals: z.array(z.object({ name: z.string(), importers: count })),
      truncated: cut,
    }),
    (report, { modules, edges, externals }) => {
      report.modules = modules;
      report.edges = edges;
      report.externals = cutList("externals", externals, maxNamed, report.truncated);
    },
  ),
  section(
    "cycles",
    ["component_analysis.cycles"],
    z.object({ runtime: count, cycles: z.array(z.object({ path: texts })), truncated: cut }),
    (report, { runtime, cycles, truncated }) => {
      report.cycles = cycles.map((each) => each.path);
      report.runtimeCycles = runtime;
      noteCut(report, "cycles", truncated.cycles);
    },
  ),
  section(
    "layers",
    ["component_analysis.layers"],
    z.object({
      levels: z.array(texts),
      upward: z.array(z.object({ file: z.string(), line: count, imports: z.string() })),
      truncated: cut,
    }),
    (report, { levels, upward, truncated }) => {
      report.layers = { levels, upward: cutList("upward", upward, maxNamed, report.truncated) };
      noteCut(report, "upward", truncated.upward);
    },
  ),
  section(
    "design",
    ["system_design"],
    z.object({
      layers: z.array(texts),
      upwardImports: count,
      upwardImportsAfterMoves: count,
      moves: z.array(z.object({ file: z.string(), from: z.string(), to: z.string(), removes: count })),
    }),
    (report, design) => {
      report.design = design;
    },
  ),
  section(
    "complexity",
    ["code_analysis.complexity"],
    z.object({
      files: z.array(z.object({ path: z.string(), lines: count, complexity: count })),
      functions: z.array(z.object({ file: z.string(), name: z.string(), line: count, complexity: count })),
      functionCount: count,
    }),
    (report, { files, functions, functionCount }) => {
      report.files = files;
      report.functions = functions.slice(0, maxNamed);
      noteCut(report, "functions", functionCount - report.functions.length);
    },
  ),
  section(
    "sizes",
    ["code_analysis.sizes"],
    z.object({
      lines: count,
      bytes: count,
      languages: z.array(z.object({ language: z.string(), files: count, lines: count, bytes: count })),
      files: z.array(z.object({ path: z.string(), lines: count })),
    }),
    (report, { lines, bytes, languages, files }) => {
      report.sizes = { lines, bytes, languages };
      // Sections are read in order: where complexity came, its list says more of the same files.
      report.files ??= files;
    },
  ),
  section(
    "duplicates",
    ["code_analysis.duplicates"],
    z.object({
      duplicatedLines: count,
      duplicates: z.array(z.object({ lines: count, tokens: count, first: range, second: range })),
      truncated: cut,
    }),
    (report, { duplicates, duplicatedLines, truncated }) => {
      report.duplicates = duplicates;
      report.duplicatedLines = duplicatedLines;
      noteCut(report, "duplicates", truncated.duplicates);
    },
  ),
  section(
    "dead_exports",
    ["code_analysis.dead_exports"],
    z.object({
      count,
      exports: z.array(z.object({ file: z.string(), line: count, name: z.string(), isUsedInside: z.boolean() })),
    }),
    (report, dead) => {
      report.deadExports = dead.exports.slice(0, maxNamed);
      noteCut(report, "deadExports", dead.count - report.deadExports.length);
    },
  ),
  section(
    "secrets",
    ["secret_scan"],
    z.object({
      secrets: z.array(z.object({ file: z.string(), line: count, kind: z.string() })),
      truncated: cut,
    }),
    (report, { secrets, truncated }) => {
      report.secrets = secrets;
      noteCut(report, "secrets", truncated.secrets);
    },
  ),
  section(
    "risks",
    ["code_risk"],
    z.object({
      risks: z.array(
        z.object({ file: z.string(), line: count, kind: z.string(), what: z.string(), reason: z.string() }),
      ),
      truncated: cut,
    }),
    (report, { risks, truncated }) => {
      report.risks = risks;
      noteCut(report, "risks", truncated.risks);
    },
  ),
  section(
    "dependencies",
    ["package_registry.inventory", "dependency_inventory"],
    z.object({
      dependencies: z.array(z.object({ name: z.string(), version: z.string(), licence: z.string() })),
      truncated: cut,
    }),
    (report, { dependencies, truncated }) => {
      report.dependencies = dependencies;
      noteCut(report, "dependencies", truncated.dependencies);
    },
  ),
  section(
    "risk_ranking",
    ["risk_ranking"],
    // What the ranking stands on goes along as it is: it is for whoever doubts it.
    z.looseObject({
      origin: z.string(),
      reason: z.string().optional(),
      files: z.array(z.looseObject({ path: z.string(), score: z.number() })),
    }),
    (report, ranking) => {
      report.riskRanking = ranking as RiskRanking;
    },
  ),
];

/** The sections that are asked for one after the other, since each is told what came before. */
export const reportSections = {
  compliance: section(
    "compliance",
    ["compliance"],
    z.object({
      verdicts: z.array(z.object({ name: z.string(), version: z.string(), verdict: z.string() })),
    }),
    (report, { verdicts }) => {
      const byPackage = new Map(verdicts.map((each) => [`${each.name}@${each.version}`, each.verdict]));
      for (const each of report.dependencies ?? []) {
        const verdict = byPackage.get(`${each.name}@${each.version}`);
        if (verdict !== undefined) each.verdict = verdict;
      }
    },
  ),
  decision: section(
    "decision",
    ["decision_making"],
    z.object({ verdict: z.string(), reasons: texts }),
    (report, decision) => {
      report.decision = decision;
    },
  ),
  summary: section(
    "summary",
    ["summarization"],
    z.object({ text: z.string(), origin: z.string() }),
    (report, summary) => {
      report.summary = summary;
    },
  ),
  storage: section(
    "storage",
    ["data_persistence.keep"],
    z.object({ name: z.string(), version: count, sha256: z.string() }),
    (report, kept) => {
      report.kept = kept;
    },
  ),
  rendering: section("rendering", ["report_rendering"], z.json(), (report, answer) => {
    report.rendering = answer;
  }),
} satisfies { [name in (typeof fromReport)[number]]: Section };

function section<Shape extends z.ZodType>(
  name: SectionName,
  capabilities: readonly string[],
  shape: Shape,
  read: (report: Analysis, answer: z.output<Shape>) => void,
): Section {
  return { name, capabilities, take: (report, answer) => read(report, shape.parse(answer)) };
}

function noteCut(report: Analysis, list: string, more: number | undefined): void {
  if (more !== undefined && more > 0) report.truncated[list] = (report.truncated[list] ?? 0) + more;
}
