import type { Dirent } from "node:fs";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import type { Finding } from "../../source/finding.ts";
import { isObject } from "../../source/tree-packages.ts";
import { hasInstallScripts, licenceOf, unknown } from "./dependency.ts";
import { joinPath } from "./find-above.ts";

/** What the manifest of an installed package says. */
export interface InstalledPackage {
  readonly version: string;
  readonly licence: string;
  readonly installScripts: boolean;
  /** It may be a folder of the tree itself. */
  readonly isLink: boolean;
}

export interface InstalledPackages {
  /** By where it lies, relative to the tree's root: `node_modules/a/node_modules/b`. */
  readonly places: ReadonlyMap<string, InstalledPackage>;
  /** By `name@version`, wherever it lies. */
  readonly ids: ReadonlyMap<string, InstalledPackage>;
}

/** The largest installations we saw have a tenth of it. */
const maxInstalled = 20_000;
/** What people write is far smaller. */
const maxManifestBytes = 1024 * 1024;

/**
 * Reads the manifests of what is installed in these folders, however deep. Of a package that is a link only the manifest is read, and no
 * folder twice: so loops end.
 */
export async function readInstalledPackages(
  root: string,
  folders: Iterable<string>,
  signal: AbortSignal,
  findings: Finding[],
): Promise<InstalledPackages> {
  const places = new Map<string, InstalledPackage>();
  const ids = new Map<string, InstalledPackage>();
  const read = new Set<string>();
  const waiting = [...folders].map((folder) => joinPath(folder, "node_modules"));
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    const real = await realpath(`${root}/${folder}`).catch(() => undefined);
    if (real === undefined || read.has(real)) continue;
    read.add(real);
    for await (const { name, isLink } of listPackages(real)) {
      signal.throwIfAborted();
      const place = `${folder}/${name}`;
      if (name.startsWith(".pnpm/")) waiting.push(place);
      // Links among pnpm's real packages lead to others of them, which are read in their own folders.
      else if (isLink && folder.includes("/.pnpm/")) continue;
      else if (places.size >= maxInstalled) {
        const message = `More than ${maxInstalled} installed packages: of this one and those after it the licence may stay unknown.`;
        findings.push({ kind: "installed.too_many", file: place, message });
        return { places, ids };
      } else {
        if (!isLink) waiting.push(`${place}/node_modules`);
        const manifest = await readManifest(`${real}/${name}/package.json`);
        if (manifest === undefined) continue;
        const found = describe(manifest, isLink);
        places.set(place, found);
        ids.set(`${typeof manifest.name === "string" ? manifest.name : name}@${found.version}`, found);
      }
    }
  }
  return { places, ids };
}

/** What a `node_modules` holds: packages, in scopes too, and the folders in which pnpm keeps the real ones. */
async function* listPackages(folder: string): AsyncGenerator<{ name: string; isLink: boolean }> {
  for (const entry of await list(folder)) {
    if (entry.name === ".pnpm") {
      for (const { name } of await list(`${folder}/.pnpm`)) yield { name: `.pnpm/${name}/node_modules`, isLink: false };
    } else if (entry.name.startsWith("@")) {
      for (const each of await list(`${folder}/${entry.name}`)) {
        // Through a link to a scope all of its packages are links.
        const isLink = entry.isSymbolicLink() || each.isSymbolicLink();
        yield { name: `${entry.name}/${each.name}`, isLink };
      }
    } else if (!entry.name.startsWith(".")) yield { name: entry.name, isLink: entry.isSymbolicLink() };
  }
}

/** Nothing where there is no folder that can be read: what would be in it stays unknown. */
const list = async (folder: string): Promise<Dirent[]> =>
  await readdir(folder, { withFileTypes: true }).catch(() => []);

async function readManifest(path: string): Promise<{ readonly [field: string]: unknown } | undefined> {
  try {
    if ((await stat(path)).size > maxManifestBytes) return undefined;
    const manifest: unknown = JSON.parse(await readFile(path, "utf8"));
    return isObject(manifest) ? manifest : undefined;
  } catch {
    // No package, or so broken that it says nothing: either way its licence stays unknown.
    return undefined;
  }
}

const describe = (manifest: { readonly [field: string]: unknown }, isLink: boolean): InstalledPackage => ({
  version: typeof manifest.version === "string" && manifest.version !== "" ? manifest.version : unknown,
  licence: licenceOf(manifest),
  installScripts: hasInstallScripts(manifest),
  isLink,
});
