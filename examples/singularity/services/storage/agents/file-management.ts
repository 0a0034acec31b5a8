import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { threadAgent } from "viable";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { readTree, reasonOf } from "../../../source/read-tree.ts";
import { pathInput, treeMemoryMb, treeTimeoutMs } from "../../../source/task.ts";

/** Files listed with their checksums; more would not fit into an event. The sums are over all. */
const maxFilesListed = 10_000;
const maxGroups = 500;
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
        files.push({ path: file, bytes, sha256: await hashFile(`${tree.root}/${file}`, ctx.signal) });
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
    return {
      count: files.length,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      wastedBytes: same.reduce((sum, group) => sum + group.bytes * (group.paths.length - 1), 0),
      files: cutList("files", files, maxFilesListed, truncated),
      duplicates: cutList("duplicates", same, maxGroups, truncated),
      ...aboutTree(tree, findings, truncated),
    };
  },
});

async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
