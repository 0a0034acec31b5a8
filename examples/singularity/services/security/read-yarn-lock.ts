import { isObject } from "../../source/tree-packages.ts";
import { type LockedPackage, type Lockfile, ofTree, packagesOf } from "./lockfile.ts";
import { parseTarget } from "./parse-target.ts";

/** By what is asked for: `name@range`. */
type Named = Map<string, LockedPackage | typeof ofTree>;

/** Yarn 1 has a format of its own: unindented keys, then indented fields. */
export function readYarnClassicLock(text: string): Lockfile {
  const named: Named = new Map();
  let asked: string[] = [];
  let askedAt = 0;
  for (const [before, line] of text.split(/\r?\n/).entries()) {
    const at = before + 1;
    if (/^([<|=>])\1{6}( |$)/.test(line)) throw new SyntaxError(`line ${at} is of a merge that is not finished`);
    if (/^[^\s#]/.test(line)) {
      if (!line.endsWith(":")) throw new SyntaxError(`line ${at} is neither a package nor a part of one`);
      if (asked.length > 0) throw new SyntaxError(`line ${askedAt} names a package without a version`);
      askedAt = at;
      asked = [...line.slice(0, -1).matchAll(/"([^"]+)"|[^\s",]+/g)].map(([bare, quoted]) => quoted ?? bare);
    }
    const [, version] = /^ {2}version "?([^"\s]+)"?$/.exec(line) ?? [];
    if (version === undefined) continue;
    take(named, asked, asked[0], version);
    asked = [];
  }
  if (asked.length > 0) throw new SyntaxError(`line ${askedAt} names a package without a version`);
  // A tree that depends on nothing has comments there.
  if (named.size === 0 && /^[ \t]*[^\s#]/m.test(text)) throw new SyntaxError("it names no package");
  return createLockfile(named);
}

/** Yarn from 2 on writes YAML. */
export function readYarnBerryLock(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not a map");
  const named: Named = new Map();
  for (const [key, entry] of Object.entries(lock)) {
    if (!isObject(entry) || typeof entry.resolution !== "string" || entry.version === undefined) continue;
    take(named, key.split(/,\s*/), entry.resolution, String(entry.version));
  }
  // Yarn names the tree's own manifest there too.
  if (named.size === 0) throw new SyntaxError("it names no package");
  return createLockfile(named);
}

/** What it resolves to names the package: by its own name where it is asked for by an alias. */
function take(named: Named, asked: readonly string[], resolution: string | undefined, version: string): void {
  const [, name, range] = /^((?:@[^/@]+\/)?[^/@]+)@(.*)$/.exec(resolution ?? "") ?? [];
  if (name === undefined || range === undefined) return;
  const target = parseTarget(name, range);
  const locked = target === ofTree ? ofTree : { name: target.name, version };
  for (const each of asked) named.set(each, locked);
}

function createLockfile(named: Named): Lockfile {
  const packages = packagesOf(named.values());
  return {
    packages,
    find: ({ name, range }) =>
      named.get(`${name}@${range}`) ?? named.get(`${name}@npm:${range}`) ?? findOnly(packages, name, range),
  };
}

/** Where the manifest's range was replaced (`resolutions`, a catalog) it still gets the only version that there is. */
function findOnly(packages: readonly LockedPackage[], name: string, range: string): LockedPackage | undefined {
  const target = parseTarget(name, range);
  const [only, ...others] = packages.filter((each) => target !== ofTree && each.name === target.name);
  return others.length === 0 ? only : undefined;
}
