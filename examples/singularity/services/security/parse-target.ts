import { ofTree } from "./lockfile.ts";

/** What a name and a range lead to. */
export type Target = { readonly name: string; readonly range: string };

/**
 * Reads what stands behind a name in a manifest or a lockfile. `npm:zod@^3` is another package than the name says; `workspace:`, `link:`
 * and the like, and a path that is no archive, are folders.
 */
export function parseTarget(name: string, range: string): Target | typeof ofTree {
  if (/^(workspace|link|portal):/.test(range)) return ofTree;
  if (/^(file:|\.{0,2}\/|~\/)/.test(range) && !archive.test(range)) return ofTree;
  const alias = /^npm:((?:@[^/@]+\/)?[^/@]+)@(.+)$/.exec(range);
  return alias === null ? { name, range } : { name: alias[1] as string, range: alias[2] as string };
}

/** Where the path ends, and what Yarn writes behind it begins: a folder may be in one that is named like an archive. */
const archive = /\.(tgz|tar|tar\.gz)($|[#?:])/i;
