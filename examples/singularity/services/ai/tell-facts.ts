/** A summary of an analysis by rules: every sentence follows a fact, and what is not known is said to be so. */
import { z } from "zod";

const count = z.number().int().min(0).optional();
/** Names come from the analysed code; a sentence has room for this many characters of one. */
const maxNameChars = 120;
/** McCabe's own bound: from more ways through a function on, he had it taken apart. */
const manyWays = 10;
/** Reasons of a decision told; past them a summary is none. */
const maxReasons = 10;
/** Most complex functions named. */
const maxFunctions = 3;

/** What an analysis found, as it tells whoever sums it up. What is absent is not known. */
export const analysisFacts = z.looseObject({
  modules: count,
  edges: count,
  cycles: count,
  runtimeCycles: count,
  upwardImports: count,
  lines: count,
  languages: z.array(z.string()).max(100).optional(),
  duplicates: count,
  duplicatedLines: count,
  deadExports: count,
  secrets: count,
  risks: count,
  dependencies: count,
  unknownLicences: count,
  deniedLicences: count,
  mostComplex: z
    .array(z.object({ file: z.string(), name: z.string(), line: z.number(), complexity: z.number() }))
    .max(100)
    .optional(),
  syntaxErrors: count,
  missing: z.array(z.string()).max(100).optional(),
});

export type AnalysisFacts = z.output<typeof analysisFacts>;

export const madeDecision = z.looseObject({ verdict: z.string(), reasons: z.array(z.string()).max(1_000) });
export type MadeDecision = z.output<typeof madeDecision>;

/** Tells what is known of `name` in a few paragraphs of plain text. */
export function tellFacts(name: string, facts: AnalysisFacts, decision?: MadeDecision): string {
  const weak = weaknesses.flatMap((tell) => tell(facts) ?? []);
  const parts = [
    introduce(toPlainText(name), facts),
    decision && tellDecision(decision),
    weak.length > 0 ? ["To look at, the gravest first:", ...weak.map((each) => `- ${each}`)].join("\n") : undefined,
    tellFunctions(facts),
    tellSound(facts),
    tellMissing(facts),
  ];
  return parts.filter((part) => part !== undefined).join("\n\n");
}

function introduce(name: string, { lines, languages = [], modules, edges, dependencies }: AnalysisFacts): string {
  const has: string[] = [];
  if (lines !== undefined) {
    const written = languages.length > 0 ? ` of ${enumerate(languages.map(toPlainText))}` : "";
    has.push(`${amount(lines, "line")}${written}`);
  }
  if (modules !== undefined) {
    has.push(
      `${amount(modules, "module")}${edges === undefined ? "" : ` with ${amount(edges, "import")} between them`}`,
    );
  }
  if (dependencies !== undefined) has.push(amount(dependencies, "dependency", "dependencies"));
  return has.length === 0 ? "Nothing is known of its size." : `${name} has ${enumerate(has)}.`;
}

function tellDecision({ verdict, reasons }: MadeDecision): string {
  const because = reasons.slice(0, maxReasons).map((reason) => toPlainText(reason).replace(/\.$/, ""));
  if (reasons.length > maxReasons) because.push(`and ${reasons.length - maxReasons} more`);
  return `Decision: ${toPlainText(verdict)}${because.length === 0 ? "" : `, since ${because.join("; ")}`}.`;
}

type Weakness = (facts: AnalysisFacts) => string | undefined;

/** A sentence where there are any. */
const where = (number: number | undefined, tell: (number: number) => string): string | undefined =>
  number === undefined || number === 0 ? undefined : tell(number);

