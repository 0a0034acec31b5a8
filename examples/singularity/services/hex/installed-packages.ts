import { readdir, readFile, realpath, stat } from "node:fs/promises";
import type { Finding } from "../../source/finding.ts";
import { isObject } from "../../source/tree-packages.ts";
import { licenceOf, unknown } from "./licence-of.ts";

/** What the manifest of an installed package says. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly installScripts: boolean;
  /** It is a link, so perhaps a folder of the tree itself. */
  readonly isLink: boolean;
}

/** By place, relative to the tree's root: `node_modules/a/node_modules/b`. */
export type InstalledPackages = ReadonlyMap<string, InstalledPackage>;

/** The largest installations we saw have a tenth of it. */
const maxPackages = 20_000;
/** A larger manifest is none that somebody wrote. */
const maxManifestBytes = 1024 * 1024;

/**
 * Reads the manifests of what is installed beside these folders, however deep, also in pnpm's own folder. Of what a link leads to the
 * manifest is read and nothing else; a folder that is met a second time is not read again, so loops are harmless.
 */
export async function readInstalled(
  root: string,
  folders: Iterable<string>,
  signal: AbortSignal,
  findings: Finding[],
): Promise<InstalledPackages> {
  const found = new Map<string, InstalledPackage>();
  const seen = new Set<string>();
  const waiting = [...folders].map((folder) => joinPath(folder, "node_modules"));
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    signal.throwIfAborted();
    const real = await realpath(`${root}/${folder}`).catch(() => undefined);
    if (real === undefined || seen.has(real)) continue;
    seen.add(real);
    for (const { name, isLink } of await listPackages(real)) {
      if (name.endsWith("/node_modules")) {
        waiting.push(`${folder}/${name}`);
        continue;
      }
      if (found.size >= maxPackages) {
        const message = `More than ${maxPackages} installed packages: the others were not read, their licences may be unknown.`;
        findings.push({ kind: "installed.too_many", file: folder, message });
        return found;
      }
      const manifest = await readManifest(`${real}/${name}/package.json`);
      if (manifest !== undefined) found.set(`${folder}/${name}`, describe(manifest, name, isLink));
      if (!isLink) waiting.push(`${folder}/${name}/node_modules`);
    }
  }
  return found;
}

/** Packages in a `node_modules`, scoped ones included, and the folders in which pnpm has the real ones. */
async function listPackages(folder: string): Promise<{ name: string; isLink: boolean }[]> {
  const packages: { name: string; isLink: boolean }[] = [];
  for (const entry of await list(folder)) {
    if (entry.name === ".pnpm") {
      for (const { name } of await list(`${folder}/.pnpm`))
        packages.push({ name: `.pnpm/${name}/node_modules`, isLink: false });
    } else if (entry.name.startsWith("@")) {
      for (const each of await list(`${folder}/${entry.name}`)) {
        const isLink = entry.isSymbolicLink() || each.isSymbolicLink();
        packages.push({ name: `${entry.name}/${each.name}`, isLink });
      }
    } else if (!entry.name.startsWith(".")) packages.push({ name: entry.name, isLink: entry.isSymbolicLink() });
  }
  return packages;
}

/** Nothing where there is no folder, or none that can be read: then what would be in it stays unknown. */
const list = async (folder: string) => await readdir(folder, { withFileTypes: true }).catch(() => []);

async function readManifest(path: string): Promise<{ readonly [field: string]: unknown } | undefined> {
  try {
    if ((await stat(path)).size > maxManifestBytes) return undefined;
    const manifest: unknown = JSON.parse(await readFile(path, "utf8"));
    return isObject(manifest) ? manifest : undefined;
  } catch {
    // Not installed, or so broken that it says nothing: either way its licence stays unknown.
    return undefined;
  }
}

function describe(manifest: { readonly [field: string]: unknown }, folder: string, isLink: boolean): InstalledPackage {
  const { name, version, scripts } = manifest;
  return {
    name: typeof name === "string" && name !== "" ? name : folder,
    version: typeof version === "string" && version !== "" ? version : unknown,
    licence: licenceOf(manifest),
    installScripts:
      isObject(scripts) && ["preinstall", "install", "postinstall"].some((each) => Object.hasOwn(scripts, each)),
    isLink,
  };
}

/** Joins paths of which the first may be the root, which is empty. */
export const joinPath = (folder: string, path: string): string => (folder === "" ? path : `${folder}/${path}`);
