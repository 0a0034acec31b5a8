import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { readTree, reasonOf } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";

/** Files listed with their checksums, and characters of JSON that they take: more would not fit into an event. The sums are over all. */
const maxFiles = { entries: 10_000, chars: 1_500_000 };
const maxGroups = { entries: 500, chars: 750_000 };
/** Files named of those with the same content; their number is told in any case. */
const maxPaths = 100;
/** Files are read in streams, so this bounds time and not memory. */
const maxBytesPerFile = 1024 * 1024 * 1024;

/** What lies in a folder, with a checksum of each file, and which files are the same. */
export const fileManagement = threadAgent({
  name: "file-management",
  capability: "file_management",
  description: "Files of a folder with checksums, and those with the same content",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  maxMemoryMb: treeMemoryMb,
  module: import.meta.url,
  async handle(ctx, { path }) {
    const tree = await readTree(path, { signal: ctx.signal, maxBytesPerFile });
    // To a file manager a folder of pictures is as good as one of source.
    const findings: Finding[] = tree.findings.filter((each) => each.kind !== "source.no_source");
    const files: { path: string; bytes: number; sha256: string }[] = [];
    for (const [index, { path: file, bytes }] of tree.files.entries()) {
      if (index % 100 === 0) {
        ctx.progress(Math.floor((index / tree.files.length) * 95), `Hashing: ${index} of ${tree.files.length}`);
      }
      try {
        files.push({ path: file, bytes, sha256: await hashFile(`${tree.root}/${file}`, bytes, ctx.signal) });
      } catch (error) {
        ctx.signal.throwIfAborted();
        findings.push({ kind: "source.unreadable", file, message: `The file cannot be read: ${reasonOf(error)}.` });
      }
    }
    const groups = new Map<string, { sha256: string; bytes: number; paths: string[] }>();
    for (const { path: file, bytes, sha256 } of files) {
      const group = groups.get(sha256) ?? { sha256, bytes, paths: [] };
      groups.set(sha256, group);
      // Empty files are all the same and nobody's waste.
      if (bytes > 0) group.paths.push(file);
    }
    const same = [...groups.values()].filter((group) => group.paths.length > 1);
    same.sort((a, b) => b.bytes * (b.paths.length - 1) - a.bytes * (a.paths.length - 1));
    const truncated: Truncated = {};
    const duplicates = same.map(({ paths, ...group }) => ({
      ...group,
      count: paths.length,
      paths: cutList("duplicates.paths", paths, maxPaths, truncated),
    }));
    return {
      count: files.length,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      wastedBytes: same.reduce((sum, group) => sum + group.bytes * (group.paths.length - 1), 0),
      files: cutToFit("files", files, maxFiles, truncated),
      duplicates: cutToFit("duplicates", duplicates, maxGroups, truncated),
      ...aboutTree(tree, findings, truncated),
    };
  },
});

/** Keeps what comes first, as long as it has room: paths may be long, and an event does not hold thousands of them. */
function cutToFit<T>(
  name: string,
  list: readonly T[],
  bound: { entries: number; chars: number },
  truncated: Truncated,
) {
  let chars = 0;
  const end = list.findIndex((entry) => {
    chars += JSON.stringify(entry).length;
    return chars > bound.chars;
  });
  return cutList(name, list, end < 0 ? bound.entries : Math.min(end, bound.entries), truncated);
}

/** As much of it as there was when the folder was read: a file may grow, and one of the kernel's has no end. */
async function hashFile(path: string, bytes: number, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  if (bytes === 0) return hash.digest("hex");
  for await (const chunk of createReadStream(path, { signal, end: bytes - 1 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
