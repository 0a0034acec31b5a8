import { isObject } from "../../source/tree-packages.ts";
import { joinPath } from "./installed-packages.ts";

/** What a lockfile says about one package. */
export type LockedPackage = {
  readonly name: string;
  readonly version: string;
  readonly licence?: string;
  readonly dev?: boolean;
  readonly installScripts?: boolean;
  /** Where npm puts it, relative to the lockfile: `node_modules/a/node_modules/b`. */
  readonly location?: string;
  /** How Yarn is asked for it, as `name@range`. */
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

/** Without aliases: no lockfile has them, and nests of them make a small file large. */
const parseYaml = async (text: string): Promise<unknown> => (await import("yaml")).parse(text, { maxAliasCount: 0 });

function readNpm(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not an object");
  if (isObject(lock.packages)) return readNpmPackages(lock.packages);
  const packages: LockedPackage[] = [];
  const local = new Set<string>();
  if (isObject(lock.dependencies)) readNpmTree(lock.dependencies, "", packages, local);
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
      packages.push({
        // An alias is installed under another name than its own.
        name: typeof entry.name === "string" ? entry.name : installedAs,
        version: entry.version,
        location,
        dev: entry.dev === true,
        installScripts: entry.hasInstallScript === true,
        ...(typeof entry.license === "string" && { licence: entry.license }),
      });
    }
  }
  return { packages, local, workspaces };
}

/** Until npm 6: trees in trees. Their depth is bounded by what the JSON parser took. */
function readNpmTree(entries: Fields, parent: string, packages: LockedPackage[], local: Set<string>): void {
  for (const [installedAs, entry] of Object.entries(entries)) {
    if (!isObject(entry) || typeof entry.version !== "string") continue;
    const location = `${parent}node_modules/${installedAs}`;
    const alias = parseAlias(entry.version);
    if (/^(file|link):/.test(entry.version) && !/\.t(ar\.)?gz$/.test(entry.version)) local.add(installedAs);
    else {
      const { name, range: version } = alias ?? { name: installedAs, range: entry.version };
      packages.push({ name, version, location, dev: entry.dev === true });
    }
    if (isObject(entry.dependencies)) readNpmTree(entry.dependencies, `${location}/`, packages, local);
  }
}

/**
 * Keys are `name@version`, before version 6 of the format `/name/version`, in it `/name@version`; peers follow in brackets or after
 * `_`. What comes from elsewhere than the registry has name and version as fields, or a place in place of the version.
 */
function readPnpm(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not a map");
  const { packages: entries = {} } = lock;
  if (entries !== null && !isObject(entries)) throw new SyntaxError("its packages are no map");
  const packages: LockedPackage[] = [];
  const named = new Map<string, LockedPackage>();
  for (const [key, entry] of Object.entries(entries ?? {})) {
    const fields = isObject(entry) ? entry : {};
    const parsed = parsePnpmKey(key);
    const name = typeof fields.name === "string" ? fields.name : parsed?.name;
    const version = typeof fields.version === "string" ? fields.version : parsed?.version;
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
  return { packages, ...readPnpmImporters(lock, named) };
}

function parsePnpmKey(key: string): { name: string; version: string } | undefined {
  const found = /^\/?((?:@[^/@]+\/)?[^/@]+)@([^()]+)/.exec(key) ?? /^\/((?:@[^/@]+\/)?[^/@]+)\/(\d[^/_()]*)/.exec(key);
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
  return [version, `${name}@${version}`, ...(alias === undefined ? [] : [`${alias.name}@${alias.version}`])];
}

function readYarnBerry(lock: unknown): Lockfile {
  if (!isObject(lock)) throw new SyntaxError("it is not a map");
  const packages: LockedPackage[] = [];
  const local = new Set<string>();
  for (const [key, entry] of Object.entries(lock)) {
    if (!isObject(entry) || typeof entry.resolution !== "string" || entry.version === undefined) continue;
    const [, name, protocol = ""] = /^((?:@[^/@]+\/)?[^/@]+)@([a-z+]+:)?/.exec(entry.resolution) ?? [];
    if (name === undefined) continue;
    if (/^(workspace|link|portal):$/.test(protocol)) local.add(name);
    else packages.push({ name, version: String(entry.version), asked: key.split(/,\s*/) });
  }
  return { packages, local };
}

/** Yarn 1 has a format of its own: unindented keys, then indented fields. */
function readYarnClassic(text: string): Lockfile {
  const packages: LockedPackage[] = [];
  let asked: string[] | undefined;
  for (const line of text.split(/\r?\n/)) {
    if (/^\S.*:$/.test(line) && !line.startsWith("#")) {
      asked = line
        .slice(0, -1)
        .split(/,\s*/)
        .map((each) => each.replace(/^"|"$/g, ""));
    }
    const [, version] = /^ {2}version "?([^"\s]+)"?$/.exec(line) ?? [];
    const first = asked?.[0] === undefined ? undefined : parseAsked(asked[0]);
    if (version === undefined || asked === undefined || first === undefined) continue;
    packages.push({ name: parseAlias(first.range)?.name ?? first.name, version, asked });
    asked = undefined;
  }
  return { packages, local: new Set() };
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

type Fields = { readonly [name: string]: unknown };
