/**
 * Reads what git knows of a folder: its commits with the files they changed. Git is asked by its own program, without a shell, in
 * an environment without `GIT_*`, which a hook or a caller may have set for another repository; and so that a repository can
 * start no program of its own choosing and no download. The answer is bounded, and says when it does not go back to the beginning.
 */
import { spawn } from "node:child_process";
import { ViableError } from "viable";
import { findRoot } from "./read-tree.ts";

/** What a commit did to one file. */
export interface FileChange {
  /** Relative to the folder that was read, with forward slashes. */
  readonly path: string;
  readonly status: "added" | "changed" | "deleted" | "renamed";
  /** What it was called before, where it was renamed. */
  readonly from?: string;
  /** Lines; 0 for a binary file. */
  readonly added: number;
  /** Lines; 0 for a binary file. */
  readonly removed: number;
}

export interface Commit {
  readonly hash: string;
  /** When it came into this history, in milliseconds since 1970, by the clock of whoever made it. */
  readonly committedAt: number;
  /** The author's address, as the mailmap has it. */
  readonly author: string;
  /** The first paragraph of the message, in one line. */
  readonly subject: string;
  readonly changes: readonly FileChange[];
}

export type History =
  | {
      readonly ok: true;
      /** Without merges, oldest first by their time. Only commits that changed something in the folder. */
      readonly commits: readonly Commit[];
      /** What there is at the latest commit, by the names of the changes. */
      readonly files: ReadonlySet<string>;
      /** Whether the clone was made without its older commits. */
      readonly isShallow: boolean;
      /** Commits that a bound left out, all older than those read. */
      readonly olderCommits: number;
    }
  | {
      readonly ok: false;
      readonly reason: "no_git" | "no_repository" | "no_commits" | "unreadable";
      /** A sentence that says what was not there. */
      readonly message: string;
    };

export interface ReadHistoryOptions {
  readonly signal: AbortSignal;
  /** The most commits that are read. Default 10,000. */
  readonly limit?: number;
}

/** Commits read of one history: years of a busy project. What is older says little about tomorrow. */
const maxCommits = 10_000;
/** What git may print of them, in bytes: 6 KB a commit, ten times the usual. */
const maxLogBytes = 64 * 1024 * 1024;
/** What git may print of the names at the latest commit, in bytes: a million of usual ones. */
const maxNamesBytes = 64 * 1024 * 1024;
/** Single values, such as yes, no or a number, in bytes. */
const maxAnswerBytes = 4_096;
/** Files that a commit may have moved for git to look which became which, since it compares each with each. */
const maxMovedFiles = 400;
/** Kept of what git complains about, in characters. */
const maxComplaintChars = 300;

/** A commit begins with this byte; it is followed by its hash, and fields end with a zero byte. */
const mark = "\u0001";

/**
 * Reads the history of the folder at `path`, as far as it lies in a repository. Where there is none to read the answer says why.
 * Throws `source.not_found`, `source.not_a_directory` or `source.unreadable` for the folder itself.
 */
