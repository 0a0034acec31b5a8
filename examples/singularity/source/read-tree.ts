/**
 * Reads a source tree: which files there are, which were left out and why. Files are not opened here; `readText` does that,
 * one at a time. The walk is bounded in files, depth and bytes, and follows no symbolic link: what a link leads to inside the
 * tree is read under its own name, and what lies outside is not part of the tree. So a loop of links cannot trap it.
 */

import type { Dirent } from "node:fs";
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";
import { ViableError } from "viable";
import { byText } from "./by-text.ts";
import type { Finding } from "./finding.ts";
import type { LanguageKind } from "./languages.ts";
import { languageOf } from "./languages.ts";

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly bytes: number;
  /** By the file's name; undefined where that tells none. */
  readonly language: { readonly name: string; readonly kind: LanguageKind } | undefined;
}

export type SkippedPath = { readonly path: string; readonly reason: string };

export interface SourceTree {
  /** Absolute, with links resolved. */
  readonly root: string;
  /** In the order of their paths. */
  readonly files: readonly SourceFile[];
  readonly skipped: readonly SkippedPath[];
  readonly findings: readonly Finding[];
}

export interface ReadTreeOptions {
  readonly signal: AbortSignal;
  /** Larger files are listed as skipped. Default `maxFileBytes`. */
  readonly maxBytesPerFile?: number;
}

/** Ten times the largest tree we measured; a result that lists as many files still fits into an event. */
const maxFiles = 20_000;
/** Deeper than any source tree is by hand: what is deeper was made by a loop of mounts or by mistake. */
export const maxDepth = 64;
/** Source written by people is far smaller; what is larger is data or output, and would take seconds to parse. */
export const maxFileBytes = 2 * 1024 * 1024;

/** Folders that are never anybody's own source, wherever they are. */
const foreignFolders: { readonly [name: string]: string } = {
  node_modules: "installed packages",
  bower_components: "installed packages",
  jspm_packages: "installed packages",
  ".git": "version control",
  ".hg": "version control",
  ".svn": "version control",
  ".jj": "version control",
  ".venv": "installed packages",
  __pycache__: "cache",
  ".cache": "cache",
  ".turbo": "cache",
  ".parcel-cache": "cache",
  ".nyc_output": "cache",
  ".next": "build output",
  ".nuxt": "build output",
  ".svelte-kit": "build output",
  ".output": "build output",
  ".yarn": "installed packages",
  ".pnpm-store": "installed packages",
  ".viable": "state of a running system",
};
/** Folders that are made by a build where they stand beside a manifest; elsewhere the names are ordinary (`src/build`). */
const outputFolders = new Set([
  "dist",
  "build",
  "out",
  "coverage",
  "vendor",
  "third_party",
  "target",
  "deps",
  "_build",
]);
const manifests = [
  "package.json",
  "go.mod",
  "Cargo.toml",
  "composer.json",
  "pyproject.toml",
  "pom.xml",
  "mix.exs",
  "gleam.toml",
];

/** Finds out whether a path is a folder that can be read, and which: throws `source.not_found`, `source.not_a_directory` or `source.unreadable`. */
export async function findRoot(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    const root = await realpath(absolute);
    if (!(await stat(root)).isDirectory()) {
      throw new ViableError("source.not_a_directory", `${absolute} is a file, not a folder.`, {
        next: "Name the folder that holds the source.",
      });
    }
    await readdir(root);
    return root;
  } catch (error) {
    if (error instanceof ViableError) throw error;
    throw describeRootError(absolute, error);
  }
}

/** Walks the tree under `path`. What cannot be read inside is a finding; only the root itself can make it fail. */
export async function readTree(path: string, options: ReadTreeOptions): Promise<SourceTree> {
  const root = await findRoot(path);
  const walk = createWalk(root, options);
  await walk.folder("", 0);
  // A published package may hold nothing but its build output: then that is the source.
  if (!walk.files.some((file) => file.language?.kind === "code")) await walk.outputs();
  const { files, skipped, findings } = walk;
  if (files.length === 0 && skipped.length === 0) {
    findings.push({ kind: "source.empty", message: "The folder is empty." });
  } else if (!files.some((file) => file.language?.kind === "code")) {
    const what = `${files.length} ${files.length === 1 ? "file" : "files"} read, ${skipped.length} skipped`;
    findings.push({ kind: "source.no_source", message: `No source file of a known language here (${what}).` });
  }
  files.sort((a, b) => byText(a.path, b.path));
  return { root, files, skipped, findings };
}

interface Walk {
  readonly files: SourceFile[];
  readonly skipped: SkippedPath[];
  readonly findings: Finding[];
  folder(path: string, depth: number): Promise<void>;
  /** Reads the folders that were taken for build output, after all. */
  outputs(): Promise<void>;
}

