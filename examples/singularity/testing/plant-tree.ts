import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface PlantedTree extends AsyncDisposable {
  readonly path: string;
  write(file: string, content: string | Uint8Array): Promise<void>;
  link(file: string, target: string): Promise<void>;
  /** A file of this size that takes no room on the disk. */
  large(file: string, bytes: number): Promise<void>;
}

/** A source tree in a folder of its own, gone when it is released: `await using tree = await plantTree({ "a.ts": "…" })`. */
export async function plantTree(files: { readonly [path: string]: string } = {}): Promise<PlantedTree> {
  const path = await mkdtemp(join(tmpdir(), "singularity-"));
  const place = async (file: string): Promise<string> => {
    const target = join(path, file);
    await mkdir(dirname(target), { recursive: true });
    return target;
  };
  const tree: PlantedTree = {
    path,
    write: async (file, content) => await writeFile(await place(file), content),
    link: async (file, target) => await symlink(target, await place(file)),
    large: async (file, bytes) => {
      const target = await place(file);
      await writeFile(target, "");
      await truncate(target, bytes);
    },
    [Symbol.asyncDispose]: async () => await rm(path, { recursive: true, force: true }),
  };
  for (const [file, content] of Object.entries(files)) await tree.write(file, content);
  return tree;
}
