import type { Spdx } from "./load-spdx.ts";

export type Correction =
  /** The same licence, spelled as SPDX spells it. */
  | { readonly kind: "spelling"; readonly text: string }
  /** It may be meant, but what is written does not say so. */
  | { readonly kind: "guess"; readonly text: string };

/**
 * What a text that is no SPDX expression was meant to be. spdx-correct ends in guesses (`BSD` is for it the licence of two
 * clauses, `BSL-1.1` the Boost licence), so its word counts as a spelling only where the same words and numbers are written.
 */
export function correctLicence(spdx: Spdx, text: string): Correction | undefined {
  const whole = correctOne(spdx, text);
  if (whole?.kind === "spelling") return whole;
  return correctParts(spdx, text) ?? whole;
}

function correctOne(spdx: Spdx, text: string): Correction | undefined {
  const withoutNoise = text.replace(/\b(the|licen[cs]ed?|version)\b/gi, " ").trim();
  for (const candidate of [text, withoutNoise]) {
    const found = spdx.parse(candidate) === undefined ? spdx.suggest(candidate) : candidate;
    if (found !== undefined && isSameLicence(text, found)) return { kind: "spelling", text: found };
  }
  const guess = spdx.suggest(text);
  return guess === undefined ? undefined : { kind: "guess", text: guess };
}

/** `(mit or apache2)`: each licence by itself, and a spelling only where all of them are. */
function correctParts(spdx: Spdx, text: string): Correction | undefined {
  const parts = text.split(/(\s+(?:and|or|with)\s+|[()])/i);
  if (parts.length === 1) return undefined;
  const corrected = parts.map((part, index) => {
    if (index % 2 === 1) return part.toUpperCase();
    if (part.trim() === "" || /\swith\s/i.test(parts[index - 1] ?? "")) return part;
    const found = correctOne(spdx, part.trim());
    return found?.kind === "spelling" ? found.text : undefined;
  });
  if (corrected.includes(undefined)) return undefined;
  const joined = corrected.join("").trim();
  return spdx.parse(joined) === undefined ? undefined : { kind: "spelling", text: joined };
}

/** Words that tell no licence from another. */
const noise = new Set(["the", "license", "licence", "licensed", "version", "clause", "only"]);

/** Whether both name the same words and the same numbers, in whatever order and spelling; two neighbouring letters may be swapped. */
function isSameLicence(written: string, spdx: string): boolean {
  const a = wordsOf(written);
  const b = wordsOf(spdx);
  return a.numbers === b.numbers && (a.letters === b.letters || areSwapped(a.letters, b.letters));
}

function wordsOf(text: string): { letters: string; numbers: string } {
  const meant = text
    .toLowerCase()
    .replaceAll("+", " or later")
    .replace(/v\.?\s*(?=\d)/g, " ");
  // What is none of these says something (`MIT*`, `MIT/ISC`), and must be in both.
  const words = meant.match(/[a-z]+|\d+(?:\.\d+)*|[^\sa-z0-9.,()_-]/g) ?? [];
  const isNumber = (word: string) => /^\d/.test(word);
  const letters = words.filter((word) => !isNumber(word) && !noise.has(word));
  const numbers = words.filter(isNumber).map((word) => word.replace(/(\.0)+$/, ""));
  return { letters: unique(letters), numbers: unique(numbers) };
}

const unique = (words: readonly string[]): string => [...new Set(words)].sort().join(" ");

function areSwapped(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  const at = [...a].findIndex((letter, index) => letter !== b[index]);
  if (at === -1) return false;
  return a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2);
}
