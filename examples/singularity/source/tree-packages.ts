import type { Finding } from "./finding.ts";
import { readText } from "./read-text.ts";
import type { SourceTree } from "./read-tree.ts";

/** A package whose manifest lies in the tree. */
export interface TreePackage {
  /** Its folder relative to the root; empty for the root's own. */
  readonly folder: string;
  readonly name: string | undefined;
  readonly manifest: { readonly [field: string]: unknown };
  /** The manifest as it was written. */
  readonly text: string;
}

/** Reads every `package.json` of the tree. One that is no JSON object is a finding. */
export async function readPackages(
  tree: SourceTree,
): Promise<{ readonly packages: TreePackage[]; readonly findings: Finding[] }> {
  const packages: TreePackage[] = [];
  const findings: Finding[] = [];
  for (const file of tree.files) {
    if (file.path !== "package.json" && !file.path.endsWith("/package.json")) continue;
    const read = await readText(tree, file);
    if (!read.ok) continue;
    try {
      const manifest: unknown = JSON.parse(read.text);
      if (!isObject(manifest)) throw new SyntaxError("it is not an object");
      const name = typeof manifest.name === "string" && manifest.name !== "" ? manifest.name : undefined;
      packages.push({ folder: file.path.slice(0, -"/package.json".length), name, manifest, text: read.text });
    } catch (error) {
      const reason = error instanceof Error ? error.message : "it is not JSON";
      findings.push({ kind: "manifest.invalid", file: file.path, message: `The manifest cannot be used: ${reason}.` });
    }
  }
  return { packages, findings };
}

export const isObject = (value: unknown): value is { readonly [key: string]: unknown } =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** First parts of a path that a build makes; the source of `dist/esm/index.js` is `index.ts` in the folder itself or in `src`. */
const outputParts = new Set([
  "dist",
  "build",
  "out",
  "lib",
  "es",
  "esm",
  "esm5",
  "cjs",
  "mjs",
  "umd",
  "types",
  "typings",
  "dts",
  "node",
  "browser",
  "output",
]);

/**
 * The source files of the tree that a package offers under a subpath (`.`, `./testing`), whatever the condition. A target that
 * a build would make is led back to its source by its name, where that leads to a file that exists; else it stays out.
 */
export function findEntries(tree: TreePackage, subpath: string, paths: ReadonlySet<string>): string[] {
  const found = listTargets(tree.manifest, subpath)
    .map((target) => findSource(tree.folder, target, paths))
    .filter((each) => each !== undefined);
  return [...new Set(found)];
}

/** All that a package offers to others or has started by its name: exports, main, bin and the like, with the ones that lead to no source. */
export function findAllEntries(
  each: TreePackage,
  paths: ReadonlySet<string>,
): { readonly entries: string[]; readonly unmapped: string[] } {
  const entries = new Set<string>();
  const unmapped: string[] = [];
  const targets = listAllTargets(each.manifest);
  if (targets.length === 0) {
    // Then Node takes index.js, where there is one.
    const source = findSource(each.folder, "./index.js", paths);
    return { entries: source === undefined ? [] : [source], unmapped };
  }
  for (const target of targets) {
    if (target.includes("*")) {
      for (const path of expandPattern(each.folder, target, paths)) entries.add(path);
      continue;
    }
    const source = findSource(each.folder, target, paths);
    if (source !== undefined) entries.add(source);
    else if (/\.[cm]?[jt]sx?$/.test(target) && !/\.d\.[cm]?ts$/.test(target)) unmapped.push(target);
  }
  return { entries: [...entries], unmapped };
}

function listAllTargets(manifest: TreePackage["manifest"]): string[] {
  const fields = ["exports", "main", "module", "browser", "types", "typings", "source", "bin", "jsnext:main", "es2015"];
  return [...new Set(fields.flatMap((field) => leaves(manifest[field])))];
}

function listTargets(manifest: TreePackage["manifest"], subpath: string): string[] {
  const { exports } = manifest;
  if (isObject(exports) && Object.keys(exports).some((key) => key.startsWith("."))) {
    if (Object.hasOwn(exports, subpath)) return leaves(exports[subpath]);
    return Object.entries(exports).flatMap(([key, target]) => {
      const [head, tail] = key.split("*");
      if (head === undefined || tail === undefined || !subpath.startsWith(head) || !subpath.endsWith(tail)) return [];
      const star = subpath.slice(head.length, subpath.length - tail.length);
      return leaves(target).map((each) => each.replaceAll("*", star));
    });
  }
  if (subpath !== ".") return exports === undefined ? [subpath] : [];
  if (exports !== undefined) return leaves(exports);
  const targets = ["source", "types", "typings", "module", "main"].flatMap((field) => leaves(manifest[field]));
  return [...targets, "./index.js"];
}

/** Every string in a nest of conditions. */
function leaves(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(leaves);
  return isObject(value) ? Object.values(value).flatMap(leaves) : [];
}

const scriptExtensions = [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".d.ts"];

function findSource(folder: string, target: string, paths: ReadonlySet<string>): string | undefined {
  const parts = target.split("/").filter((part) => part !== "." && part !== "");
  // Folders that only stand for a subpath have manifests that lead out of them, but never out of the tree.
  if (parts[0] === "..") {
    if (folder === "") return undefined;
    const parent = folder.slice(0, Math.max(0, folder.lastIndexOf("/")));
    return findSource(parent, parts.slice(1).join("/"), paths);
  }
  const written = findScript(joinPath(folder, parts.join("/")), paths);
  if (written !== undefined) return written;
  while (parts.length > 1 && outputParts.has(parts[0] as string)) {
    parts.shift();
    for (const base of ["src", ""]) {
      const found = findScript(joinPath(folder, joinPath(base, parts.join("/"))), paths);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function findScript(path: string, paths: ReadonlySet<string>): string | undefined {
  if (paths.has(path)) return path;
  const stem = path.replace(/(\.d)?\.[cm]?[jt]sx?$/, "");
  for (const base of [stem, path, `${stem}/index`]) {
    for (const extension of scriptExtensions) if (paths.has(base + extension)) return base + extension;
  }
  return undefined;
}

/** The sources that a target with a `*` can mean. */
function expandPattern(folder: string, target: string, paths: ReadonlySet<string>): string[] {
  const [head = "", tail = ""] = target.replace(/^\.\//, "").split("*");
  const parts = head.split("/");
  const heads = [head];
  while (parts.length > 1 && outputParts.has(parts[0] as string)) {
    parts.shift();
    heads.push(`src/${parts.join("/")}`, parts.join("/"));
  }
  const ending = tail.replace(/(\.d)?\.[cm]?[jt]sx?$/, "");
  for (const each of heads) {
    const prefix = joinPath(folder, each);
    const found = [...paths].filter(
      (path) =>
        path.startsWith(prefix) && /\.[cm]?[jt]sx?$/.test(path) && path.replace(/\.[cm]?[jt]sx?$/, "").endsWith(ending),
    );
    if (found.length > 0) return found;
  }
  return [];
}

const joinPath = (folder: string, path: string): string =>
  folder === "" ? path : path === "" ? folder : `${folder}/${path}`;
