import type { Analysis, Change } from "./analysis.ts";

/** Entries shown of each list: a terminal is for the worst, the JSON has the rest. */
const shown = 10;

/** Renders an analysis as Markdown that is pleasant to read as it is, in a terminal. */
export function renderReport(report: Analysis): string {
  const parts = [
    `# Analysis of ${report.path}`,
    summary(report),
    structure(report),
    cycles(report),
    layers(report),
    quality(report),
    risk(report),
    security(report),
    dependencies(report),
    since(report),
    findings(report),
    missing(report),
  ];
  return `${parts.filter((part) => part !== undefined).join("\n\n")}\n`;
}

function summary({ decision, summary: told }: Analysis): string | undefined {
  const lines: string[] = [];
  if (decision !== undefined) lines.push(`**${decision.verdict}**`, ...decision.reasons.map((reason) => `- ${reason}`));
  if (told !== undefined) lines.push(...(lines.length > 0 ? [""] : []), told.text, "", `(${told.origin})`);
  return lines.length === 0 ? undefined : lines.join("\n");
}

function structure(report: Analysis): string | undefined {
  const { modules, edges, sizes, externals } = report;
  const lines: string[] = [];
  if (modules !== undefined) {
    lines.push(`- ${amount(modules, "module")}, ${amount(edges ?? 0, "import")} between them`);
  }
  if (sizes !== undefined) {
    const languages = sizes.languages.slice(0, 5).map((each) => `${each.language} ${each.lines}`);
    lines.push(`- ${amount(sizes.lines, "line")} (${languages.join(", ")})`);
  }
  if (externals !== undefined && externals.length > 0) {
    const most = externals.slice(0, 5).map((each) => `${each.name} ${each.importers}`);
    lines.push(`- most imported from outside: ${most.join(", ")}`);
  }
  return chapter("Structure", lines);
}

function cycles({ cycles: found, runtimeCycles = 0, truncated }: Analysis): string | undefined {
  if (found === undefined) return undefined;
  if (found.length === 0) return chapter("Import cycles", ["none"]);
  const total = found.length + (truncated.cycles ?? 0);
  const ways = found.map((files, index) => {
    const isTypeOnly = index >= runtimeCycles ? " (types only)" : "";
    const long = files.length > 6 ? [...files.slice(0, 6), `… ${files.length - 6} more`] : files;
    return `${long.join(" → ")} → ${files[0]}${isTypeOnly}`;
  });
  return chapter(`Import cycles: ${total}, ${runtimeCycles} at run time`, list(ways, total));
}

function layers({ layers: found, design, truncated }: Analysis): string | undefined {
  if (found === undefined && design === undefined) return undefined;
  const lines: string[] = [];
  if (found !== undefined) {
    lines.push(...[...found.levels].reverse().map((rooms) => `- ${enumerate(rooms)}`));
    const total = found.upward.length + (truncated.upward ?? 0);
    if (total > 0) {
      const upward = found.upward.map((each) => `${each.file}:${each.line} imports ${each.imports}`);
      lines.push("", `${amount(total, "import")} against the direction:`, ...list(upward, total));
    }
  }
  if (design !== undefined && design.moves.length > 0) {
    const moves = design.moves.map((each) => `move ${each.file} to ${each.to} (${each.removes} fewer upward)`);
    lines.push(
      "",
      `Proposed, from ${design.upwardImports} imports upward to ${design.upwardImportsAfterMoves}:`,
      ...list(moves, moves.length),
    );
  }
  return chapter("Layers, topmost first", lines);
}

function quality(report: Analysis): string | undefined {
  const { functions, duplicates, duplicatedLines = 0, deadExports, truncated } = report;
  const lines: string[] = [];
  if (functions !== undefined && functions.length > 0) {
    const most = functions.map((each) => `${each.complexity} ${each.name} (${each.file}:${each.line})`);
    lines.push("Most complex functions:", ...list(most.slice(0, shown), Math.min(shown, most.length)));
  }
  if (duplicates !== undefined) {
    const total = duplicates.length + (truncated.duplicates ?? 0);
    const pairs = duplicates.map(
      ({ lines: count, first, second }) =>
        `${amount(count, "line")}: ${first.file}:${first.from} and ${second.file}:${second.from}`,
    );
    lines.push(
      "",
      `Duplicated code: ${amount(total, "piece")}, ${amount(duplicatedLines, "line")}`,
      ...list(pairs, total),
    );
  }
  if (deadExports !== undefined) {
    const total = deadExports.length + (truncated.deadExports ?? 0);
    const names = deadExports.map((each) => `${each.name} (${each.file}:${each.line})`);
    lines.push("", `Exports that nobody imports: ${total}`, ...list(names, total));
  }
  return chapter("Quality", lines);
}

