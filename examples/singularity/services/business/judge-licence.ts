import type { Expression, Licence } from "spdx-expression-parse";
import { correctLicence } from "./correct-licence.ts";
import { deprecatedIds } from "./deprecated-ids.ts";
import type { Spdx } from "./load-spdx.ts";
import { type LicencePolicy, unlicensed } from "./policy.ts";

export type Verdict = "allowed" | "denied" | "review" | "unknown";

export type Judgement = {
  readonly verdict: Verdict;
  /** The entry of the policy that decided, as `denied: GPL-1.0-or-later`, or why none did. */
  readonly rule: string;
  readonly reason: string;
  /** What was written and what it was read as, where that is not the same. */
  readonly corrected?: { readonly from: string; readonly to: string };
};

/** What stands for no licence: what an inventory says where it found none, and SPDX's own words. */
const namesNone = new Set(["", "unknown", "none", "noassertion"]);
/** What is longer is the text of a licence, or prose about it: nobody needs a tenth of this to name some. */
const maxLicenceChars = 1_000;
/** Written texts are quoted in reasons, shortened: nobody reads on, and results are bounded. */
const maxQuotedChars = 80;

/** Judges a licence as a package names it. Nothing is guessed: what does not say which licence it is stays unknown or is for a person. */
export function judgeLicence(spdx: Spdx, policy: LicencePolicy, written: string): Judgement {
  const text = written.trim();
  if (namesNone.has(text.toLowerCase())) {
    return { verdict: "unknown", rule: "no licence named", reason: "Neither package nor lockfile names a licence." };
  }
  if (text.toUpperCase() === unlicensed) {
    return judgeListed(policy, unlicensed) ?? unlisted(unlicensed);
  }
  if (/^see\s+licen[cs]e\s+in\b/i.test(text)) {
    const reason = `It says only "${quote(text)}": that file has to be read.`;
    return { verdict: "unknown", rule: "licence in a file", reason };
  }
  if (text.length > maxLicenceChars) {
    const reason = `"${quote(text)}" has ${text.length} characters: it is no SPDX licence.`;
    return { verdict: "review", rule: "not SPDX", reason };
  }
  const parsed = spdx.parse(text);
  if (parsed !== undefined) return judgeExpression(policy, parsed);
  const correction = correctLicence(spdx, text);
  if (correction?.kind === "spelling") {
    const meant = spdx.parse(correction.text);
    if (meant !== undefined) {
      const corrected = { from: quote(text), to: correction.text };
      const { verdict, rule, reason } = judgeExpression(policy, meant);
      return { verdict, rule, reason: `Read as ${correction.text}: ${reason}`, corrected };
    }
  }
  const hint = correction === undefined ? "" : ` It may mean ${correction.text}, but does not say so.`;
  return { verdict: "review", rule: "not SPDX", reason: `"${quote(text)}" is no SPDX licence.${hint}` };
}

function judgeExpression(policy: LicencePolicy, expression: Expression): Judgement {
  if (!("conjunction" in expression)) return judgeOne(policy, expression);
  const left = judgeExpression(policy, expression.left);
  const right = judgeExpression(policy, expression.right);
  const [better, worse] = rank[left.verdict] >= rank[right.verdict] ? [left, right] : [right, left];
  // Of a choice the better licence is taken; where both hold, the worse decides.
  return expression.conjunction === "or" ? better : worse;
}

const rank = { denied: 0, unknown: 1, review: 2, allowed: 3 } as const;

/**
 * One licence. `or later` is a choice between versions, so the best of those that the policy names counts. An exception only adds
 * to what a licence permits: under an allowed licence nothing changes, under a denied one it may be what makes it usable.
 */
function judgeOne(policy: LicencePolicy, licence: Licence): Judgement {
  const { range, exception } = readLicence(licence);
  const judged = versionsIn(policy, range)
    .map((id) => judgeListed(policy, id, exception))
    .filter((each) => each !== undefined)
    .sort((a, b) => rank[b.verdict] - rank[a.verdict])[0];
  return judged ?? unlisted(nameOf(range, exception));
}

