import { isObject } from "../../source/tree-packages.ts";
import { type LockedPackage, type Lockfile, ofTree, packagesOf } from "./lockfile.ts";

/** Reads pnpm's lockfile of version 5, 6 or 9. It names each manifest of the tree, and which packages that one gets. */
export function readPnpmLock(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not a map");
  const entries = lock.packages ?? {};
  if (!isObject(entries)) throw new SyntaxError("its packages are no map");
  // A package stands there once for each set of peers that it is installed with: all of them under one id.
  const all: (LockedPackage | typeof ofTree)[] = [];
  const named = new Map<string, LockedPackage | typeof ofTree>();
  for (const [key, entry] of Object.entries(entries)) {
    const found = readEntry(idOf(key), isObject(entry) ? entry : {});
    if (found === undefined) continue;
    all.push(found);
    named.set(idOf(key), found);
  }
  // A single manifest stands at the top, until version 9.
  const importers = isObject(lock.importers) ? lock.importers : { ".": lock };
  return {
    packages: packagesOf(all),
    find({ folder, name }) {
      const version = readVersion(importers[folder === "" ? "." : folder], name);
      if (version === undefined) return undefined;
      if (version.startsWith("link:")) return ofTree;
      // An alias, or what is of no registry, stands there with its whole key in place of a version.
      return named.get(idOf(`${name}@${version}`)) ?? named.get(idOf(version));
    },
  };
}

function readEntry(
  id: string,
  { name, version, resolution, dev, optional, requiresBuild }: { readonly [field: string]: unknown },
): LockedPackage | typeof ofTree | undefined {
  if (isObject(resolution) && resolution.type === "directory") return ofTree;
  const parsed = /^((?:@[^/@]+\/)?[^/@]+)@(.+)$/.exec(id);
  // What comes from elsewhere than the registry has name and version as fields, and a place in its key.
  const locked = {
    name: typeof name === "string" ? name : parsed?.[1],
    version: typeof version === "string" ? version : parsed?.[2],
  };
  if (locked.name === undefined || locked.version === undefined) return undefined;
  return {
    name: locked.name,
    version: locked.version,
    // Version 9 says neither of these, and no version says which licence. What is optional was all marked so, unseen.
    ...(requiresBuild === true && optional !== true && { installScripts: true }),
    ...(typeof dev === "boolean" && { dev }),
  };
}

/**
 * `name@version` of a key. Version 9 writes that; version 6 a slash in front; version 5 `/name/version`. A registry of one's own comes
 * before the slash; peers follow in brackets, in version 5 after `_`.
 */
function idOf(key: string): string {
  const bare = key.replace(/\(.*$/, "");
  const old = /^[^/@]*\/((?:@[^/@]+\/)?[^/@]+)\/(\d[^/]*)$/.exec(bare);
  const id = old === null ? bare.replace(/^[^/@]*\/(?=(?:@[^/@]+\/)?[^/@]+@)/, "") : `${old[1]}@${old[2]}`;
  return id.replace(/(@\d[^/_]*)_.*$/, "$1");
}

function readVersion(importer: unknown, name: string): string | undefined {
  if (!isObject(importer)) return undefined;
  for (const field of ["dependencies", "optionalDependencies", "devDependencies"]) {
    const asked = importer[field];
    const entry = isObject(asked) ? asked[name] : undefined;
    const version = isObject(entry) ? entry.version : entry;
    if (typeof version === "string") return version;
  }
  return undefined;
}
