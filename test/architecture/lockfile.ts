import type { Manifest } from "./rooms.ts";

interface Entry extends Manifest {
  readonly version?: string;
  readonly resolved?: string;
  readonly link?: boolean;
}

export interface Lockfile {
  readonly packages: { readonly [location: string]: Entry };
}

/**
 * npm leaves an optional package out of the lockfile without a word when the registry it asked did not have it, and then
 * `npm ci` refuses the lockfile on the next machine. An entry of another version is no entry.
 */
export function findMissingOptional({ packages }: Lockfile): string[] {
  const refusals: string[] = [];
  for (const [location, entry] of Object.entries(packages)) {
    for (const [name, range] of Object.entries(entry.optionalDependencies ?? {})) {
      const found = findEntry(packages, location, name);
      // Platform packages are asked for by exact version, and only those are compared.
      if (found !== undefined && (!/^\d/.test(range) || found.version === range)) continue;
      refusals.push(
        `package-lock.json: ${location || "the root"} may use ${name} ${range}, and there is ${found === undefined ? "no entry" : `only ${found.version}`}. Run node tools/complete-lock.mjs: a fresh clone could not be installed.`,
      );
    }
  }
  return refusals;
}

/** What a package at `location` gets when it asks for `name`: the nearest on the way up, as Node looks for it. */
function findEntry(packages: Lockfile["packages"], location: string, name: string): Entry | undefined {
  const found = packages[`${location}${location === "" ? "" : "/"}node_modules/${name}`];
  if (found !== undefined || location === "") return found;
  return findEntry(packages, location.slice(0, Math.max(0, location.lastIndexOf("/node_modules/"))), name);
}

/** A lockfile that names where it was made installs only there. */
export const findResolved = ({ packages }: Lockfile): string[] =>
  Object.entries(packages)
    .filter(([, { resolved, link }]) => resolved !== undefined && !link)
    .map(
      ([location, { resolved }]) =>
        `package-lock.json: ${location} is resolved to ${resolved}. Install with the .npmrc of this repository, which leaves that out: the lockfile must work with any registry.`,
    );

/** `npm ci` refuses a lockfile that says other than a manifest. */
export function findDifferences({ packages }: Lockfile, manifests: ReadonlyMap<string, Manifest>): string[] {
  const refusals: string[] = [];
  for (const [folder, manifest] of manifests) {
    const locked = packages[folder];
    for (const kind of ["dependencies", "devDependencies", "optionalDependencies", "peerDependencies"] as const) {
      if (sorted(manifest[kind]) !== sorted(locked?.[kind])) {
        refusals.push(
          `package-lock.json: ${kind} of ${folder || "the root"} are not those of its package.json. Run npm install, then node tools/complete-lock.mjs, and commit both files together.`,
        );
      }
    }
  }
  return refusals;
}

const sorted = (names: { readonly [name: string]: string } = {}): string =>
  JSON.stringify(Object.entries(names).sort(([a], [b]) => (a < b ? -1 : 1)));
