import { isObject } from "../../source/tree-packages.ts";
import { joinPath } from "./installed-packages.ts";
import { licenceOf, unknown } from "./licence-of.ts";

/** What a lockfile says about one package. */
export type LockedPackage = {
  readonly name: string;
  readonly version: string;
  readonly licence?: string;
  readonly dev?: boolean;
  readonly installScripts?: boolean;
  /** Where npm puts it, relative to the lockfile: `node_modules/a/node_modules/b`. */
  readonly location?: string;
  /** How Yarn is asked for it, as `name@range`; absent in the lockfiles of others. */
  readonly asked?: readonly string[];
};

export interface Lockfile {
  readonly packages: readonly LockedPackage[];
  /** Names under which it links folders of the tree itself. */
  readonly local: ReadonlySet<string>;
  /** Folders of the manifests that npm's is about, relative to it: of others it says nothing. */
  readonly workspaces?: ReadonlySet<string>;
  /** What pnpm links into the folder of each manifest, by place relative to the lockfile: `packages/a/node_modules/b`. */
  readonly links?: ReadonlyMap<string, LockedPackage>;
}

/** Lockfiles that are read, by name. */
export const lockfiles = ["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock"] as const;

/** Lockfiles that are not read: whoever has one is told. */
export const unreadLockfiles = ["bun.lock", "bun.lockb", "deno.lock"] as const;

/** The largest lockfiles of published monorepos have a few megabytes; ten times that still parses in seconds. */
export const maxLockfileBytes = 32 * 1024 * 1024;

/** Reads a lockfile. Throws an error with the reason where it is not what its name says. */
export async function readLockfile(name: string, text: string): Promise<Lockfile> {
  if (name === "pnpm-lock.yaml") return readPnpm(await parseYaml(text));
  if (name !== "yarn.lock") return readNpm(JSON.parse(text));
  return /^__metadata:/m.test(text) ? readYarnBerry(await parseYaml(text)) : readYarnClassic(text);
}

/** The last document: of two that pnpm writes the first is about pnpm itself, its version and its plugins. */
async function parseYaml(text: string): Promise<unknown> {
  const { parseAllDocuments } = await import("yaml");
  const documents = [...parseAllDocuments(text)];
  for (const { errors } of documents) for (const error of errors) throw error;
  // Without aliases: no lockfile has them, and nests of them make a small file large.
  return documents.at(-1)?.toJS({ maxAliasCount: 0 });
}

function readNpm(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not an object");
  if (isObject(lock.packages)) return readNpmPackages(lock.packages);
  const packages: LockedPackage[] = [];
  const local = new Set<string>();
  if (isObject(lock.dependencies)) readNpmTree(lock.dependencies, [], packages, local);
  return { packages, local, workspaces: new Set([""]) };
}

/** Since npm 7: one entry for each place. */
function readNpmPackages(entries: Fields): Lockfile {
  const packages: LockedPackage[] = [];
  const local = new Set<string>();
  const workspaces = new Set([""]);
  for (const [location, entry] of Object.entries(entries)) {
    const at = location.lastIndexOf("node_modules/");
    // Entries elsewhere are folders of the tree, and links lead to them.
    if (at === -1) workspaces.add(location);
    if (at === -1 || !isObject(entry)) continue;
    const installedAs = location.slice(at + "node_modules/".length);
    if (entry.link === true) local.add(installedAs);
    else if (typeof entry.version === "string") {
      const licence = licenceOf(entry);
      packages.push({
        // An alias is installed under another name than its own.
        name: typeof entry.name === "string" ? entry.name : installedAs,
        version: entry.version,
        location,
        dev: entry.dev === true,
        installScripts: entry.hasInstallScript === true,
        ...(licence !== unknown && { licence }),
      });
    }
  }
  return { packages, local, workspaces };
}

/** A tree in which each package has all of its own has a dozen levels; each level makes the places below it longer. */
const maxNpmDepth = 100;

