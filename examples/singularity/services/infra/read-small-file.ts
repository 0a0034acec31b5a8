import { readFile } from "node:fs/promises";

/** A file of the kernel: what it says, or why it says nothing. They are made when read, and have no size before. */
export type SmallFile =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: "absent" | "unreadable" };

/** Reads a file of a few lines. One that is not there is not the same as one that may not be read. */
export async function readSmallFile(path: string): Promise<SmallFile> {
  try {
    return { ok: true, text: (await readFile(path, "utf8")).trim() };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    return { ok: false, reason: code === "ENOENT" || code === "ENOTDIR" ? "absent" : "unreadable" };
  }
}
