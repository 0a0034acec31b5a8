/**
 * What an analysis says, as a page. Each chapter reads its own members of the report: one that is absent leaves its chapter out, one
 * that is not what it should be is named, and the rest stands.
 */
import type { JsonObject, JsonValue } from "viable";
import { z } from "zod";
import type { Truncated } from "../../source/cut-list.ts";
import type { Block, Chapter, Page } from "./page.ts";
import { toBlocks } from "./page.ts";
import { toPlainText } from "./plain-text.ts";
import { readRows } from "./read-rows.ts";
import type { Column } from "./table.ts";

export interface ReadReport {
  readonly page: Page;
  /** Chapters that could not be made of what the report holds, and why. */
  readonly unreadable: readonly { readonly chapter: string; readonly reason: string }[];
  /** Entries that were left out, by list. */
  readonly truncated: Truncated;
}

/** Characters of one cell or entry; a path is shorter, and what is longer is no name. */
const maxCellChars = 500;
/** A summary is a few paragraphs. */
const maxTextChars = 20_000;
/** Members of one circle of imports that are named. */
const maxWay = 12;

/** How many entries of which list were left out where the report was made. */
const leftOut = z.object({ truncated: z.record(z.string(), z.number().int().min(0)).default({}) });

/** Reads a report into a page, with so many entries of each list at most. */
export function readReport(report: JsonObject, maxEntries: number): ReadReport {
  const unreadable: { chapter: string; reason: string }[] = [];
  const counted = leftOut.safeParse({ truncated: report.truncated });
  // Without it each list looks as if it were all there is.
  if (!counted.success) unreadable.push({ chapter: "What was left out", reason: reasonOf(counted.error) });
  const cut = counted.data?.truncated ?? {};
  const truncated: Truncated = {};
  const lists: Lists = {
    take(name, list) {
      const entries = list.slice(0, maxEntries);
      const more = list.length - entries.length + (cut[name] ?? 0);
      if (more > 0) truncated[name] = more;
      return { entries, more, total: entries.length + more };
    },
  };
  const chapters = chapterReaders.flatMap(({ title, read }): Chapter[] => {
    const found = read(report, lists);
    if (typeof found === "string") {
      unreadable.push({ chapter: title, reason: found });
      return [];
    }
    return found === undefined || found.length === 0 ? [] : [{ title, blocks: found }];
  });
  const path = typeof report.path === "string" ? toPlainText(report.path, maxCellChars) : "a code base";
  return { page: { title: `Analysis of ${path}`, chapters }, unreadable, truncated };
}

interface Lists {
  /** The entries of a list that are shown, and how many more there are, here or where the report was made. */
  take<T>(name: string, list: readonly T[]): { entries: T[]; more: number; total: number };
}

interface ChapterReader {
  readonly title: string;
  /** Blocks; undefined where the report has nothing for them; a reason where what it has cannot be read. */
  read(report: JsonObject, lists: Lists): Block[] | undefined | string;
}

/** A chapter that is made of some members of the report: none of them there, no chapter. */
function chapter<Shape extends z.ZodRawShape>(
  title: string,
  shape: Shape,
  make: (members: Partial<z.output<z.ZodObject<Shape>>>, lists: Lists) => Block[],
): ChapterReader {
  return {
    title,
    read(report, lists) {
      const names = Object.keys(shape).filter((name) => Object.hasOwn(report, name) && report[name] !== undefined);
      if (names.length === 0) return undefined;
      const found = z
        .object(shape)
        .partial()
        .safeParse(Object.fromEntries(names.map((name) => [name, report[name]])));
      if (found.success) return make(found.data as Partial<z.output<z.ZodObject<Shape>>>, lists);
      return reasonOf(found.error);
    },
  };
}

const reasonOf = ({ issues: [issue] }: z.ZodError): string => `${issue?.path.join(".")}: ${issue?.message}`;

const count = z.number();
const text = z.string();
const texts = z.array(text);
const place = z.object({ file: text, from: count, to: count });
const change = z.object({ at: text, before: z.unknown().optional(), after: z.unknown().optional() });