/** Until npm 6: trees in trees. */
function readNpmTree(entries: Fields, above: readonly string[], packages: LockedPackage[], local: Set<string>): void {
  if (above.length > maxNpmDepth) throw new SyntaxError(`it is nested deeper than ${maxNpmDepth} levels`);
  for (const [installedAs, entry] of Object.entries(entries)) {
    if (!isObject(entry) || typeof entry.version !== "string") continue;
    const places = [...above, `node_modules/${installedAs}`];
    const alias = parseAlias(entry.version);
    if (isFolder(entry.version)) local.add(installedAs);
    else {
      const { name, range: version } = alias ?? { name: installedAs, range: entry.version };
      packages.push({ name, version, location: places.join("/"), dev: entry.dev === true });
    }
    if (isObject(entry.dependencies)) readNpmTree(entry.dependencies, places, packages, local);
  }
}

/**
 * Keys are `name@version`, before version 6 of the format `/name/version`, in it `/name@version`; a registry of one's own comes before the
 * slash, and peers follow in brackets or after `_`. What comes from elsewhere than a registry has name and version as fields, or a place
 * in place of the version.
 */
function readPnpm(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not a map");
  const { packages: entries = {} } = lock;
  if (entries !== null && !isObject(entries)) throw new SyntaxError("its packages are no map");
  const packages: LockedPackage[] = [];
  const folders: string[] = [];
  const named = new Map<string, LockedPackage>();
  for (const [key, entry] of Object.entries(entries ?? {})) {
    const fields = isObject(entry) ? entry : {};
    const parsed = parsePnpmKey(key);
    const name = typeof fields.name === "string" ? fields.name : parsed?.name;
    const version = typeof fields.version === "string" ? fields.version : parsed?.version;
    if (name !== undefined && isObject(fields.resolution) && fields.resolution.type === "directory") {
      folders.push(name);
      continue;
    }
    if (name === undefined || version === undefined) continue;
    const locked: LockedPackage = {
      name,
      version,
      // Since version 9 it does not say so, and before that it says so of all that is optional, unseen: then the installed package does.
      ...(fields.requiresBuild === true && fields.optional !== true && { installScripts: true }),
      ...(typeof fields.dev === "boolean" && { dev: fields.dev }),
    };
    packages.push(locked);
    named.set(key, locked);
    if (parsed !== undefined) named.set(`${name}@${parsed.version}`, locked);
  }
  const { links, local } = readPnpmImporters(lock, named);
  return { packages, links, local: new Set([...folders, ...local]) };
}

function parsePnpmKey(key: string): { name: string; version: string } | undefined {
  const found =
    /^(?:[^/@]*\/)?((?:@[^/@]+\/)?[^/@]+)@([^()]+)/.exec(key) ??
    /^[^/@]*\/((?:@[^/@]+\/)?[^/@]+)\/(\d[^/_()]*)/.exec(key);
  return found === null ? undefined : { name: found[1] as string, version: found[2] as string };
}

/** What each manifest gets out of what is named, by place, and the names of folders of the tree. */
function readPnpmImporters(
  lock: Fields,
  named: ReadonlyMap<string, LockedPackage>,
): { links: Map<string, LockedPackage>; local: Set<string> } {
  const links = new Map<string, LockedPackage>();
  const local = new Set<string>();
  // A single package stands at the top, until version 9 of the format.
  const importers = isObject(lock.importers) ? lock.importers : { ".": lock };
  for (const [importer, asks] of Object.entries(importers)) {
    if (!isObject(asks)) continue;
    const folder = importer === "." ? "" : importer;
    for (const field of ["dependencies", "devDependencies", "optionalDependencies"]) {
      const asked = asks[field];
      for (const [name, entry] of Object.entries(isObject(asked) ? asked : {})) {
        const version = isObject(entry) ? entry.version : entry;
        if (typeof version !== "string") continue;
        if (version.startsWith("link:")) local.add(name);
        const id = pnpmNames(name, version).find((each) => named.has(each));
        const found = id === undefined ? undefined : named.get(id);
        if (found !== undefined) links.set(joinPath(folder, `node_modules/${name}`), found);
      }
    }
  }
  return { links, local };
}

