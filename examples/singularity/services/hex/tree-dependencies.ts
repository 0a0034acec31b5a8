import { byText } from "../../source/by-text.ts";
import type { Finding } from "../../source/finding.ts";
import { readText } from "../../source/read-text.ts";
import type { SourceTree } from "../../source/read-tree.ts";
import type { Task } from "../../source/task.ts";
import { isObject, readPackages, type TreePackage } from "../../source/tree-packages.ts";
import { type InstalledPackage, type InstalledPackages, joinPath, readInstalled } from "./installed-packages.ts";
import { unknown } from "./licence-of.ts";
import {
  isFolder,
  type LockedPackage,
  type Lockfile,
  lockfiles,
  maxLockfileBytes,
  parseAlias,
  readLockfile,
  unreadLockfiles,
} from "./read-lockfile.ts";

/** One package that a tree depends on. */
export type Dependency = {
  readonly name: string;
  /** As locked or installed; `unknown` where neither says it. */
  readonly version: string;
  /** As the installed package or the lockfile names it; `unknown` where neither does. */
  readonly licence: string;
  /** Who named the licence; absent where nobody did. */
  readonly licenceFrom?: "installed" | "lockfile";
  /** Where name and version are from. */
  readonly from: "lockfile" | "installed" | "manifest";
  /** A manifest of the tree asks for this very one; otherwise it came along with another. */
  readonly direct: boolean;
  /** What the manifest asks for, where one does. */
  readonly range?: string;
  /** Only for work on the tree, not for running it; absent where nobody says. */
  readonly dev?: boolean;
  /** Whether it runs code on installation; absent where nobody says. */
  readonly installScripts?: boolean;
  /** Whether this version of it is installed beside the tree. */
  readonly installed: boolean;
};

/** What a manifest asks for. */
interface Declared {
  /** Under which name it is installed. */
  readonly key: string;
  /** Its own name: an alias has another. */
  readonly name: string;
  readonly range: string;
  /** In which range other fields of the manifest ask for the same: of a peer, what it is worked with. */
  readonly otherRanges: readonly string[];
  readonly dev: boolean;
  /** It may be absent. */
  readonly optional: boolean;
  readonly folder: string;
}

/** A folder with lockfiles, or the whole tree for what has none, and the manifests that its lockfiles are about. */
interface Scope {
  readonly folder: string;
  readonly lockfiles: Lockfile[];
  readonly declared: Declared[];
  /** What Yarn is told to take, by the name or `name@range` that is asked for. */
  readonly resolutions: Map<string, string>;
}

/**
 * What a tree depends on: by its lockfiles; what no lockfile names, by its manifests. Versions are what is locked, else what is
 * installed; licences what is installed, else what is locked.
 */
export async function readTreeDependencies(
  tree: SourceTree,
  task: Task,
): Promise<{ dependencies: Dependency[]; findings: Finding[] }> {
  const { packages, findings } = await readPackages(tree);
  const scopes = await readScopes(tree, packages, findings);
  task.progress(20, "Reading what is installed");
  const folders = new Set([...packages.map((each) => each.folder), ...scopes.map((each) => each.folder)]);
  const installed = await readInstalled(tree.root, folders, task.signal, findings);
  task.progress(80, `${installed.size} installed packages read`);
  const byId = new Map<string, InstalledPackage>();
  for (const each of installed.values()) byId.set(`${each.name}@${each.version}`, each);

  const { default: semver } = await import("semver");
  const found = new Map<string, Dependency>();
  for (const scope of scopes) {
    for (const lockfile of scope.lockfiles) {
      const asks = matchDeclared(scope, lockfile);
      for (const locked of lockfile.packages) {
        const there = findInstalled(scope, locked, installed, byId, findings);
        keep(found, fromLock(locked, asks.get(locked), there));
      }
    }
    for (const declared of scope.declared) {
      if (isCovered(scope, declared) || isFolder(declared.range)) continue;
      const there = lookUp(installed, declared.folder, declared.key);
      // Where a link leads is not looked at: it may be a folder of the tree.
      const mayBeOwn = there === undefined || there.isLink;
      const isOwn = mayBeOwn && packages.some((each) => isMeant(semver, each, declared));
      if (isOwn || (declared.optional && there === undefined)) continue;
      keep(found, fromManifest(declared, there));
    }
  }
  const dependencies = [...found.values()].sort((a, b) => byText(a.name, b.name) || byText(a.version, b.version));
  return { dependencies, findings };
}

