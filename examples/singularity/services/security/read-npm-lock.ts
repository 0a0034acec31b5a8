import { isObject } from "../../source/tree-packages.ts";
import { licenceOf, unknown } from "./dependency.ts";
import { findAbove } from "./find-above.ts";
import { type LockedPackage, type Lockfile, ofTree, packagesOf } from "./lockfile.ts";
import { parseTarget } from "./parse-target.ts";

type Places = Map<string, LockedPackage | typeof ofTree>;
type Entries = { readonly [key: string]: unknown };

/**
 * Reads npm's lockfile of any version. It says where each package is put: the root's manifest and those of workspaces get what Node finds
 * from their folders. It says nothing of other manifests.
 */
export function readNpmLock(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not an object");
  const places: Places = new Map();
  const workspaces = isObject(lock.packages) ? lock.packages : {};
  if (isObject(lock.packages)) takePlaces(lock.packages, places);
  else if (isObject(lock.dependencies)) takeTree(lock.dependencies, [], places);
  return {
    packages: packagesOf(places.values()),
    find: ({ folder, name }) =>
      folder === "" || Object.hasOwn(workspaces, folder) ? findAbove(places, folder, name) : undefined,
  };
}

/** Since npm 7: one entry for each place. */
function takePlaces(entries: Entries, places: Places): void {
  for (const [location, entry] of Object.entries(entries)) {
    const at = location.lastIndexOf("node_modules/");
    // Entries elsewhere are folders of the tree, and links lead to them.
    if (at === -1 || !isObject(entry)) continue;
    if (entry.link === true) places.set(location, ofTree);
    else if (typeof entry.version === "string") {
      const licence = licenceOf(entry);
      places.set(location, {
        // An alias has its own name here, and lies under another.
        name: typeof entry.name === "string" ? entry.name : location.slice(at + "node_modules/".length),
        version: entry.version,
        location,
        // Not where it says `devOptional`: then an optional part of what runs may need it as well.
        dev: entry.dev === true,
        installScripts: entry.hasInstallScript === true,
        ...(licence !== unknown && { licence }),
      });
    }
  }
}

/** A tree in which each package has all of its own has a dozen levels; each level makes the places below it longer. */
const maxDepth = 100;

/** Until npm 6: trees in trees. */
function takeTree(entries: Entries, above: readonly string[], places: Places): void {
  if (above.length >= maxDepth) throw new SyntaxError(`it is nested deeper than ${maxDepth} levels`);
  for (const [installedAs, entry] of Object.entries(entries)) {
    if (!isObject(entry) || typeof entry.version !== "string") continue;
    const way = [...above, `node_modules/${installedAs}`];
    const location = way.join("/");
    const target = parseTarget(installedAs, entry.version);
    const locked = { location, dev: entry.dev === true };
    places.set(location, target === ofTree ? ofTree : { name: target.name, version: target.range, ...locked });
    if (isObject(entry.dependencies)) takeTree(entry.dependencies, way, places);
  }
}
