import type { JsonValue } from "viable";
import type { Truncated } from "../source/cut-list.ts";
import type { Finding } from "../source/finding.ts";

/** A part of the report that did not come about, and why. */
export type Missing = { readonly section: string; readonly capability: string; readonly reason: string };

export type Place = { readonly file: string; readonly from: number; readonly to: number };

/** Files by the risk that the next commits mend something in them; `origin` says by what, `reason` why so or why not at all. */
export type RiskRanking = {
  readonly [more: string]: JsonValue | undefined;
  readonly origin: string;
  readonly reason?: string;
  readonly files: { readonly [more: string]: JsonValue; readonly path: string; readonly score: number }[];
};

/** What `analyze` answers. A section that did not come about is absent and named in `missing`. */
export type Analysis = {
  /** The analysed folder, absolute. */
  readonly path: string;
  modules?: number;
  edges?: number;
  externals?: { name: string; importers: number }[];
  /** One shortest way round each circle of imports; those that stand at run time first. */
  cycles?: string[][];
  /** How many of all circles stand at run time; the others close only through types. */
  runtimeCycles?: number;
  layers?: { levels: string[][]; upward: { file: string; line: number; imports: string }[] };
  design?: {
    layers: string[][];
    upwardImports: number;
    upwardImportsAfterMoves: number;
    moves: { file: string; from: string; to: string; removes: number }[];
  };
  files?: { path: string; lines: number; complexity?: number }[];
  functions?: { file: string; name: string; line: number; complexity: number }[];
  sizes?: {
    lines: number;
    bytes: number;
    languages: { language: string; files: number; lines: number; bytes: number }[];
  };
  duplicates?: { lines: number; tokens: number; first: Place; second: Place }[];
  duplicatedLines?: number;
  deadExports?: { file: string; line: number; name: string; isUsedInside: boolean }[];
  secrets?: { file: string; line: number; kind: string }[];
  risks?: { file: string; line: number; kind: string; what: string; reason: string }[];
  dependencies?: { name: string; version: string; licence: string; verdict?: string }[];
  riskRanking?: RiskRanking;
  decision?: { verdict: string; reasons: string[] };
  summary?: { text: string; origin: string };
  kept?: { name: string; version: number; sha256: string };
  /** What is different from the version kept before. */
  since?: { version: number; appeared: Change[]; went: Change[]; changed: Change[] };
  rendering?: JsonValue;
  missing: Missing[];
  findings: Finding[];
  truncated: Truncated;
};

export type Change = { readonly at: string; readonly before?: JsonValue; readonly after?: JsonValue };
