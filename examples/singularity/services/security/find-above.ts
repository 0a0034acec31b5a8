/** As Node looks for a package: in the folder's own `node_modules`, then in those of the folders above it. */
export function findAbove<T>(places: ReadonlyMap<string, T>, folder: string, name: string): T | undefined {
  for (let at = folder; ; at = parentOf(at)) {
    const found = places.get(joinPath(at, `node_modules/${name}`));
    if (found !== undefined || at === "") return found;
  }
}

/** The folder that holds this one; the root is empty and holds itself. */
export const parentOf = (folder: string): string => folder.slice(0, Math.max(0, folder.lastIndexOf("/")));

/** Joins paths of which the first may be the root, which is empty. */
export const joinPath = (folder: string, path: string): string => (folder === "" ? path : `${folder}/${path}`);