/** Under which names the packages may hold what a manifest asks for: its version, an alias, or the whole key of what is of no registry. */
function pnpmNames(name: string, version: string): string[] {
  if (/^\d/.test(version)) return [`${name}@${version.replace(/[(_].*$/, "")}`];
  const alias = parsePnpmKey(version);
  return [
    version,
    `${name}@${version.replace(/\(.*$/, "")}`,
    ...(alias === undefined ? [] : [`${alias.name}@${alias.version}`]),
  ];
}

function readYarnBerry(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not a map");
  const packages: LockedPackage[] = [];
  const local = new Set<string>();
  for (const [key, entry] of Object.entries(lock)) {
    if (!isObject(entry) || typeof entry.resolution !== "string" || entry.version === undefined) continue;
    const resolved = parseAsked(entry.resolution);
    if (resolved === undefined) continue;
    if (isFolder(resolved.range)) local.add(resolved.name);
    else packages.push({ name: resolved.name, version: String(entry.version), asked: key.split(/,\s*/) });
  }
  return { packages, local };
}

/** Yarn 1 has a format of its own: unindented keys, then indented fields. */
function readYarnClassic(text: string): Lockfile {
  const packages: LockedPackage[] = [];
  const local = new Set<string>();
  let asked: string[] = [];
  let isEmpty = true;
  for (const line of text.split(/\r?\n/)) {
    if (/^(<{7}|={7}|>{7})(\s|$)/.test(line)) throw new SyntaxError("it has both sides of a merge");
    if (/^[^\s#].*:$/.test(line)) {
      refuseUnversioned(asked);
      asked = [...line.slice(0, -1).matchAll(/"([^"]+)"|[^\s",]+/g)].map(([bare, quoted]) => quoted ?? bare);
    }
    isEmpty &&= /^\s*(#|$)/.test(line);
    const [, version] = /^ {2}version "?([^"\s]+)"?$/.exec(line) ?? [];
    const first = asked[0] === undefined ? undefined : parseAsked(asked[0]);
    if (version === undefined || first === undefined) continue;
    if (isFolder(first.range)) local.add(first.name);
    else packages.push({ name: parseAlias(first.range)?.name ?? first.name, version, asked });
    asked = [];
  }
  refuseUnversioned(asked);
  if (!isEmpty && packages.length + local.size === 0) throw new SyntaxError("it names no package");
  return { packages, local };
}

/** What was asked for and not answered: an entry that was cut, or written by hand. */
function refuseUnversioned([first]: readonly string[]): void {
  if (first !== undefined) throw new SyntaxError(`${first} is no package with a version`);
}

/** `@a/b@^1.0.0` as name and range. */
function parseAsked(asked: string): { name: string; range: string } | undefined {
  const found = /^((?:@[^/@\s]+\/)?[^@\s]+)@(.*)$/.exec(asked);
  return found === null ? undefined : { name: found[1] as string, range: found[2] as string };
}

/** `npm:other@^1` asks for a package under a name that is not its own; undefined where a range is no such thing. */
export function parseAlias(range: string): { name: string; range: string } | undefined {
  return range.startsWith("npm:") ? parseAsked(range.slice("npm:".length)) : undefined;
}

/** Whether a range, or what stands in a lockfile in its place, leads to a folder: by a path that is no archive, or a protocol that has only those. */
export const isFolder = (range: string): boolean =>
  /^(workspace|link|portal):/.test(range) || (/^(file:|\.{0,2}\/|~\/)/.test(range) && !isArchive(range));

/** By npm's rule; what Yarn hangs on behind the path is not looked at. */
const isArchive = (path: string): boolean => /\.(tgz|tar\.gz|tar)$/i.test(path.replace(/(#|\?|::).*$/, ""));

type Fields = { readonly [name: string]: unknown };