async function readScopes(tree: SourceTree, packages: readonly TreePackage[], findings: Finding[]): Promise<Scope[]> {
  const scopes = new Map<string, Scope>();
  for (const file of tree.files) {
    const name = file.path.slice(file.path.lastIndexOf("/") + 1);
    if (unreadLockfiles.some((each) => each === name)) {
      const message =
        "Lockfiles of this kind are not read: what it names is known by manifests and installation alone.";
      findings.push({ kind: "lockfile.not_read", file: file.path, message });
    }
    if (!lockfiles.some((each) => each === name)) continue;
    const lockfile = await readLocked(tree, file, name, findings);
    if (lockfile === undefined) continue;
    const folder = file.path.slice(0, -name.length).replace(/\/$/, "");
    const scope: Scope = scopes.get(folder) ?? { folder, lockfiles: [], declared: [], resolutions: new Map() };
    scope.lockfiles.push(lockfile);
    scopes.set(folder, scope);
  }
  const rest: Scope = { folder: "", lockfiles: [], declared: [], resolutions: new Map() };
  for (const each of packages) {
    const scope = findScope(scopes, each.folder) ?? rest;
    scope.declared.push(...listDeclared(each));
    if (each.folder === scope.folder) takeResolutions(each.manifest, scope.resolutions);
  }
  return [...scopes.values(), ...(rest.declared.length > 0 ? [rest] : [])];
}

/** The nearest lockfile at or above a manifest is the one that it is locked by. */
function findScope(scopes: ReadonlyMap<string, Scope>, folder: string): Scope | undefined {
  for (let at = folder; ; at = parentOf(at)) {
    const scope = scopes.get(at);
    if (scope !== undefined || at === "") return scope;
  }
}

/** A folder as seen from one that is it or lies above it. */
const relativeTo = (above: string, folder: string): string =>
  above === "" ? folder : folder.slice(above.length + "/".length);

const parentOf = (folder: string): string => folder.slice(0, Math.max(0, folder.lastIndexOf("/")));