export async function readHistory(path: string, { signal, limit = maxCommits }: ReadHistoryOptions): Promise<History> {
  const root = await findRoot(path);
  const ask = (args: readonly string[], maxBytes: number) => runGit(root, args, maxBytes, signal);

  const place = await ask(["rev-parse", "--is-inside-work-tree", "--is-shallow-repository"], maxAnswerBytes);
  if (place.status === "absent") return absent("no_git", "The program git is not installed here.");
  if (place.status !== 0) {
    return /not a git repository/i.test(place.complaint)
      ? absent("no_repository", "The folder is in no git repository.")
      : absent("unreadable", `Git cannot read the repository: ${place.complaint}`);
  }
  const [isInside, isShallow] = place.out.split("\n");
  if (isInside !== "true") return absent("no_repository", "The folder is no working folder of a git repository.");

  const head = await ask(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"], maxAnswerBytes);
  if (head.status !== 0) return absent("no_commits", "The repository has no commits yet.");
  // By its hash: while all this is read, somebody may commit.
  const latest = head.out.trim();

  const log = await ask([...logArguments, `--max-count=${limit}`, latest, "--", "."], maxLogBytes);
  if (log.status !== 0 && !log.isCut) return absent("unreadable", `Git cannot read the history: ${log.complaint}`);
  // Where it was cut the last commit is not whole.
  const text = log.isCut ? log.out.slice(0, Math.max(0, log.out.lastIndexOf(`\0${mark}`))) : log.out;
  const commits = parseLog(text, { withoutRoots: isShallow === "true" });
  if (commits.length === 0) return absent("no_commits", whyNone(text, log.isCut));
  const tree = await ask(["ls-tree", "-r", "-z", "--name-only", latest], maxNamesBytes);
  if (tree.isCut) return absent("unreadable", `The folder has file names of more than ${maxNamesBytes} bytes.`);
  if (tree.status !== 0) return absent("unreadable", `Git cannot read what there is: ${tree.complaint}`);
  commits.reverse();
  commits.sort((a, b) => a.committedAt - b.committedAt);
  const isFull = log.isCut || countMarks(text) === limit;
  const olderCommits = isFull ? (await countCommits(ask, latest)) - countMarks(text) : 0;
  const files = new Set(tree.out.split("\0").filter((name) => name !== ""));
  return { ok: true, commits, files, isShallow: isShallow === "true", olderCommits };
}

const absent = (reason: Extract<History, { ok: false }>["reason"], message: string): History => ({
  ok: false,
  reason,
  message,
});

/** Commits were printed, and none can be used, or there are none. */
function whyNone(text: string, isCut: boolean): string {
  if (isCut) return `The latest commit alone changed more than the ${maxLogBytes} bytes that are read of a history.`;
  return text === ""
    ? "No commit of the repository changed a file in the folder."
    : "A shallow clone: of the commits that are here nobody can tell what they changed. `git fetch --unshallow` gets the others.";
}

/** Whatever the configuration says, the output is this; and nothing the repository names is started or fetched for it. */
const logArguments = [
  "-c",
  "protocol.allow=never",
  "-c",
  "log.showSignature=false",
  "-c",
  "log.showRoot=true",
  "log",
  "-z",
  "--no-merges",
  "--raw",
  "--numstat",
  "--no-abbrev",
  "--find-renames",
  `-l${maxMovedFiles}`,
  "--relative",
  "--no-ext-diff",
  "--no-textconv",
  "--no-color",
  "--encoding=UTF-8",
  "--format=tformat:%x01%H%x00%P%x00%ct%x00%aE%x00%s",
];

async function countCommits(
  ask: (args: readonly string[], maxBytes: number) => Promise<GitAnswer>,
  latest: string,
): Promise<number> {
  const { out } = await ask(["rev-list", "--count", "--no-merges", latest, "--", "."], maxAnswerBytes);
  return Number.parseInt(out, 10);
}

const countMarks = (text: string): number => text.split(`\0${mark}`).length;

/**
 * Reads what `git log` prints with the arguments above: fields that end with a zero byte, in an order that leaves no doubt which
 * is which, so that any file name comes through. In a shallow clone the oldest commits seem to add every file there is; without
 * what came before them nothing is known of what they changed, and they are left out.
 */
export function parseLog(text: string, { withoutRoots }: { readonly withoutRoots: boolean }): Commit[] {
  const fields = text.split("\0");
  let at = 0;
  const next = (): string => fields[at++] ?? "";
  const commits: Commit[] = [];
  while (at < fields.length) {
    const start = next();
    if (!start.startsWith(mark)) continue;
    const parents = next();
    const committedAt = Number(next()) * 1_000;
    const author = next().toLowerCase();
    const subject = next();
    const changes = readChanges();
    if (changes.length === 0 || (withoutRoots && parents === "")) continue;
    commits.push({ hash: start.slice(mark.length), committedAt, author, subject, changes });
  }
  return commits;

  /** First what happened to which file, then how many lines of it: both lists name the same files. */
  function readChanges(): FileChange[] {
    const happened = new Map<string, Pick<FileChange, "path" | "status" | "from">>();
    const changes: FileChange[] = [];
    while (at < fields.length && !fields[at]?.startsWith(mark)) {
      const field = next().replace(/^\n/, "");
      const letter = /^:\d+ \d+ \S+ \S+ ([A-Z])/.exec(field)?.[1];
      const counted = /^(\d+|-)\t(\d+|-)\t(.*)$/s.exec(field);
      if (letter === "R") {
        const from = next();
        const path = next();
        happened.set(path, { path, status: "renamed", from });
      } else if (letter !== undefined) {
        const path = next();
        happened.set(path, { path, status: statusOf(letter) });
      } else if (counted !== null) {
        const [, added = "", removed = "", own = ""] = counted;
        // A renamed file has no name here, but both its names behind.
        if (own === "") next();
        const change = happened.get(own === "" ? next() : own);
        if (change !== undefined) changes.push({ ...change, added: toLines(added), removed: toLines(removed) });
      }
    }
    return changes;
  }
}

const toLines = (text: string): number => (text === "-" ? 0 : Number(text));

function statusOf(letter: string): FileChange["status"] {
  switch (letter) {
    case "A":
      return "added";
    case "D":
      return "deleted";
    default:
      return "changed";
  }
}

interface GitAnswer {
  readonly status: number | "absent";
  readonly out: string;
  /** Whether it would have said more than it may. */
  readonly isCut: boolean;
  readonly complaint: string;
}

/** Runs git in a folder and takes what it prints, up to `maxBytes`; then it is ended. */
async function runGit(
  folder: string,
  args: readonly string[],
  maxBytes: number,
  signal: AbortSignal,
): Promise<GitAnswer> {
  signal.throwIfAborted();
  return await new Promise((resolve, reject) => {
    const child = spawn("git", args, {
      cwd: folder,
      env: gitEnvironment(process.env),
      stdio: ["ignore", "pipe", "pipe"],
      windowsHide: true,
      signal,
      killSignal: "SIGKILL",
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    let complaint = "";
    let isCut = false;
    child.stdout.on("data", (chunk: Buffer) => {
      if (isCut) return;
      isCut = bytes + chunk.length > maxBytes;
      chunks.push(isCut ? chunk.subarray(0, maxBytes - bytes) : chunk);
      bytes += chunk.length;
      if (isCut) child.kill("SIGKILL");
    });
    child.stderr.on("data", (chunk: Buffer) => {
      complaint = (complaint + chunk.toString("utf8")).slice(0, maxComplaintChars);
    });
    child.once("error", (error) => {
      if (signal.aborted) reject(signal.reason);
      else if ("code" in error && error.code === "ENOENT") {
        resolve({ status: "absent", out: "", isCut: false, complaint: "" });
      } else {
        const next = "See that the program git can be run by whom the system runs as; then ask again.";
        const message = `Git could not be started: ${error.message}.`;
        reject(new ViableError("history.git_failed", message, { next, cause: error }));
      }
    });
    child.once("close", (status) => {
      const out = Buffer.concat(chunks).toString("utf8");
      resolve({ status: status ?? 1, out, isCut, complaint: toSentence(complaint) });
    });
  });
}

/** The environment for git: without what others told it, in English, asking nobody and leaving no file behind. */
function gitEnvironment(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const own = Object.entries(environment).filter(([name]) => !name.toUpperCase().startsWith("GIT_"));
  return {
    ...Object.fromEntries(own),
    LC_ALL: "C",
    GIT_TERMINAL_PROMPT: "0",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_LAZY_FETCH: "1",
  };
}

/** Git's first line, without the word it begins with. */
const toSentence = (complaint: string): string => {
  const [line = ""] = complaint.split("\n");
  return line.replace(/^fatal: /, "").replace(/\.?$/, ".");
};
