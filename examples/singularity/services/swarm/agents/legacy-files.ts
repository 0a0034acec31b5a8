import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { agent } from "viable";
import { byText } from "../../../source/by-text.ts";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { readTree, reasonOf } from "../../../source/read-tree.ts";
import { pathInput, treeTimeoutMs } from "../../../source/task.ts";

/** Files listed with their checksums; more would not fit into an event. The sums are over all. */
const maxFilesListed = 10_000;
const maxGroups = 500;
/** Files are read piece by piece, so this bounds time and not memory. */
const maxBytesPerFile = 1024 * 1024 * 1024;
/** One piece, in bytes: hashing it takes a moment only, and then others have their turn. */
const pieceBytes = 64 * 1024;

type HashedFile = { path: string; bytes: number; sha256: string };

/** What lies in a folder, as it was told before there was a service for it: in the coordinator's own process, piece by piece. */
export const legacyFiles = agent({
  name: "legacy-files",
  capability: "file_management",
  description: "Files of a folder with checksums and those with the same content, one file after another",
  input: pathInput,
  risk: "low",
  joinable: true,
  timeoutMs: treeTimeoutMs,
  async handle(ctx, { path }) {
    const tree = await readTree(path, { signal: ctx.signal, maxBytesPerFile });
    // To a file manager a folder of pictures is as good as one of source.
    const findings: Finding[] = tree.findings.filter((each) => each.kind !== "source.no_source");
    const files: HashedFile[] = [];
    for (const [index, { path: file, bytes }] of tree.files.entries()) {
      if (index % 100 === 0)
        ctx.progress(Math.floor((index / tree.files.length) * 95), `Hashing: ${index} of ${tree.files.length}`);
      try {
        files.push({ path: file, bytes, sha256: await hashFile(`${tree.root}/${file}`, ctx.signal) });
      } catch (error) {
        ctx.signal.throwIfAborted();
        findings.push({ kind: "source.unreadable", file, message: `The file cannot be read: ${reasonOf(error)}.` });
      }
    }
    const groups = findDuplicates(files);
    const truncated: Truncated = {};
    return {
      count: files.length,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      wastedBytes: groups.reduce((sum, group) => sum + wastedBytes(group), 0),
      files: cutList("files", files, maxFilesListed, truncated),
      duplicates: cutList("duplicates", groups, maxGroups, truncated),
      ...aboutTree(tree, findings, truncated),
    };
  },
});

type Group = { sha256: string; bytes: number; paths: string[] };

/** Files with the same content, those first that waste most: neighbours in the order of their checksums. */
function findDuplicates(files: readonly HashedFile[]): Group[] {
  const groups: Group[] = [];
  // Empty files are all the same and nobody's waste.
  const filled = files.filter((file) => file.bytes > 0);
  filled.sort((a, b) => byText(a.sha256, b.sha256) || byText(a.path, b.path));
  for (const { path, bytes, sha256 } of filled) {
    const last = groups.at(-1);
    if (last?.sha256 === sha256) last.paths.push(path);
    else groups.push({ sha256, bytes, paths: [path] });
  }
  const same = groups.filter((group) => group.paths.length > 1);
  return same.sort((a, b) => wastedBytes(b) - wastedBytes(a) || byText(firstPath(a), firstPath(b)));
}

const wastedBytes = ({ bytes, paths }: Group): number => bytes * (paths.length - 1);
const firstPath = ({ paths }: Group): string => paths[0] ?? "";

async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  await using file = await open(path);
  const hash = createHash("sha256");
  const piece = Buffer.alloc(pieceBytes);
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(piece, 0, pieceBytes);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(piece.subarray(0, bytesRead));
  }
}
