/**
 * Finds the file that an import means, by TypeScript's own resolution over the files of the tree: without extension, `.js`
 * for `.ts`, folders with an index, `paths` of the nearest tsconfig, `#imports`, and packages of the tree by their names,
 * whether or not they were installed. Nothing outside the tree is looked at, but for configs that a tsconfig extends.
 */
import { existsSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import type ts from "typescript-api";
import type { Finding } from "./finding.ts";
import { isScript } from "./languages.ts";
import type { TypeScript } from "./parse-script.ts";
import type { ImportReference } from "./read-imports.ts";
import { implementationOf } from "./read-scripts.ts";
import type { SourceTree } from "./read-tree.ts";
import type { TreePackage } from "./tree-packages.ts";
import { findEntries } from "./tree-packages.ts";

export type Resolution =
  /** A module of the tree. */
  | { readonly kind: "module"; readonly path: string }
  /** A file that is no module: JSON, a style sheet, build output, something outside the tree. */
  | { readonly kind: "asset" }
  | { readonly kind: "builtin" | "external"; readonly name: string }
  | { readonly kind: "unresolved" };

export interface Resolver {
  resolve(reference: ImportReference, from: string): Resolution;
  /** What was wrong with configs that were met on the way. */
  readonly findings: readonly Finding[];
}

/** The resolver for one tree. */
export function createResolver(typescript: TypeScript, tree: SourceTree, packages: readonly TreePackage[]): Resolver {
  const paths = new Set(tree.files.map((file) => file.path));
  const { host, byName } = createHost(tree, packages, paths);
  const configs = createConfigs(typescript, tree, paths);
  const caches = new Map<ts.CompilerOptions, ts.ModuleResolutionCache>();

  function resolve(reference: ImportReference, from: string): Resolution {
    // Bundlers take a query after the path: `./worker.ts?worker`.
    const specifier = reference.specifier.replace(/\?[\w&=-]*$/, "");
    const options = configs.optionsFor(from);
    const cache = caches.get(options) ?? typescript.createModuleResolutionCache(tree.root, (name) => name, options);
    caches.set(options, cache);
    const mode = reference.kind === "require" ? typescript.ModuleKind.CommonJS : typescript.ModuleKind.ESNext;
    const { resolvedModule } = typescript.resolveModuleName(
      specifier,
      `${tree.root}/${from}`,
      options,
      host,
      cache,
      undefined,
      mode,
    );
    const found = resolvedModule === undefined ? undefined : inTree(resolvedModule.resolvedFileName);
    if (found !== undefined) return toModule(found, from);
    if (specifier.startsWith(".") || specifier.startsWith("/")) return resolvePath(specifier, from);
    if (isBuiltin(specifier)) return { kind: "builtin", name: specifier.replace(/^node:/, "") };
    return resolveName(specifier, from);
  }

  function inTree(fileName: string): string | undefined {
    const path = fileName.startsWith(`${tree.root}/`) ? fileName.slice(tree.root.length + 1) : undefined;
    return path !== undefined && paths.has(path) ? path : undefined;
  }

  function toModule(path: string, from: string): Resolution {
    if (!isScript(path)) return { kind: "asset" };
    // The compiler prefers a declaration; what runs is the module it was made from.
    const implementation = implementationOf(path, paths);
    if (implementation !== undefined && implementation !== from) return { kind: "module", path: implementation };
    return { kind: "module", path };
  }

  function resolvePath(specifier: string, from: string): Resolution {
    const target = posix.join(posix.dirname(from), specifier);
    if (paths.has(target)) return { kind: "asset" };
    // Build output and files outside the tree are there, but no modules of it.
    const isOnDisk = ["", ".js", ".ts", ".json", "/index.js", "/index.ts"].some((ending) =>
      existsSync(`${tree.root}/${target}${ending}`),
    );
    return isOnDisk ? { kind: "asset" } : { kind: "unresolved" };
  }

  function resolveName(specifier: string, from: string): Resolution {
    const parts = specifier.split("/");
    const name = parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
    const own = specifier.startsWith("#") ? nearestPackage(packages, from) : byName.get(name);
    if (own !== undefined) {
      const [entry] = specifier.startsWith("#")
        ? findEntries({ ...own, manifest: { exports: hashToDot(own.manifest.imports) } }, `.${specifier}`, paths)
        : findEntries(own, `.${specifier.slice(name.length)}`, paths);
      if (entry !== undefined) return toModule(entry, from);
    }
    if (specifier.startsWith("#")) return { kind: "unresolved" };
    // `virtual:x`, `@/x` and `~/x` are no package names: some tool or config we do not see gives them a meaning.
    if (!/^(@[\w.-]+\/)?[\w.-]+$/.test(name) || /^@\/|^~/.test(specifier)) return { kind: "unresolved" };
    return { kind: "external", name };
  }

  return { resolve, findings: configs.findings };
}

const hashToDot = (imports: unknown): { [key: string]: unknown } =>
  Object.fromEntries(Object.entries(imports ?? {}).map(([key, value]) => [`.${key}`, value]));

/** The package whose folder holds the file, the innermost one. */
function nearestPackage(packages: readonly TreePackage[], path: string): TreePackage | undefined {
  let nearest: TreePackage | undefined;
  for (const each of packages) {
    const isInside = each.folder === "" || path.startsWith(`${each.folder}/`);
    if (isInside && (nearest === undefined || each.folder.length > nearest.folder.length)) nearest = each;
  }
  return nearest;
}

/** A file system that holds the tree alone, with its packages as if they were installed at its root. */
function createHost(tree: SourceTree, packages: readonly TreePackage[], paths: ReadonlySet<string>) {
  const folders = new Set<string>([""]);
  for (const path of paths) {
    for (let folder = posix.dirname(path); folder !== "." && !folders.has(folder); folder = posix.dirname(folder)) {
      folders.add(folder);
    }
  }
  const byName = new Map<string, TreePackage>();
  // Of two packages with one name the one nearer the root is meant; the other is a fixture or a copy.
  for (const each of [...packages].sort((a, b) => a.folder.length - b.folder.length)) {
    if (each.name !== undefined && !byName.has(each.name)) byName.set(each.name, each);
  }
  const manifestTexts = new Map(
    packages.map((each) => [each.folder === "" ? "package.json" : `${each.folder}/package.json`, each.text]),
  );
  const installed = "node_modules/";
  const toTreePath = (absolute: string): string | undefined => {
    if (absolute === tree.root) return "";
    if (!absolute.startsWith(`${tree.root}/`)) return undefined;
    const path = absolute.slice(tree.root.length + 1);
    if (!path.startsWith(installed)) return path;
    const parts = path.slice(installed.length).split("/");
    const count = parts[0]?.startsWith("@") ? 2 : 1;
    const own = byName.get(parts.slice(0, count).join("/"));
    if (own === undefined) return undefined;
    return [own.folder, ...parts.slice(count)].filter((part) => part !== "").join("/");
  };
  const host: ts.ModuleResolutionHost = {
    useCaseSensitiveFileNames: true,
    fileExists: (file) => paths.has(toTreePath(file) ?? ""),
    readFile: (file) => manifestTexts.get(toTreePath(file) ?? ""),
    directoryExists: (folder) => {
      if (folder === `${tree.root}/node_modules`) return byName.size > 0;
      const scope = /^node_modules\/(@[^/]+)$/.exec(folder.slice(tree.root.length + 1))?.[1];
      if (scope !== undefined) return [...byName.keys()].some((name) => name.startsWith(`${scope}/`));
      return folders.has(toTreePath(folder) ?? "\0");
    },
    realpath: (path) => {
      const own = toTreePath(path);
      return own === undefined ? path : own === "" ? tree.root : `${tree.root}/${own}`;
    },
  };
  return { host, byName };
}

/** The compiler options that hold for a file: of the nearest tsconfig or jsconfig above it in the tree. */
function createConfigs(typescript: TypeScript, tree: SourceTree, paths: ReadonlySet<string>) {
  const findings: Finding[] = [];
  const byFolder = new Map<string, ts.CompilerOptions>();
  const base: ts.CompilerOptions = {
    module: typescript.ModuleKind.ESNext,
    moduleResolution: typescript.ModuleResolutionKind.Bundler,
    allowJs: true,
    resolveJsonModule: true,
  };

  function optionsOf(folder: string): ts.CompilerOptions {
    const known = byFolder.get(folder);
    if (known !== undefined) return known;
    const file = ["tsconfig.json", "jsconfig.json"]
      .map((name) => (folder === "" ? name : `${folder}/${name}`))
      .find((path) => paths.has(path));
    const parent = posix.dirname(folder);
    const options =
      file !== undefined ? readConfig(file) : folder === "" ? base : optionsOf(parent === "." ? "" : parent);
    byFolder.set(folder, options);
    return options;
  }

  function readConfig(file: string): ts.CompilerOptions {
    const own = parseConfig(file);
    // A config may only lead to others; then the paths are in one of those.
    const others = own.options.paths === undefined ? own.references : [];
    const withPaths = others.map((path) => parseConfig(path).options).find((options) => options.paths !== undefined);
    const {
      paths: patterns,
      pathsBasePath,
      baseUrl,
      rootDirs,
      customConditions,
      moduleSuffixes,
    } = withPaths ?? own.options;
    return {
      ...base,
      ...(patterns !== undefined && { paths: patterns }),
      ...(pathsBasePath !== undefined && { pathsBasePath }),
      ...(baseUrl !== undefined && { baseUrl }),
      ...(rootDirs !== undefined && { rootDirs }),
      ...(customConditions !== undefined && { customConditions }),
      ...(moduleSuffixes !== undefined && { moduleSuffixes }),
    };
  }

  function parseConfig(file: string): { options: ts.CompilerOptions; references: string[] } {
    const absolute = `${tree.root}/${file}`;
    const { config, error } = typescript.readConfigFile(absolute, readConfigText);
    const parsed = typescript.parseJsonConfigFileContent(
      config ?? {},
      {
        useCaseSensitiveFileNames: true,
        fileExists: existsSync,
        readFile: readConfigText,
        // Which files it covers is not asked: every module of the tree is read.
        readDirectory: () => [],
      },
      posix.dirname(absolute),
      undefined,
      absolute,
    );
    for (const each of [error, ...parsed.errors]) {
      // 18002 and 18003 say that the config covers no files, which follows from not asking.
      if (each === undefined || each.code === 18_002 || each.code === 18_003) continue;
      const message = typescript.flattenDiagnosticMessageText(each.messageText, " ").replaceAll(`${tree.root}/`, "");
      findings.push({ kind: "tsconfig", file, message });
    }
    const references = (parsed.projectReferences ?? []).flatMap(({ path }) => {
      const own = path.startsWith(`${tree.root}/`) ? path.slice(tree.root.length + 1) : undefined;
      if (own === undefined) return [];
      return [own, `${own}/tsconfig.json`].filter((each) => paths.has(each) && each !== file);
    });
    return { options: parsed.options, references };
  }

  return {
    findings,
    optionsFor(path: string) {
      const folder = posix.dirname(path);
      return optionsOf(folder === "." ? "" : folder);
    },
  };
}

function readConfigText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
