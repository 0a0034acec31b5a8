import { byText } from "../../source/by-text.ts";
import type { Finding } from "../../source/finding.ts";
import { readText } from "../../source/read-text.ts";
import type { SourceFile, SourceTree } from "../../source/read-tree.ts";
import type { Task } from "../../source/task.ts";
import { isObject, readPackages, type TreePackage } from "../../source/tree-packages.ts";
import { type Dependency, unknown } from "./dependency.ts";
import { findAbove, joinPath, parentOf } from "./find-above.ts";
import { type InstalledPackage, type InstalledPackages, readInstalledPackages } from "./installed-packages.ts";
import { type LockedPackage, type Lockfile, ofTree } from "./lockfile.ts";
import { parseTarget } from "./parse-target.ts";
import { lockfiles, maxLockfileBytes, readLockfile } from "./read-lockfile.ts";

/**
 * What a tree depends on: by its lockfiles; what no lockfile names, by its manifests. Versions and licences come from the
 * lockfile and from the packages as they are installed beside it, and are `unknown` where neither says them.
 */
export async function readDependencies(
  tree: SourceTree,
  task: Task,
): Promise<{ dependencies: Dependency[]; findings: Finding[] }> {
  const { packages, findings } = await readPackages(tree);
  const locks = await readLocks(tree, findings);
  const declared = listDeclared(packages);
  task.progress(20, "Reading what is installed");
  const folders = new Set([...packages.map((each) => each.folder), ...locks.keys()]);
  const installed = await readInstalledPackages(tree.root, folders, task.signal, findings);

  const { asked, unlocked } = matchLocked(locks, declared);
  const found = new Map<string, Dependency>();
  for (const [folder, lockfilesThere] of locks) {
    for (const locked of lockfilesThere.flatMap((each) => each.packages)) {
      keep(found, fromLock(locked, asked.get(locked), findInstalled(installed, folder, locked)));
    }
  }
  const { default: semver } = await import("semver");
  for (const each of unlocked) {
    const there = findAbove(installed.places, each.folder, each.key);
    // Where a link leads is not looked at: it may be a folder of the tree.
    const mayBeOfTree = there === undefined || there.isLink;
    if (mayBeOfTree && packages.some((other) => isMeant(semver, other, each))) continue;
    if (each.field === "optional peers" && there === undefined) continue;
    keep(found, fromManifest(each, there));
  }
  const dependencies = [...found.values()].sort((a, b) => byText(a.name, b.name) || byText(a.version, b.version));
  return { dependencies, findings };
}

/** The lockfiles of the tree by their folders. */
async function readLocks(tree: SourceTree, findings: Finding[]): Promise<Map<string, Lockfile[]>> {
  const locks = new Map<string, Lockfile[]>();
  for (const file of tree.files) {
    const folder = parentOf(file.path);
    const name = lockfiles.find((each) => file.path === joinPath(folder, each));
    const lockfile = name === undefined ? undefined : await readLock(tree, file, name, findings);
    if (lockfile !== undefined) locks.set(folder, [...(locks.get(folder) ?? []), lockfile]);
  }
  return locks;
}