function risk({ riskRanking: ranking }: Analysis): string | undefined {
  if (ranking === undefined) return undefined;
  const files = ranking.files.map(({ path, score }) => `${path} (${score.toFixed(2)})`);
  return chapter(`Files most likely to be mended next, by ${ranking.origin}`, [
    ...(ranking.reason === undefined ? [] : [ranking.reason, ""]),
    ...list(files, files.length),
  ]);
}

function security({ secrets, risks, truncated }: Analysis): string | undefined {
  const lines: string[] = [];
  if (secrets !== undefined) {
    const total = secrets.length + (truncated.secrets ?? 0);
    const places = secrets.map((each) => `${each.file}:${each.line} ${each.kind}`);
    lines.push(`Secrets in files: ${total}`, ...list(places, total));
  }
  if (risks !== undefined) {
    const total = risks.length + (truncated.risks ?? 0);
    const places = risks.map((each) => `${each.file}:${each.line} ${each.what}: ${each.reason}`);
    lines.push("", `Risky calls: ${total}`, ...list(places, total));
  }
  return chapter("Security", lines);
}

function dependencies({ dependencies: all, truncated }: Analysis): string | undefined {
  if (all === undefined) return undefined;
  const total = all.length + (truncated.dependencies ?? 0);
  const licences = new Map<string, number>();
  for (const { licence } of all) licences.set(licence, (licences.get(licence) ?? 0) + 1);
  const most = [...licences].sort((a, b) => b[1] - a[1]).map(([licence, count]) => `${licence} ${count}`);
  const judged = all.filter((each) => each.verdict !== undefined && each.verdict !== "allowed");
  const named = judged.map((each) => `${each.name} ${each.version}, ${each.licence}: ${each.verdict}`);
  return chapter(`Dependencies: ${total}`, [
    ...(most.length > 0 ? [most.slice(0, shown).join(", ")] : []),
    ...list(named, named.length),
  ]);
}

function since({ since: found, kept, truncated }: Analysis): string | undefined {
  if (kept === undefined) return undefined;
  const title = `Kept as version ${kept.version} of ${kept.name}`;
  if (found === undefined) return chapter(title, ["the first of its kind: nothing to compare with"]);
  const lines = (["appeared", "went", "changed"] as const).flatMap((what) => {
    const total = found[what].length + (truncated[`since.${what}`] ?? 0);
    return total === 0 ? [] : [`${what}: ${total}`, ...list(found[what].map(toLine), total)];
  });
  return chapter(title, lines.length > 0 ? lines : [`nothing changed since version ${found.version}`]);
}

function toLine({ at, before, after }: Change): string {
  if (before === undefined || after === undefined) return at;
  return `${at}: ${JSON.stringify(before).slice(0, 60)} → ${JSON.stringify(after).slice(0, 60)}`;
}

function findings({ findings: found, truncated }: Analysis): string | undefined {
  if (found.length === 0) return undefined;
  const total = found.length + (truncated.findings ?? 0);
  const lines = found.map(({ file, line, kind, message }) => {
    const place = file === undefined ? "" : `${file}${line === undefined ? "" : `:${line}`} `;
    return `${place}${kind}: ${message}`;
  });
  return chapter(`Findings about the input: ${total}`, list(lines, total));
}

/** What nobody found out is named with its reason: nothing made up stands in its place (W12). */
function missing({ missing: sections }: Analysis): string | undefined {
  if (sections.length === 0) return undefined;
  return chapter(
    "Missing",
    sections.map((each) => `- ${each.section} (${each.capability}): ${each.reason}`),
  );
}

function chapter(title: string, lines: readonly string[]): string | undefined {
  if (lines.length === 0) return undefined;
  const body = lines[0] === "" ? lines.slice(1) : lines;
  return [`## ${title}`, "", ...body].join("\n");
}

/** The first entries as a list, and how many more there are. */
function list(entries: readonly string[], total: number): string[] {
  const lines = entries.slice(0, shown).map((entry) => `- ${entry}`);
  if (total > lines.length) lines.push(`- … ${total - lines.length} more`);
  return lines;
}

function enumerate(names: readonly string[]): string {
  return names.length > shown
    ? `${names.slice(0, shown).join(", ")}, … ${names.length - shown} more`
    : names.join(", ");
}

const amount = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
