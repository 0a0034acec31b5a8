import { ViableError } from "viable";

/** A version that may be taken, and what it asks for. */
export interface Candidate {
  readonly version: string;
  readonly dependencies: { readonly [name: string]: string };
}

/** Who asks for a package, in which range. */
export type Ask = { readonly by: string; readonly range: string };

/** A package of which no version does for all who ask. */
export type Conflict = { readonly name: string; readonly asked: readonly Ask[]; readonly known: readonly string[] };

export interface Resolution {
  /** Empty where there is no answer. */
  readonly packages: ReadonlyMap<string, { readonly candidate: Candidate; readonly asked: readonly Ask[] }>;
  /** Why there is none: of each package the first conflict that was met, the one between the highest versions. */
  readonly conflicts: readonly Conflict[];
}

/** Who asks for what was wanted to begin with. */
const wanter = "you";

/** More packages than any agent or starter needs; each is read from memory. */
const maxPackages = 500;
/** Versions tried before it is given up; what can be resolved takes about one for each package. */
const maxTries = 20_000;
/** After so many tries in a row others get their turn: they take about a millisecond. */
const triesInARow = 200;

/** A package for which a version is being chosen. */
interface Choice {
  readonly name: string;
  /** What is still to be tried, the highest first. */
  readonly left: Candidate[];
  /** Packages whose choice kept this one's candidates out: only another choice there can help. */
  readonly blamed: Set<string>;
}

/**
 * Finds one version of each package so that everybody who asks gets one in their range, the highest first. Where nothing is left to
 * choose, the latest choice that had a part in it is made anew and those after it are forgotten (conflict-directed backjumping), so
 * that an answer is found where there is one, and choices that have nothing to do with a conflict are not gone through. Circles are
 * fine. Asks its caller for the versions of a package, highest first, by yielding the name, and yields undefined where others should
 * get their turn.
 */
export function* resolveVersions(
  wanted: { readonly [name: string]: string },
  satisfies: (version: string, range: string) => boolean,
): Generator<string | undefined, Resolution, readonly Candidate[]> {
  const asked = new Map<string, Ask[]>();
  const chosen = new Map<string, Candidate>();
  const conflicts = new Map<string, Conflict>();
  const knownOf = new Map<string, readonly Candidate[]>();
  const choices: Choice[] = [];
  let tries = 0;

  askFor(wanter, wanted);
  for (let name = nextOpen(); name !== undefined; name = nextOpen()) {
    if (chosen.size >= maxPackages) throw tooMuch(`more than ${maxPackages} packages are needed`);
    const known = knownOf.get(name) ?? (yield name);
    knownOf.set(name, known);
    const asks = asked.get(name) ?? [];
    const left = known.filter(({ version }) => asks.every(({ range }) => satisfies(version, range)));
    if (left.length === 0) noteConflict(name, asks);
    choices.push({ name, left, blamed: new Set(asks.map((ask) => nameOf(ask.by))) });
    if (!(yield* chooseNext())) return { packages: new Map(), conflicts: [...conflicts.values()] };
  }
  const packages = [...chosen].map(([name, candidate]) => [name, { candidate, asked: asked.get(name) ?? [] }] as const);
  return { packages: new Map(packages), conflicts: [] };

  /** The first that was asked for and is not chosen yet. */
  function nextOpen(): string | undefined {
    for (const [name, asks] of asked) if (asks.length > 0 && !chosen.has(name)) return name;
    return undefined;
  }

  /** Takes the next candidate of the last choice that can help; false when none can. */
  function* chooseNext(): Generator<undefined, boolean> {
    for (let choice = choices.at(-1); choice !== undefined; choice = choices.at(-1)) {
      takeBack(choice.name);
      const candidate = choice.left.shift();
      if (candidate === undefined) jumpBack(choice);
      else if (fits(choice, candidate)) {
        chosen.set(choice.name, candidate);
        askFor(`${choice.name}@${candidate.version}`, candidate.dependencies);
        return true;
      }
      if (++tries > maxTries) throw tooMuch(`no answer after ${maxTries} versions were tried`);
      if (tries % triesInARow === 0) yield undefined;
    }
    return false;
  }

  /** Forgets a choice that has nothing left, and all before it that had no part in that. */
  function jumpBack({ name, blamed }: Choice): void {
    blamed.delete(name);
    choices.pop();
    for (let former = choices.at(-1); former !== undefined; former = choices.at(-1)) {
      if (blamed.has(former.name)) {
        for (const each of blamed) former.blamed.add(each);
        return;
      }
      takeBack(former.name);
      choices.pop();
    }
  }

  /** Whether what a candidate asks for goes with what is chosen, itself included. */
  function fits({ name, blamed }: Choice, candidate: Candidate): boolean {
    for (const [needed, range] of Object.entries(candidate.dependencies)) {
      const taken = needed === name ? candidate : chosen.get(needed);
      if (taken === undefined || satisfies(taken.version, range)) continue;
      noteConflict(needed, [...(asked.get(needed) ?? []), { by: `${name}@${candidate.version}`, range }]);
      blamed.add(needed);
      return false;
    }
    return true;
  }

  function askFor(by: string, ranges: { readonly [name: string]: string }): void {
    for (const [name, range] of Object.entries(ranges)) asked.set(name, [...(asked.get(name) ?? []), { by, range }]);
  }

  function takeBack(name: string): void {
    const candidate = chosen.get(name);
    if (candidate === undefined) return;
    chosen.delete(name);
    const by = `${name}@${candidate.version}`;
    for (const needed of Object.keys(candidate.dependencies)) {
      asked.set(
        needed,
        (asked.get(needed) ?? []).filter((ask) => ask.by !== by),
      );
    }
  }

  function noteConflict(name: string, asks: readonly Ask[]): void {
    if (conflicts.has(name)) return;
    conflicts.set(name, { name, asked: asks, known: (knownOf.get(name) ?? []).map((each) => each.version) });
  }
}

/** `@house/log@1.0.0` as `@house/log`. */
const nameOf = (by: string): string => (by === wanter ? by : by.slice(0, by.lastIndexOf("@")));

const tooMuch = (what: string): ViableError =>
  new ViableError("resolve.too_much", `It cannot be resolved: ${what}.`, {
    next: "Ask for fewer packages, or in narrower ranges.",
  });