async function readLock(
  tree: SourceTree,
  file: SourceFile,
  name: string,
  findings: Finding[],
): Promise<Lockfile | undefined> {
  const read = await readText(tree, file, maxLockfileBytes);
  if (!read.ok) {
    findings.push({ kind: "lockfile.unreadable", file: file.path, message: `It cannot be read: ${read.reason}.` });
    return undefined;
  }
  try {
    return await readLockfile(name, read.text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : "it is not what its name says";
    findings.push({ kind: "lockfile.invalid", file: file.path, message: `It cannot be used: ${reason}.` });
    return undefined;
  }
}

/**
 * The fields of a manifest, in this order: what runs counts before what only builds, and a peer that may be absent is the last, since
 * another field may ask for it in earnest.
 */
const fields = [
  "dependencies",
  "optionalDependencies",
  "peerDependencies",
  "devDependencies",
  "optional peers",
] as const;

/** What a manifest asks for. */
interface Declared {
  readonly field: (typeof fields)[number];
  /** The manifest's. */
  readonly folder: string;
  /** The name that it is installed under. */
  readonly key: string;
  /** Its own name: an alias has another. */
  readonly name: string;
  readonly range: string;
}

/** What the manifests ask for, each name of each once; folders of the tree are left out where a range says so. */
function listDeclared(packages: readonly TreePackage[]): Declared[] {
  const declared = new Map<string, Declared>();
  for (const field of fields) {
    for (const { manifest, folder } of packages) {
      for (const [key, range] of Object.entries(readField(manifest, field))) {
        const place = joinPath(folder, `node_modules/${key}`);
        if (typeof range !== "string" || declared.has(place)) continue;
        const target = parseTarget(key, range);
        if (target !== ofTree) declared.set(place, { field, folder, key, name: target.name, range });
      }
    }
  }
  return [...declared.values()];
}

function readField(manifest: TreePackage["manifest"], field: Declared["field"]): { readonly [name: string]: unknown } {
  const isPeer = field === "peerDependencies" || field === "optional peers";
  const names = manifest[isPeer ? "peerDependencies" : field];
  if (!isObject(names)) return {};
  if (!isPeer) return names;
  const meta = isObject(manifest.peerDependenciesMeta) ? manifest.peerDependenciesMeta : {};
  const isOptional = (name: string) => isObject(meta[name]) && meta[name].optional === true;
  return Object.fromEntries(
    Object.entries(names).filter(([name]) => isOptional(name) === (field === "optional peers")),
  );
}

/** Which locked package is the one that a manifest asks for, and what is asked for and not locked. */
function matchLocked(
  locks: ReadonlyMap<string, readonly Lockfile[]>,
  declared: readonly Declared[],
): { asked: Map<LockedPackage, Declared>; unlocked: Declared[] } {
  const asked = new Map<LockedPackage, Declared>();
  const unlocked: Declared[] = [];
  for (const each of declared) {
    const at = findLockFolder(locks, each.folder);
    let isLocked = false;
    for (const lockfile of at === undefined ? [] : (locks.get(at) ?? [])) {
      const folder = at === "" ? each.folder : each.folder.slice(`${at}/`.length);
      const found = lockfile.find({ folder, name: each.key, range: each.range });
      if (found !== undefined && found !== ofTree && !asked.has(found)) asked.set(found, each);
      // Where it does not say which one, the name is in the list already: a further entry without a version would tell nothing.
      isLocked ||= found !== undefined || lockfile.packages.some(({ name }) => name === each.name);
    }
    if (!isLocked) unlocked.push(each);
  }
  return { asked, unlocked };
}

/** The nearest lockfile at or above a manifest is the one that it is locked by. */
function findLockFolder(locks: ReadonlyMap<string, unknown>, folder: string): string | undefined {
  for (let at = folder; ; at = parentOf(at)) {
    if (locks.has(at)) return at;
    if (at === "") return undefined;
  }
}

/** Loaded where it is needed, so that nobody else waits for it. */
type Semver = typeof import("semver");

/**
 * Whether a manifest may mean another package of the tree. Package managers link it where its version is one that is asked for; a fixture
 * that only has the name of a dependency is not meant.
 */
function isMeant(semver: Semver, { name, folder, manifest }: TreePackage, asked: Declared): boolean {
  if (name !== asked.key || folder === asked.folder) return false;
  const { version } = manifest;
  if (typeof version !== "string") return asked.range === "*" || asked.range === "";
  return semver.satisfies(version, asked.range, { loose: true, includePrerelease: true });
}

/** What is installed of a locked package, at its place or anywhere. */
function findInstalled(
  { places, ids }: InstalledPackages,
  folder: string,
  { name, version, location }: LockedPackage,
): InstalledPackage | undefined {
  const there = location === undefined ? undefined : places.get(joinPath(folder, location));
  // What comes from elsewhere than the registry is locked by its address; another version has a licence of its own.
  if (there !== undefined && (there.version === version || /[:/]/.test(version))) return there;
  return ids.get(`${name}@${version}`);
}

function fromLock(locked: LockedPackage, asked: Declared | undefined, there: InstalledPackage | undefined): Dependency {
  // Where the lockfile does not say it, only one side is sure: what runs may need what a manifest has for work as well.
  const dev = locked.dev ?? (asked === undefined || isDev(asked) ? undefined : false);
  const installScripts = locked.installScripts ?? there?.installScripts;
  return {
    name: locked.name,
    version: locked.version,
    licence: there === undefined || there.licence === unknown ? (locked.licence ?? unknown) : there.licence,
    from: "lockfile",
    direct: asked !== undefined,
    ...(dev !== undefined && { dev }),
    ...(asked !== undefined && { range: asked.range }),
    ...(installScripts !== undefined && { installScripts }),
  };
}

const fromManifest = (asked: Declared, there: InstalledPackage | undefined): Dependency => ({
  name: asked.name,
  version: there?.version ?? unknown,
  licence: there?.licence ?? unknown,
  from: there === undefined ? "manifest" : "installed",
  direct: true,
  dev: isDev(asked),
  range: asked.range,
  ...(there !== undefined && { installScripts: there.installScripts }),
});

const isDev = ({ field }: Declared): boolean => field === "devDependencies";

/** One entry for each name and version, however often it lies in the tree. */
function keep(found: Map<string, Dependency>, dependency: Dependency): void {
  const key = `${dependency.name}@${dependency.version}`;
  const known = found.get(key);
  found.set(key, known === undefined ? dependency : merge(known, dependency));
}

/** Direct where either is, for work alone where both are, and as the one that knows the licence. */
function merge(known: Dependency, next: Dependency): Dependency {
  const [better, other] = known.licence === unknown ? [next, known] : [known, next];
  const { dev: _, range = other.range, installScripts = other.installScripts, ...rest } = better;
  const dev = known.dev === next.dev ? known.dev : known.dev === false || next.dev === false ? false : undefined;
  return {
    ...rest,
    direct: known.direct || next.direct,
    ...(dev !== undefined && { dev }),
    ...(range !== undefined && { range }),
    ...(installScripts !== undefined && { installScripts }),
  };
}
