import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { agent } from "viable";
import { byText } from "../../../source/by-text.ts";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import type { Finding } from "../../../source/finding.ts";
import { aboutTree } from "../../../source/module-graph.ts";
import { readTree, reasonOf } from "../../../source/read-tree.ts";
import { pathInput, treeTimeoutMs } from "../../../source/task.ts";

/** Files listed with their checksums, and characters of JSON that they take: more would not fit into an event. The sums are over all. */
const maxFiles = { entries: 10_000, chars: 1_500_000 };
const maxGroups = { entries: 500, chars: 750_000 };
/** Files named of those with the same content; their number is told in any case. */
const maxPaths = 100;
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
        files.push({ path: file, bytes, sha256: await hashFile(`${tree.root}/${file}`, bytes, ctx.signal) });
      } catch (error) {
        ctx.signal.throwIfAborted();
        findings.push({ kind: "source.unreadable", file, message: `The file cannot be read: ${reasonOf(error)}.` });
      }
    }
    const groups = findDuplicates(files);
    const truncated: Truncated = {};
    const duplicates = groups.map(({ paths, ...group }) => ({
      ...group,
      count: paths.length,
      paths: cutList("duplicates.paths", paths, maxPaths, truncated),
    }));
    return {
      count: files.length,
      bytes: files.reduce((sum, file) => sum + file.bytes, 0),
      wastedBytes: groups.reduce((sum, group) => sum + wastedBytes(group), 0),
      files: cutToFit("files", files, maxFiles, truncated),
      duplicates: cutToFit("duplicates", duplicates, maxGroups, truncated),
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
  await using file = await open(path);
  const piece = Buffer.alloc(pieceBytes);
  for (let at = 0; at < bytes; ) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(piece, 0, Math.min(pieceBytes, bytes - at), at);
    if (bytesRead === 0) break;
    hash.update(piece.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest("hex");
}
