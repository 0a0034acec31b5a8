import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The repository's own files by path from its root. Rules read a tree and nothing else, so a test can hand them a planted one. */
export type Tree = ReadonlyMap<string, string>;

const root = join(import.meta.dirname, "..", "..");

/** Made by tools or for one machine; none of it is ours to judge. Fixtures are wrong on purpose. */
const notOurs = new Set(["node_modules", "dist", "coverage", "fixtures", ".git", ".cache", ".viable"]);
/** What rules read. Anything else (pictures, databases) is there by name only. */
const text = /\.(ts|tsx|js|mjs|json|jsonc|md|sql|yml|yaml)$/;

/** Reads the tree as it is on disk, files not yet committed included. */
export function readTree(): Tree {
  const files = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (notOurs.has(entry.name)) continue;
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) files.set(path, text.test(path) ? readFileSync(join(root, path), "utf8") : "");
    }
  };
  visit("");
  return files;
}

/** A tree with some files replaced, added, or (null) taken away: how a test breaks a rule on purpose. */
export function plant(tree: Tree, files: { readonly [path: string]: string | null }): Tree {
  const planted = new Map(tree);
  for (const [path, content] of Object.entries(files)) {
    if (content === null) planted.delete(path);
    else planted.set(path, content);
  }
  return planted;
}

export function readText(tree: Tree, path: string): string {
  const content = tree.get(path);
  if (content === undefined) throw new Error(`There is no ${path}.`);
  return content;
}

export const readJson = <T>(tree: Tree, path: string): T => JSON.parse(readText(tree, path)) as T;

/** Whether a path is a file or a folder of the tree. */
export function exists(tree: Tree, path: string): boolean {
  const clean = path.replace(/\/$/, "");
  return tree.has(clean) || [...tree.keys()].some((each) => each.startsWith(`${clean}/`));
}

/** Every TypeScript and JavaScript file. */
export const sourcePaths = (tree: Tree): string[] => [...tree.keys()].filter((path) => /\.(ts|tsx|mjs|js)$/.test(path));

/** Whether a file is a test, or is made for tests only (a folder `testing`): those may use what the product itself must not. */
export const isTest = (path: string): boolean =>
  path.endsWith(".test.ts") ||
  path.startsWith("test/") ||
  /^(packages\/[^/]+\/src|examples)\/(.+\/)?testing\//.test(path);