/** Ids of the versions a licence leaves to choose from, as far as the policy names any. */
function versionsIn(policy: LicencePolicy, range: LicenceRange): string[] {
  if (!range.orLater) return [range.id];
  const listed = [...policy.allowed, ...policy.denied, ...policy.review].map((entry) => readEntry(entry).range.id);
  return [range.id, ...listed.filter((id) => isAtLeast(id, range.id))];
}

function judgeListed(policy: LicencePolicy, id: string, exception?: string): Judgement | undefined {
  // A contradiction between a version and a range goes the strict way.
  for (const verdict of ["denied", "review", "allowed"] as const) {
    const found = policy[verdict].find((entry) => covers(entry, id, exception));
    if (found === undefined) continue;
    return { verdict, rule: `${verdict}: ${found}`, reason: `${nameOf({ id }, exception)} is ${words[verdict]}.` };
  }
  if (exception === undefined) return undefined;
  const plain = judgeListed(policy, id);
  if (plain?.verdict !== "denied") return plain;
  const reason = `${id} is denied, but ${exception} may permit what is denied: somebody has to look.`;
  return { verdict: "review", rule: plain.rule, reason };
}

const words = { denied: "denied", review: "for a person to look at", allowed: "allowed" } as const;

const unlisted = (name: string): Judgement => ({
  verdict: "review",
  rule: "not in the policy",
  reason: `No list of the policy names ${name}.`,
});

function covers(entry: string, id: string, exception: string | undefined): boolean {
  const { range, exception: covered } = readEntry(entry);
  if (covered !== exception) return false;
  return range.orLater ? isAtLeast(id, range.id) : range.id === id;
}

interface LicenceTerms {
  readonly range: LicenceRange;
  readonly exception: string | undefined;
}

/** An entry of a policy, which was found to be one licence. */
function readEntry(entry: string): LicenceTerms {
  const [license = "", exception] = entry.split(/\s+with\s+/i);
  return readLicence({ license, ...(exception !== undefined && { exception }) });
}

function readLicence({ license, plus, exception }: Licence): LicenceTerms {
  const current = deprecatedIds.get(license) ?? { license };
  return { range: rangeOf(plus ? `${current.license}+` : current.license), exception: current.exception ?? exception };
}

interface LicenceRange {
  readonly id: string;
  readonly orLater: boolean;
}

/** `GPL-2.0+`, `GPL-2.0-or-later`, and `GPL-2.0-only`, which is the same as the older `GPL-2.0`. */
function rangeOf(licence: string): LicenceRange {
  return {
    id: licence.replace(/\+$/, "").replace(/-(only|or-later)$/, ""),
    orLater: /(\+|-or-later)$/.test(licence),
  };
}

const nameOf = ({ id, orLater = false }: { id: string; orLater?: boolean }, exception: string | undefined): string =>
  `${id}${orLater ? " or later" : ""}${exception === undefined ? "" : ` with ${exception}`}`;

/**
 * Whether a licence is this version of the same one or a later. spdx-satisfies is not asked: it takes every id of eight characters
 * (`LGPL-2.1`, `CDDL-1.0`) for one that ends in `-or-later`, and so allows what was not.
 */
function isAtLeast(id: string, least: string): boolean {
  const a = versionOf(id);
  const b = versionOf(least);
  if (a === undefined || b === undefined) return id === least;
  if (a.family !== b.family) return false;
  return a.major === b.major ? a.minor >= b.minor : a.major > b.major;
}

function versionOf(id: string): { family: string; major: number; minor: number } | undefined {
  const found = /^(.+)-(\d+)\.(\d+)$/.exec(id);
  if (found === null) return undefined;
  return { family: found[1] as string, major: Number(found[2]), minor: Number(found[3]) };
}

const quote = (text: string): string => (text.length > maxQuotedChars ? `${text.slice(0, maxQuotedChars)}…` : text);