async function readLocked(
  tree: SourceTree,
  file: SourceTree["files"][number],
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

/** In this order: what runs counts before what only builds. */
const fields = ["dependencies", "optionalDependencies", "peerDependencies", "devDependencies"] as const;

function listDeclared({ manifest, folder }: TreePackage): Declared[] {
  const { peerDependenciesMeta } = manifest;
  const declared = new Map<string, Declared>();
  for (const field of fields) {
    const names = manifest[field];
    if (!isObject(names)) continue;
    for (const [key, range] of Object.entries(names)) {
      if (typeof range !== "string") continue;
      const first = declared.get(key);
      // A peer that may be absent gives way: another field asks for it in earnest.
      if (first?.optional === false) {
        declared.set(key, { ...first, otherRanges: [...first.otherRanges, range] });
        continue;
      }
      const about = isObject(peerDependenciesMeta) ? peerDependenciesMeta[key] : undefined;
      const optional = field === "peerDependencies" && isObject(about) && about.optional === true;
      const dev = field === "devDependencies";
      const name = parseAlias(range)?.name ?? key;
      declared.set(key, { key, name, range, otherRanges: [], dev, optional, folder });
    }
  }
  return [...declared.values()];
}

/** Those that are about what manifests ask for, and not about what one package asks for. */
function takeResolutions({ resolutions }: TreePackage["manifest"], taken: Map<string, string>): void {
  for (const [pattern, range] of Object.entries(isObject(resolutions) ? resolutions : {})) {
    const [, name, of] = /^(?:\*\*\/)?((?:@[^/@]+\/)?[^/@]+)(?:@(?:npm:)?(.+))?$/.exec(pattern) ?? [];
    if (name !== undefined && typeof range === "string") taken.set(of === undefined ? name : `${name}@${of}`, range);
  }
}

/** Which locked package each manifest gets, as far as the lockfile says; what runs the tree before what builds it. */
function matchDeclared(
  { folder, declared, resolutions }: Scope,
  { packages, workspaces, links }: Lockfile,
): Map<LockedPackage, Declared> {
  const byPlace = new Map<string, LockedPackage>();
  const byAsked = new Map<string, LockedPackage>();
  const byName = new Map<string, LockedPackage[]>();
  for (const each of packages) {
    if (each.location !== undefined) byPlace.set(each.location, each);
    // A path is asked for from somewhere, which Yarn writes behind it.
    for (const asked of each.asked ?? []) byAsked.set(asked.replace(/::locator=.*$/, ""), each);
    if (each.asked === undefined) continue;
    const named = byName.get(each.name) ?? [];
    named.push(each);
    byName.set(each.name, named);
  }
  const matched = new Map<LockedPackage, Declared>();
  for (const each of [...declared].sort((a, b) => Number(a.dev) - Number(b.dev))) {
    const from = relativeTo(folder, each.folder);
    const found =
      (workspaces?.has(from) ? lookUp(byPlace, from, each.key) : undefined) ??
      links?.get(joinPath(from, `node_modules/${each.key}`)) ??
      [each.range, ...each.otherRanges].map((range) => findAsked(each.key, range)).find((one) => one !== undefined);
    if (found !== undefined && !matched.has(found)) matched.set(found, each);
  }
  return matched;

  function findAsked(key: string, declaredRange: string): LockedPackage | undefined {
    const range = resolutions.get(`${key}@${declaredRange}`) ?? resolutions.get(key) ?? declaredRange;
    const asked = byAsked.get(`${key}@${range}`) ?? byAsked.get(`${key}@npm:${range}`);
    if (asked !== undefined || !range.startsWith("catalog:")) return asked;
    // A catalog has the range, which Yarn keeps elsewhere: where there is one version, it is that one.
    const [only, ...others] = byName.get(key) ?? [];
    return others.length === 0 ? only : undefined;
  }
}

/** As Node looks for a package: in the folder's own `node_modules`, then in those above it, up to the root of the places. */
function lookUp<T>(places: ReadonlyMap<string, T>, folder: string, key: string): T | undefined {
  for (let at = folder; ; at = parentOf(at)) {
    const found = places.get(joinPath(at, `node_modules/${key}`));
    if (found !== undefined || at === "") return found;
  }
}

/** A lockfile of the scope names it, as a package or as a folder of the tree. */
const isCovered = ({ lockfiles: all }: Scope, { key, name }: Declared): boolean =>
  all.some(({ packages, local }) => local.has(key) || packages.some((each) => each.name === name));

/**
 * Whether a manifest may mean this package of the tree. Package managers link one whose version fits; a fixture has the name of a
 * dependency and often no version.
 */
function isMeant(
  semver: typeof import("semver"),
  { name, folder, manifest: { version } }: TreePackage,
  asked: Declared,
): boolean {
  if (name !== asked.key || folder === asked.folder) return false;
  if (typeof version !== "string") return asked.range === "*" || asked.range === "";
  return semver.satisfies(version, asked.range, { loose: true, includePrerelease: true });
}

/** What is installed of a locked package, at its place or anywhere. Another version at its place is a finding. */
function findInstalled(
  { folder }: Scope,
  { name, version, location }: LockedPackage,
  installed: InstalledPackages,
  byId: ReadonlyMap<string, InstalledPackage>,
  findings: Finding[],
): InstalledPackage | undefined {
  const place = location === undefined ? undefined : joinPath(folder, location);
  const there = place === undefined ? undefined : installed.get(place);
  // What comes from elsewhere than the registry is locked by its place, not by its version.
  if (there?.version === version || /[:/]/.test(version)) return there;
  if (there !== undefined && place !== undefined) {
    const message = `${name} is locked at ${version}, and ${there.version} is installed.`;
    findings.push({ kind: "dependencies.out_of_step", file: place, message });
  }
  return byId.get(`${name}@${version}`);
}

function fromLock(
  locked: LockedPackage,
  declared: Declared | undefined,
  there: InstalledPackage | undefined,
): Dependency {
  // Where the lockfile is silent only one side is sure: what runs may need what a manifest has for work, too.
  const dev = locked.dev ?? (declared?.dev === false ? false : undefined);
  const installScripts = locked.installScripts ?? there?.installScripts;
  return {
    name: locked.name,
    version: locked.version,
    ...nameLicence(there?.licence, locked.licence),
    from: "lockfile",
    direct: declared !== undefined,
    ...(declared !== undefined && { range: declared.range }),
    ...(dev !== undefined && { dev }),
    ...(installScripts !== undefined && { installScripts }),
    installed: there !== undefined,
  };
}

const fromManifest = ({ name, range, dev }: Declared, there: InstalledPackage | undefined): Dependency => ({
  name,
  version: there?.version ?? unknown,
  ...nameLicence(there?.licence, undefined),
  from: there === undefined ? "manifest" : "installed",
  direct: true,
  range,
  dev,
  ...(there !== undefined && { installScripts: there.installScripts }),
  installed: there !== undefined,
});

function nameLicence(
  installed: string | undefined,
  locked: string | undefined,
): Pick<Dependency, "licence" | "licenceFrom"> {
  if (installed !== undefined && installed !== unknown) return { licence: installed, licenceFrom: "installed" };
  return locked === undefined ? { licence: unknown } : { licence: locked, licenceFrom: "lockfile" };
}

/** One entry for each name and version, however often it lies in the tree: direct where any is, for work alone where all are. */
function keep(found: Map<string, Dependency>, dependency: Dependency): void {
  const key = `${dependency.name}@${dependency.version}`;
  const known = found.get(key);
  if (known === undefined) {
    found.set(key, dependency);
    return;
  }
  const [{ dev: _, ...better }, other] = known.licence === unknown ? [dependency, known] : [known, dependency];
  const range = better.range ?? other.range;
  const installScripts = better.installScripts ?? other.installScripts;
  const dev = mergeDev(known.dev, dependency.dev);
  found.set(key, {
    ...better,
    direct: better.direct || other.direct,
    installed: better.installed || other.installed,
    ...(range !== undefined && { range }),
    ...(installScripts !== undefined && { installScripts }),
    ...(dev !== undefined && { dev }),
  });
}

/** For running where either is, for work alone where both are; undefined where that stays open. */
function mergeDev(one: boolean | undefined, other: boolean | undefined): boolean | undefined {
  if (one === false || other === false) return false;
  return one === other ? one : undefined;
}
