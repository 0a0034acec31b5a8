import { createHash } from "node:crypto";
import { basename } from "node:path";
import type { AgentContext, ErrorOnTheWire, JsonValue } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { byText } from "../source/by-text.ts";
import { cutList, maxFindings } from "../source/cut-list.ts";
import type { Finding } from "../source/finding.ts";
import { findRoot } from "../source/read-tree.ts";
import { pathInput } from "../source/task.ts";
import type { Analysis, Missing } from "./analysis.ts";
import { toFacts } from "./facts.ts";
import type { Section, SectionName } from "./sections.ts";
import { reportSections, sectionNames, treeSections } from "./sections.ts";

/** Differences to the former report that the report itself names; data_persistence.compare has more. */
const maxChanges = 50;
/** Files handed to the renderer: a page that lists more is not read. */
const maxRenderedFiles = 500;
/** What is left for the rendering in a result of four mebibytes. */
const maxRenderingChars = 1024 * 1024;

const sectionList = z.array(z.enum(sectionNames)).min(1);
/** A list as a client sends it, or as a person types it: `a,b`, or one after the other. */
const toList = (given: string | string[]): string[] =>
  [given].flat().flatMap((each) => each.split(",").map((name) => name.trim()));

/**
 * The main job: analyses a code base by asking the services of the system, each by what it can do. A capability that nobody
 * offers, or that fails, leaves its section out and says why; the rest stands.
 */
export const analyze = agent({
  name: "analyze",
  capability: "analyze",
  description: "Analyses a code base: structure, quality, security, dependencies, what changed since the last time",
  input: pathInput.extend({
    sections: z
      .union([z.string(), z.array(z.string())])
      // Only then compared, so that a wrong name is answered with the right ones.
      .transform(toList)
      .pipe(sectionList)
      .optional()
      .describe(`Only these sections, separated by commas: ${sectionNames.join(", ")}`),
  }),
  risk: "low",
  timeoutMs: 30 * 60_000,
  async handle(ctx, input) {
    // Once for all: otherwise every section would fail alone, with the same words.
    const path = await findRoot(input.path);
    const wanted = new Set<SectionName>(input.sections ?? sectionNames);
    const report: Analysis = { path, missing: [], findings: [], truncated: {} };
    const steps = createSteps(ctx, wanted.size);

    const asked = treeSections.filter((section) => wanted.has(section.name));
    const answers = await Promise.all(asked.map((section) => steps.ask(section, { path })));
    // Read in one order whatever order they came in, so that equal trees give equal reports.
    for (const [index, section] of asked.entries()) takeAnswer(report, section, answers[index] as Answer);
    report.findings = cutList("findings", mergeFindings(answers), maxFindings, report.truncated);

    await judge(report, wanted, steps);
    if (wanted.has("storage")) await keep(ctx, report, steps);
    if (wanted.has("rendering")) await render(report, steps);
    ctx.progress(100, report.missing.length === 0 ? "Done" : `Done, ${report.missing.length} sections missing`);
    return report;
  },
});

/** What came of asking for a section: an answer, or why there is none. Refusals before it are told in either case. */
interface Answer {
  readonly result: JsonValue | undefined;
  readonly missing: readonly Missing[];
}

interface Steps {
  ask(section: Section, args: JsonValue): Promise<Answer>;
}

/** Asks by capability and tells how many sections are in. */
function createSteps(ctx: AgentContext, total: number): Steps {
  let done = 0;
  return {
    async ask(section, args) {
      const missing: Missing[] = [];
      let result: JsonValue | undefined;
      for (const capability of section.capabilities) {
        ctx.signal.throwIfAborted();
        const outcome = await ctx.delegate(capability, args);
        ctx.signal.throwIfAborted();
        if (outcome.ok) {
          result = outcome.result;
          break;
        }
        missing.push({ section: section.name, capability, reason: reasonOf(outcome.status, outcome.error) });
      }
      // Where another answered, the section is there; what is missing is what was asked first.
      if (result !== undefined) {
        for (const [index, each] of missing.entries()) missing[index] = { ...each, section: roomOf(each.capability) };
      }
      done++;
      const how = result === undefined ? "missing" : "in";
      // The last hundredth is the report itself.
      ctx.progress(Math.min(99, Math.floor((done / total) * 100)), `${section.name} ${how} (${done} of ${total})`);
      return { result, missing };
    },
  };
}

/** `package_registry.inventory` as `package_registry`. */
const roomOf = (capability: string): string => capability.split(".")[0] as string;

function reasonOf(status: string, error: ErrorOnTheWire): string {
  const text = error.next === undefined ? error.message : `${error.message} ${error.next}`;
  return status === "refused" ? text : `${status.replace("_", " ")}: ${text}`;
}