const left = (title: string): Column => ({ title, align: "left" });
const right = (title: string): Column => ({ title, align: "right" });

const paragraph = (sentence: string): Block => ({ kind: "paragraph", text: toPlainText(sentence, maxTextChars) });

function list(entries: readonly string[], more: number): Block[] {
  if (entries.length === 0) return [];
  return [{ kind: "list", entries: entries.map((entry) => toPlainText(entry, maxCellChars)), more }];
}

function table(caption: string, columns: readonly Column[], rows: readonly (readonly Cell[])[], more: number): Block[] {
  if (rows.length === 0) return [];
  const named = toPlainText(caption, maxCellChars);
  return [{ kind: "table", caption: named, columns, rows: rows.map((row) => row.map(toText)), more }];
}

type Cell = string | number | undefined;

const toText = (cell: Cell): string =>
  cell === undefined ? "" : typeof cell === "number" ? numbers.format(cell) : toPlainText(cell, maxCellChars);

const numbers = new Intl.NumberFormat("en-US");
const amount = (number: number, what: string): string => `${numbers.format(number)} ${what}${number === 1 ? "" : "s"}`;

const chapterReaders: readonly ChapterReader[] = [
  chapter(
    "Decision and summary",
    {
      decision: z.object({ verdict: text, reasons: texts }),
      summary: z.object({ text, origin: text }),
    },
    ({ decision, summary }, lists) => {
      const blocks: Block[] = [];
      if (decision !== undefined) {
        const { entries, more } = lists.take("decision.reasons", decision.reasons);
        blocks.push(paragraph(`Decision: ${decision.verdict}`), ...list(entries, more));
      }
      if (summary !== undefined) {
        blocks.push(...toBlocks(summary.text.slice(0, maxTextChars)), paragraph(`(summed up by ${summary.origin})`));
      }
      return blocks;
    },
  ),
  chapter(
    "Structure",
    {
      modules: count,
      edges: count,
      sizes: z.object({
        lines: count,
        bytes: count,
        languages: z.array(z.object({ language: text, files: count, lines: count, bytes: count })),
      }),
      externals: z.array(z.object({ name: text, importers: count })),
    },
    ({ modules, edges, sizes, externals = [] }, lists) => {
      const known = [
        ...(modules === undefined ? [] : [amount(modules, "module")]),
        ...(edges === undefined ? [] : [`${amount(edges, "import")} between modules`]),
        ...(sizes === undefined ? [] : [amount(sizes.lines, "line"), amount(sizes.bytes, "byte")]),
      ];
      const languages = lists.take("languages", sizes?.languages ?? []);
      const outside = lists.take("externals", externals);
      return [
        ...(known.length === 0 ? [] : [paragraph(`${known.join(", ")}.`)]),
        ...table(
          "Languages",
          [left("Language"), right("Files"), right("Lines"), right("Bytes")],
          languages.entries.map((each) => [each.language, each.files, each.lines, each.bytes]),
          languages.more,
        ),
        ...table(
          "Imported from outside",
          [left("Package"), right("Modules that import it")],
          outside.entries.map(({ name, importers }) => [name, importers]),
          outside.more,
        ),
      ];
    },
  ),
  chapter("Import cycles", { cycles: z.array(texts), runtimeCycles: count }, ({ cycles, runtimeCycles }, lists) => {
    if (cycles === undefined) return [paragraph(`${amount(runtimeCycles ?? 0, "circle")} of imports at run time.`)];
    const { entries, more, total } = lists.take("cycles", cycles);
    const ways = entries.map((files, index) => {
      const isTypeOnly = runtimeCycles !== undefined && index >= runtimeCycles;
      const long = files.length > maxWay ? [...files.slice(0, maxWay), `… ${files.length - maxWay} more`] : files;
      return `${[...long, files[0] ?? ""].join(" → ")}${isTypeOnly ? " (types only)" : ""}`;
    });
    const atRunTime = runtimeCycles === undefined ? "" : `, ${numbers.format(runtimeCycles)} of them at run time`;
    return [
      paragraph(total === 0 ? "None." : `${amount(total, "circle")} of imports${atRunTime}.`),
      ...list(ways, more),
    ];
  }),
  chapter(
    "Layers, topmost first",
    {
      layers: z.object({
        levels: z.array(texts),
        upward: z.array(z.object({ file: text, line: count, imports: text })),
      }),
      design: z.object({
        upwardImports: count,
        upwardImportsAfterMoves: count,
        moves: z.array(z.object({ file: text, from: text, to: text, removes: count })),
      }),
    },
    ({ layers, design }, lists) => {
      const levels = lists.take("levels", (layers?.levels ?? []).toReversed());
      const upward = lists.take("upward", layers?.upward ?? []);
      const moves = lists.take("moves", design?.moves ?? []);
      return [
        ...list(
          levels.entries.map((rooms) => rooms.join(", ")),
          levels.more,
        ),
        ...table(
          "Imports against the direction",
          [left("File"), right("Line"), left("Imports")],
          upward.entries.map(({ file, line, imports }) => [file, line, imports]),
          upward.more,
        ),
        ...table(
          `Proposed moves, from ${design?.upwardImports} imports upward to ${design?.upwardImportsAfterMoves}`,
          [left("File"), left("From"), left("To"), right("Fewer upward")],
          moves.entries.map(({ file, from, to, removes }) => [file, from, to, removes]),
          moves.more,
        ),
      ];
    },
  ),
  chapter(
    "Files and functions",
    {
      functions: z.array(z.object({ file: text, name: text, line: count, complexity: count })),
      files: z.array(z.object({ path: text, lines: count, complexity: count.optional() })),
    },
    ({ functions = [], files = [] }, lists) => {
      const complex = lists.take("functions", functions);
      const large = lists.take("files", files);
      return [
        ...table(
          "Most complex functions",
          [left("Function"), left("File"), right("Line"), right("Complexity")],
          complex.entries.map(({ name, file, line, complexity }) => [name, file, line, complexity]),
          complex.more,
        ),
        ...table(
          "Files",
          [left("File"), right("Lines"), right("Complexity")],
          large.entries.map(({ path, lines, complexity }) => [path, lines, complexity]),
          large.more,
        ),
      ];
    },
  ),
  chapter(
    "Duplicated and unused code",
    {
      duplicates: z.array(z.object({ lines: count, first: place, second: place })),
      duplicatedLines: count,
      deadExports: z.array(z.object({ file: text, line: count, name: text, isUsedInside: z.boolean() })),
    },
    ({ duplicates, duplicatedLines, deadExports }, lists) => {
      const pieces = lists.take("duplicates", duplicates ?? []);
      const dead = lists.take("deadExports", deadExports ?? []);
      const told = [
        ...(duplicates === undefined ? [] : [`${amount(pieces.total, "piece")} of code in two places`]),
        ...(duplicatedLines === undefined ? [] : [amount(duplicatedLines, "duplicated line")]),
        ...(deadExports === undefined ? [] : [`${amount(dead.total, "export")} that nobody imports`]),
      ];
      const at = ({ file, from, to }: z.output<typeof place>): string => `${file}:${from}-${to}`;
      return [
        paragraph(`${told.join(", ")}.`),
        ...table(
          "Duplicated code",
          [right("Lines"), left("Here"), left("There")],
          pieces.entries.map(({ lines, first, second }) => [lines, at(first), at(second)]),
          pieces.more,
        ),
        ...table(
          "Exports that nobody imports",
          [left("Export"), left("File"), right("Line"), left("Used inside its file")],
          dead.entries.map(({ name, file, line, isUsedInside }) => [name, file, line, isUsedInside ? "yes" : "no"]),
          dead.more,
        ),
      ];
    },
  ),
  chapter(
    "Security",
    {
      secrets: z.array(z.object({ file: text, line: count, kind: text })),
      risks: z.array(z.object({ file: text, line: count, kind: text, what: text, reason: text })),
    },
    ({ secrets, risks }, lists) => {
      const written = lists.take("secrets", secrets ?? []);
      const calls = lists.take("risks", risks ?? []);
      const told = [
        ...(secrets === undefined ? [] : [`${amount(written.total, "secret")} in files`]),
        ...(risks === undefined ? [] : [amount(calls.total, "risky call")]),
      ];
      return [
        paragraph(`${told.join(", ")}.`),
        ...table(
          "Secrets in files",
          [left("File"), right("Line"), left("Kind")],
          written.entries.map(({ file, line, kind }) => [file, line, kind]),
          written.more,
        ),
        ...table(
          "Risky calls",
          [left("File"), right("Line"), left("Call"), left("Reason")],
          calls.entries.map(({ file, line, what, reason }) => [file, line, what, reason]),
          calls.more,
        ),
      ];
    },
  ),
  chapter(
    "Dependencies",
    {
      dependencies: z.array(z.object({ name: text, version: text, licence: text, verdict: text.optional() })),
    },
    ({ dependencies = [] }, lists) => {
      const { entries, more, total } = lists.take("dependencies", dependencies);
      return [
        paragraph(total === 0 ? "None." : `${amount(total, "package")}.`),
        ...table(
          "Packages and their licences",
          [left("Package"), left("Version"), left("Licence"), left("Verdict")],
          entries.map(({ name, version, licence, verdict }) => [name, version, licence, verdict]),
          more,
        ),
      ];
    },
  ),
  chapter("Risk ranking", { riskRanking: z.unknown() }, ({ riskRanking }, lists) =>
    rankingBlocks(riskRanking as JsonValue, lists),
  ),
  chapter(
    "Changes",
    {
      kept: z.object({ name: text, version: count }),
      since: z.object({
        version: count,
        appeared: z.array(change),
        went: z.array(change),
        changed: z.array(change),
      }),
    },
    ({ kept, since }, lists) => {
      const rows = (["appeared", "went", "changed"] as const).flatMap((what) => {
        const { entries, more } = lists.take(`since.${what}`, since?.[what] ?? []);
        return table(
          `What ${what} since version ${since?.version}`,
          [left("Where"), left("Before"), left("After")],
          entries.map(({ at, before, after }) => [at, toJson(before), toJson(after)]),
          more,
        );
      });
      return [...(kept === undefined ? [] : [paragraph(`Kept as version ${kept.version} of ${kept.name}.`)]), ...rows];
    },
  ),
  chapter(
    "Findings about the input",
    {
      findings: z.array(z.object({ kind: text, file: text.optional(), line: count.optional(), message: text })),
    },
    ({ findings = [] }, lists) => {
      const { entries, more } = lists.take("findings", findings);
      return table(
        "Findings",
        [left("File"), right("Line"), left("Kind"), left("Message")],
        entries.map(({ file, line, kind, message }) => [file, line, kind, message]),
        more,
      );
    },
  ),
  chapter(
    "Missing",
    { missing: z.array(z.object({ section: text, capability: text, reason: text })) },
    ({ missing = [] }, lists) => {
      const { entries, more } = lists.take("missing", missing);
      return table(
        "Sections that did not come about",
        [left("Section"), left("Capability"), left("Reason")],
        entries.map(({ section, capability, reason }) => [section, capability, reason]),
        more,
      );
    },
  ),
];

/** A ranking has no shape of its own here: its first list of objects is its table, and its other plain members are told. */
function rankingBlocks(ranking: JsonValue, lists: Lists): Block[] {
  if (typeof ranking !== "object" || ranking === null) return [];
  const members: [string, JsonValue | undefined][] = Array.isArray(ranking)
    ? [["ranking", ranking as JsonValue]]
    : Object.entries(ranking);
  const rows = members.find(([, value]) => Array.isArray(value) && value.length > 0 && value.every(isObject));
  const plain = members.filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  const told = plain.length === 0 ? [] : [paragraph(plain.map(([name, value]) => `${name}: ${value}`).join(", "))];
  if (rows === undefined) return told;
  const { entries, more } = lists.take("riskRanking", rows[1] as readonly JsonObject[]);
  const { columns, rows: cells } = readRows(entries, undefined, {});
  return [...told, ...table(rows[0], columns, cells, more)];
}

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value);

const toJson = (value: unknown): string | undefined => (value === undefined ? undefined : JSON.stringify(value));