function createWalk(root: string, { signal, maxBytesPerFile = maxFileBytes }: ReadTreeOptions): Walk {
  const files: SourceFile[] = [];
  const skipped: SkippedPath[] = [];
  const findings: Finding[] = [];
  const outputs: { path: string; depth: number }[] = [];
  let isFull = false;

  async function folder(start: string, startDepth: number): Promise<void> {
    const waiting = [{ path: start, depth: startDepth }];
    for (let next = waiting.pop(); next !== undefined && !isFull; next = waiting.pop()) {
      signal.throwIfAborted();
      const { path, depth } = next;
      if (depth > maxDepth) {
        findings.push({
          kind: "source.too_deep",
          file: path,
          message: `Deeper than ${maxDepth} folders; not read further.`,
        });
        continue;
      }
      const entries = await listFolder(path);
      const hasManifest = depth === 0 || entries.some((entry) => manifests.includes(entry.name));
      for (const entry of entries) {
        const entryPath = path === "" ? entry.name : `${path}/${entry.name}`;
        if (entry.isDirectory()) {
          const foreign = foreignFolders[entry.name];
          if (foreign !== undefined) skipped.push({ path: entryPath, reason: foreign });
          else if (hasManifest && outputFolders.has(entry.name)) {
            outputs.push({ path: entryPath, depth: depth + 1 });
            skipped.push({ path: entryPath, reason: "build output or vendored code, by its name" });
          } else waiting.push({ path: entryPath, depth: depth + 1 });
        } else if (!(await takeEntry(entry, entryPath))) return;
      }
    }
  }

  async function listFolder(path: string): Promise<Dirent[]> {
    try {
      const entries = await readdir(`${root}/${path}`, { withFileTypes: true });
      return entries.sort((a, b) => byText(a.name, b.name));
    } catch (error) {
      findings.push({
        kind: "source.unreadable",
        file: path,
        message: `The folder cannot be read: ${reasonOf(error)}.`,
      });
      return [];
    }
  }

  /** False when no more files are taken. */
  async function takeEntry(entry: Dirent, path: string): Promise<boolean> {
    if (entry.isSymbolicLink()) await takeLink(path);
    else if (!entry.isFile()) skipped.push({ path, reason: "not a regular file" });
    else if (files.length >= maxFiles) {
      isFull = true;
      findings.push({
        kind: "source.too_many_files",
        file: path,
        message: `More than ${maxFiles} files: this one and those after it were not read. Name a smaller folder.`,
      });
      return false;
    } else await takeFile(path);
    return true;
  }

  async function takeFile(path: string): Promise<void> {
    try {
      const { size } = await lstat(`${root}/${path}`);
      if (size > maxBytesPerFile) {
        skipped.push({ path, reason: `${size} bytes, more than the ${maxBytesPerFile} read of one file` });
      } else files.push({ path, bytes: size, language: languageOf(path) });
    } catch (error) {
      findings.push({ kind: "source.unreadable", file: path, message: `The file cannot be read: ${reasonOf(error)}.` });
    }
  }

  async function takeLink(path: string): Promise<void> {
    try {
      const target = await realpath(`${root}/${path}`);
      const inside = target === root || target.startsWith(root + sep);
      skipped.push({
        path,
        reason: inside ? "a link to what is read under its own name" : "a link out of the tree, not followed",
      });
    } catch (error) {
      const isLoop = codeOf(error) === "ELOOP";
      findings.push({
        kind: isLoop ? "source.link_loop" : "source.broken_link",
        file: path,
        message: isLoop ? "A symbolic link that leads back to itself." : "A symbolic link that leads nowhere.",
      });
    }
  }

  return {
    files,
    skipped,
    findings,
    folder,
    async outputs() {
      for (const { path, depth } of outputs.splice(0)) {
        skipped.splice(
          skipped.findIndex((each) => each.path === path),
          1,
        );
        await folder(path, depth);
      }
    },
  };
}

function describeRootError(path: string, error: unknown): ViableError {
  const code = codeOf(error);
  if (code === "ENOENT" || code === "ERR_INVALID_ARG_VALUE") {
    return new ViableError("source.not_found", `There is no folder ${JSON.stringify(path)}.`, {
      next: "Check the path; a relative one counts from where the system was started.",
      cause: error,
    });
  }
  if (code === "ENOTDIR") {
    return new ViableError("source.not_a_directory", `${path} leads through a file as if it were a folder.`, {
      next: "Name the folder that holds the source.",
      cause: error,
    });
  }
  return new ViableError("source.unreadable", `${path} cannot be read: ${reasonOf(error)}.`, {
    next: "Let the user that runs the system read the folder, or name another.",
    cause: error,
  });
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;

/** Why the system refused, without the path, which the reader has already and which may tell where the tree lies. */
export function reasonOf(error: unknown): string {
  const code = codeOf(error);
  switch (code) {
    case "EACCES":
    case "EPERM":
      return "no permission";
    case "ENOENT":
      return "it went away while the tree was read";
    case "ELOOP":
      return "its symbolic links lead in a circle";
    default:
      return code ?? (error instanceof Error ? error.message : "unknown reason");
  }
}