function takeAnswer(report: Analysis, section: Section, { result, missing }: Answer): void {
  report.missing.push(...missing);
  if (result === undefined) return;
  try {
    section.take(report, result);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const capability = section.capabilities[missing.length] ?? section.name;
    const { path, message } = error.issues[0] ?? { path: [], message: "it does not fit" };
    const reason = `failed: what ${capability} answered is no ${section.name} section (${path.join(".")}: ${message}).`;
    report.missing.push({ section: section.name, capability, reason });
  }
}

/** Findings of all sections, each once: most agents read the same files and stumble over the same ones. */
function mergeFindings(answers: readonly Answer[]): Finding[] {
  const merged = new Map<string, Finding>();
  for (const { result } of answers) {
    const found = withFindings.safeParse(result);
    if (!found.success) continue;
    for (const { kind, file, line, message } of found.data.findings) {
      const finding = { kind, message, ...(file !== undefined && { file }), ...(line !== undefined && { line }) };
      merged.set(JSON.stringify([kind, file, line, message]), finding);
    }
  }
  return [...merged.values()].sort(
    (a, b) => byText(a.file ?? "", b.file ?? "") || (a.line ?? 0) - (b.line ?? 0) || byText(a.message, b.message),
  );
}

const withFindings = z.object({
  findings: z.array(
    z.object({
      kind: z.string(),
      file: z.string().optional(),
      line: z.number().optional(),
      message: z.string(),
    }),
  ),
});

/** Judges and tells what was found. Each is told what those before it said. */
async function judge(report: Analysis, wanted: ReadonlySet<SectionName>, steps: Steps): Promise<void> {
  const { compliance, decision, summary } = reportSections;
  if (wanted.has("compliance")) {
    const { dependencies } = report;
    if (dependencies === undefined) report.missing.push(withoutInput("compliance", "compliance", "dependencies"));
    else takeAnswer(report, compliance, await steps.ask(compliance, { path: report.path, dependencies }));
  }
  if (wanted.has("decision")) {
    takeAnswer(report, decision, await steps.ask(decision, { path: report.path, facts: toFacts(report) }));
  }
  if (wanted.has("summary")) {
    const { decision: decided } = report;
    const args = { path: report.path, facts: toFacts(report), ...(decided !== undefined && { decision: decided }) };
    takeAnswer(report, summary, await steps.ask(summary, args));
  }
}

const withoutInput = (section: SectionName, capability: string, needed: string): Missing => ({
  section,
  capability,
  reason: `It needs the section ${needed}, which is not there.`,
});

/** Keeps the report and says what is different from the one before. */
async function keep(ctx: AgentContext, report: Analysis, steps: Steps): Promise<void> {
  const { storage } = reportSections;
  const answer = await steps.ask(storage, { name: documentNameOf(report.path), document: report });
  takeAnswer(report, storage, answer);
  if (report.kept === undefined || report.kept.version === 1) return;
  const { name, version } = report.kept;
  const capability = "data_persistence.compare";
  const outcome = await ctx.delegate(capability, { name, to: version });
  if (outcome.ok) {
    const { from, appeared, went, changed } = comparison.parse(outcome.result);
    const cut = (list: string, changes: readonly z.output<typeof change>[]) =>
      cutList(`since.${list}`, changes, maxChanges, report.truncated).map(({ at, before, after }) => ({
        at,
        ...(before !== undefined && { before }),
        ...(after !== undefined && { after }),
      }));
    report.since = {
      version: from,
      appeared: cut("appeared", appeared),
      went: cut("went", went),
      changed: cut("changed", changed),
    };
  } else if (outcome.error.code !== "document.no_former") {
    report.missing.push({ section: "storage", capability, reason: reasonOf(outcome.status, outcome.error) });
  }
}

const change = z.object({ at: z.string(), before: z.json().optional(), after: z.json().optional() });
const comparison = z.object({
  from: z.number(),
  appeared: z.array(change),
  went: z.array(change),
  changed: z.array(change),
});

/** One name for each analysed folder: its last part for people, a checksum of all of it to tell it from its namesakes. */
function documentNameOf(path: string): string {
  const readable = basename(path)
    .replaceAll(/[^A-Za-z0-9._-]/g, "-")
    .slice(0, 60);
  return `analysis/${readable}-${createHash("sha256").update(path).digest("hex").slice(0, 12)}`;
}

async function render(report: Analysis, steps: Steps): Promise<void> {
  const { rendering } = reportSections;
  const files = report.files && [...report.files].sort((a, b) => (b.complexity ?? 0) - (a.complexity ?? 0));
  const shown = files === undefined ? report : { ...report, files: files.slice(0, maxRenderedFiles) };
  const answer = await steps.ask(rendering, { report: shown });
  const chars = JSON.stringify(answer.result ?? null).length;
  if (chars <= maxRenderingChars) return takeAnswer(report, rendering, answer);
  const reason = `failed: it has ${chars} characters; a report has room for ${maxRenderingChars}.`;
  report.missing.push({ section: "rendering", capability: "report_rendering", reason });
}
