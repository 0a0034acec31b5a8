import { readFile } from "node:fs/promises";
import { byText } from "../../source/by-text.ts";
import type { Finding } from "../../source/finding.ts";
import { readText } from "../../source/read-text.ts";
import type { SourceTree } from "../../source/read-tree.ts";
import type { Task } from "../../source/task.ts";
import { isObject, readPackages, type TreePackage } from "../../source/tree-packages.ts";
import { type Dependency, hasInstallScripts, licenceOf, unknown } from "./dependency.ts";
import { type LockedPackage, lockfiles, maxLockfileBytes, readLockfile } from "./read-lockfile.ts";

const fields = ["dependencies", "optionalDependencies", "peerDependencies", "devDependencies"] as const;

/**
 * What a tree depends on: by its lockfiles; what no lockfile names, by its manifests. Versions and licences come from the
 * lockfile and from the packages as they are installed beside it, and are `unknown` where neither says them.
 */
export async function readDependencies(
  tree: SourceTree,
  task: Task,
): Promise<{ dependencies: Dependency[]; findings: Finding[] }> {
  const { packages, findings } = await readPackages(tree);
  const own = new Set(packages.map((each) => each.name));
  const declared = declaredIn(packages, own);
  const found = new Map<string, Dependency>();
  const lockedNames = new Set<string>();

  for (const file of tree.files) {
    const name = file.path.slice(file.path.lastIndexOf("/") + 1);
    if (!lockfiles.some((each) => each === name)) continue;
    const folder = file.path.slice(0, -name.length);
    const locked = await readLocked(tree, file, name, findings);
    for (const [index, each] of locked.entries()) {
      task.signal.throwIfAborted();
      if (index % 200 === 0) {
        task.progress(Math.floor((index / locked.length) * 95), `Reading licences: ${index} of ${locked.length}`);
      }
      if (own.has(each.name)) continue;
      lockedNames.add(each.name);
      const installed = await readInstalled(tree, `${folder}${each.location ?? `node_modules/${each.name}`}`);
      // Without a location it may be another version that lies there, and its licence is not this one's.
      const manifest = installed?.version === each.version ? installed : undefined;
      keep(found, fromLock(each, manifest, declared.get(each.name)));
    }
  }

  for (const [name, { range, dev, folder }] of declared) {
    if (lockedNames.has(name)) continue;
    const manifest = await readInstalledAbove(tree, folder, name);
    const version = manifest?.version;
    keep(found, {
      name,
      version: typeof version === "string" ? version : unknown,
      licence: manifest === undefined ? unknown : licenceOf(manifest),
      from: manifest === undefined ? "manifest" : "installed",
      direct: true,
      dev,
      range,
      ...(manifest !== undefined && { installScripts: hasInstallScripts(manifest) }),
    });
  }
  const dependencies = [...found.values()].sort((a, b) => byText(a.name, b.name) || byText(a.version, b.version));
  return { dependencies, findings };
}

interface Declared {
  readonly range: string;
  readonly dev: boolean;
  readonly folder: string;
}

/** What the manifests ask for. A package of the tree itself is no dependency, and what runs counts before what only builds. */
function declaredIn(packages: readonly TreePackage[], own: ReadonlySet<string | undefined>): Map<string, Declared> {
  const declared = new Map<string, Declared>();
  for (const field of fields) {
    for (const { manifest, folder } of packages) {
      const names = manifest[field];
      if (!isObject(names)) continue;
      for (const [name, range] of Object.entries(names)) {
        if (own.has(name) || declared.has(name) || typeof range !== "string") continue;
        declared.set(name, { range, dev: field === "devDependencies", folder });
      }
    }
  }
  return declared;
}

async function readLocked(
  tree: SourceTree,
  file: SourceTree["files"][number],
  name: string,
  findings: Finding[],
): Promise<LockedPackage[]> {
  const read = await readText(tree, file, maxLockfileBytes);
  if (!read.ok) {
    findings.push({ kind: "lockfile.unreadable", file: file.path, message: `It cannot be read: ${read.reason}.` });
    return [];
  }
  try {
    return await readLockfile(name, read.text);
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : "it is not what its name says";
    findings.push({ kind: "lockfile.invalid", file: file.path, message: `It cannot be used: ${reason}.` });
    return [];
  }
}

function fromLock(
  locked: LockedPackage,
  manifest: { readonly [field: string]: unknown } | undefined,
  declared: Declared | undefined,
): Dependency {
  const installScripts = locked.installScripts ?? (manifest === undefined ? undefined : hasInstallScripts(manifest));
  const inManifest = manifest === undefined ? unknown : licenceOf(manifest);
  return {
    name: locked.name,
    version: locked.version,
    licence: inManifest === unknown ? (locked.licence ?? unknown) : inManifest,
    from: "lockfile",
    direct: declared !== undefined,
    ...(locked.dev !== undefined && { dev: locked.dev }),
    ...(declared !== undefined && { range: declared.range }),
    ...(installScripts !== undefined && { installScripts }),
  };
}

/** One entry for each name and version, however often it lies in the tree; the one that knows a licence stays. */
function keep(found: Map<string, Dependency>, dependency: Dependency): void {
  const key = `${dependency.name}@${dependency.version}`;
  const known = found.get(key);
  if (known === undefined || (known.licence === unknown && dependency.licence !== unknown)) found.set(key, dependency);
}

/** As Node looks for a package: in the folder's own `node_modules`, then in those above it, up to the tree's root. */
async function readInstalledAbove(
  tree: SourceTree,
  folder: string,
  name: string,
): Promise<{ readonly [field: string]: unknown } | undefined> {
  for (let at = folder; ; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
    const manifest = await readInstalled(tree, at === "" ? `node_modules/${name}` : `${at}/node_modules/${name}`);
    if (manifest !== undefined || at === "") return manifest;
  }
}

async function readInstalled(
  tree: SourceTree,
  location: string,
): Promise<{ readonly [field: string]: unknown } | undefined> {
  // Names come out of files that anybody may have written: they must not lead out of the tree.
  if (location.split("/").includes("..")) return undefined;
  try {
    const manifest: unknown = JSON.parse(await readFile(`${tree.root}/${location}/package.json`, "utf8"));
    return isObject(manifest) ? manifest : undefined;
  } catch {
    // Not installed, or so broken that it says nothing: either way its licence stays unknown.
    return undefined;
  }
}