/** What a code base should not have, the gravest first: what others may use against it, what breaks it, what slows its people. */
const weaknesses: readonly Weakness[] = [
  ({ secrets }) => where(secrets, (n) => `${amount(n, "secret")} ${are(n)} written into files.`),
  ({ risks }) => where(risks, (n) => `${amount(n, "call")} ${are(n)} risky.`),
  ({ deniedLicences }) =>
    where(
      deniedLicences,
      (n) => `${amount(n, "dependency", "dependencies")} ${n === 1 ? "has" : "have"} a licence that is denied.`,
    ),
  ({ syntaxErrors }) =>
    where(syntaxErrors, (n) => `${amount(n, "error")} of syntax ${n === 1 ? "stands" : "stand"} in the source.`),
  ({ runtimeCycles }) =>
    where(runtimeCycles, (n) => `${amount(n, "circle")} of imports ${n === 1 ? "stands" : "stand"} at run time.`),
  ({ upwardImports }) =>
    where(
      upwardImports,
      (n) => `${amount(n, "import")} ${n === 1 ? "goes" : "go"} against the direction of the layers.`,
    ),
  ({ cycles, runtimeCycles }) =>
    where(cycles === undefined ? undefined : cycles - (runtimeCycles ?? 0), (n) =>
      runtimeCycles === undefined
        ? `There ${are(n)} ${amount(n, "circle")} of imports.`
        : `${amount(n, "circle")} of imports ${n === 1 ? "closes" : "close"} only through types.`,
    ),
  ({ unknownLicences }) =>
    where(unknownLicences, (n) => `The licence of ${amount(n, "dependency", "dependencies")} is not known.`),
  ({ duplicates, duplicatedLines }) =>
    where(duplicates, (n) => {
      const lines = duplicatedLines === undefined ? "" : `, ${amount(duplicatedLines, "line")} in all`;
      return `${amount(n, "piece")} of code ${n === 1 ? "stands" : "stand"} in two places${lines}.`;
    }),
  ({ deadExports }) => where(deadExports, (n) => `${amount(n, "export")} ${are(n)} imported by nobody.`),
];

function tellFunctions({ mostComplex = [] }: AnalysisFacts): string | undefined {
  const complex = mostComplex.filter(({ complexity }) => complexity > manyWays).slice(0, maxFunctions);
  if (complex.length === 0) return undefined;
  const named = complex.map(
    ({ name, file, line, complexity }) =>
      `${toPlainText(name)} (${toPlainText(file)}:${line}, complexity ${complexity})`,
  );
  return `Hardest to follow: ${enumerate(named)}.`;
}

/** What was looked for and not found: as good to know as what was. */
function tellSound(facts: AnalysisFacts): string | undefined {
  const none: [keyof AnalysisFacts, string][] = [
    ["secrets", "secrets"],
    ["risks", "risky calls"],
    ["deniedLicences", "denied licences"],
    ["runtimeCycles", "circles of imports at run time"],
    ["upwardImports", "imports against the layers"],
    ["duplicates", "duplicated code"],
    ["deadExports", "unused exports"],
  ];
  // Nothing is denied where nobody judged.
  const isJudged = !facts.missing?.includes("compliance");
  const absent = none
    .filter(([fact]) => facts[fact] === 0 && (fact !== "deniedLicences" || isJudged))
    .map(([, what]) => what);
  return absent.length === 0 ? undefined : `There are no ${enumerate(absent, "or")}.`;
}

function tellMissing({ missing = [] }: AnalysisFacts): string | undefined {
  return missing.length === 0
    ? undefined
    : `Missing from this: ${enumerate(missing.map((each) => toPlainText(each.replaceAll("_", " "))))}.`;
}

/** One line without anything that a terminal or a reader could take for more than text. */
export function toPlainText(text: string): string {
  const plain = withoutControls(text).trim();
  return plain.length <= maxNameChars ? plain : `${plain.slice(0, maxNameChars - 1).toWellFormed()}…`;
}

/** Lines of which the same holds. */
export const toPlainLines = (text: string): string =>
  text
    .split(/\r?\n/)
    .map((line) => withoutControls(line).trimEnd())
    .join("\n");

const withoutControls = (text: string): string => text.toWellFormed().replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ");

const numbers = new Intl.NumberFormat("en-US");

const amount = (number: number, one: string, many = `${one}s`): string =>
  `${numbers.format(number)} ${number === 1 ? one : many}`;
const are = (number: number): string => (number === 1 ? "is" : "are");

function enumerate(parts: readonly string[], last = "and"): string {
  return parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} ${last} ${parts.at(-1)}`;
}
