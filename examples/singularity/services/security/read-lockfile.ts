import { isObject } from "../../source/tree-packages.ts";

/** What a lockfile says about one package. */
export type LockedPackage = {
  readonly name: string;
  readonly version: string;
  /** Where npm puts it, relative to the lockfile: `node_modules/a/node_modules/b`. */
  readonly location?: string;
  readonly licence?: string;
  readonly dev?: boolean;
  readonly installScripts?: boolean;
};

/** Lockfiles that are read, by name. */
export const lockfiles = ["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"] as const;

/** The largest lockfiles of published monorepos have a few megabytes; ten times that still parses in a second. */
export const maxLockfileBytes = 32 * 1024 * 1024;

/** Reads a lockfile. Throws an error with the reason where it is not what its name says. */
export async function readLockfile(name: string, text: string): Promise<LockedPackage[]> {
  if (name === "pnpm-lock.yaml") return readPnpm((await import("yaml")).parse(text, { maxAliasCount: 0 }));
  if (name === "yarn.lock") {
    return /^__metadata:/m.test(text)
      ? readYarnBerry((await import("yaml")).parse(text, { maxAliasCount: 0 }))
      : readYarnClassic(text);
  }
  return readNpm(JSON.parse(text));
}

function readNpm(lock: unknown): LockedPackage[] {
  if (!isObject(lock)) throw new SyntaxError("it is not an object");
  if (isObject(lock.packages)) return readNpmPackages(lock.packages);
  if (isObject(lock.dependencies)) return readNpmTree(lock.dependencies, "");
  return [];
}

/** Since npm 7: one entry for each place. */
function readNpmPackages(packages: { readonly [location: string]: unknown }): LockedPackage[] {
  return Object.entries(packages).flatMap(([location, entry]) => {
    const at = location.lastIndexOf("node_modules/");
    // Entries elsewhere are workspaces, and links lead to them.
    if (at === -1 || !isObject(entry) || entry.link === true || typeof entry.version !== "string") return [];
    const name = typeof entry.name === "string" ? entry.name : location.slice(at + "node_modules/".length);
    return [
      {
        name,
        version: entry.version,
        location,
        dev: entry.dev === true || entry.devOptional === true,
        installScripts: entry.hasInstallScript === true,
        ...(typeof entry.license === "string" && { licence: entry.license }),
      },
    ];
  });
}

/** Until npm 6: trees in trees. Their depth is bounded by what the JSON parser took. */
function readNpmTree(dependencies: { readonly [name: string]: unknown }, parent: string): LockedPackage[] {
  return Object.entries(dependencies).flatMap(([name, entry]) => {
    if (!isObject(entry) || typeof entry.version !== "string") return [];
    const location = `${parent}node_modules/${name}`;
    const inner = isObject(entry.dependencies) ? readNpmTree(entry.dependencies, `${location}/`) : [];
    return [{ name, version: entry.version, location, dev: entry.dev === true }, ...inner];
  });
}

/** Keys are `name@version`, before version 6 with a slash in front, in version 5 and before `/name/version`; peers follow in brackets or after `_`. */
function readPnpm(lock: unknown): LockedPackage[] {
  const packages = isObject(lock) ? lock.packages : undefined;
  if (packages === undefined || packages === null) return [];
  if (!isObject(packages)) throw new SyntaxError("its packages are no map");
  return Object.entries(packages).flatMap(([key, entry]) => {
    const found = /^\/?((?:@[^/@]+\/)?[^/@]+)[@/]([^(_]+)/.exec(key);
    if (found === null || !isObject(entry)) return [];
    return [
      {
        name: found[1] as string,
        version: found[2] as string,
        installScripts: entry.requiresBuild === true,
        ...(typeof entry.dev === "boolean" && { dev: entry.dev }),
      },
    ];
  });
}

function readYarnBerry(lock: unknown): LockedPackage[] {
  if (!isObject(lock)) throw new SyntaxError("it is not a map");
  return Object.values(lock).flatMap((entry) => {
    if (!isObject(entry) || typeof entry.resolution !== "string" || entry.version === undefined) return [];
    const found = /^((?:@[^/@]+\/)?[^/@]+)@(npm|patch):/.exec(entry.resolution);
    return found === null ? [] : [{ name: found[1] as string, version: String(entry.version) }];
  });
}

/** Yarn 1 has a format of its own: unindented keys, then indented fields. */
function readYarnClassic(text: string): LockedPackage[] {
  const found: LockedPackage[] = [];
  let name: string | undefined;
  for (const line of text.split(/\r?\n/)) {
    const key = /^"?((?:@[^/@\s"]+\/)?[^@\s"]+)@.*:$/.exec(line);
    if (key !== null) name = key[1];
    const version = /^ {2}version "?([^"\s]+)"?$/.exec(line);
    if (version === null || name === undefined) continue;
    found.push({ name, version: version[1] as string });
    name = undefined;
  }
  return found;
}
