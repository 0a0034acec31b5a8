import { spawn } from "node:child_process";
import { once } from "node:events";
import { seededRandom } from "@viable/kernel";
import { type PlantedTree, plantTree } from "../../testing/plant-tree.ts";

/** A commit to plant: whose, what it says, and the files with their new content. */
export interface PlannedCommit {
  readonly subject: string;
  readonly author?: string;
  readonly files: { readonly [path: string]: string };
}

const firstAt = Date.UTC(2024, 0, 1) / 1_000;

/** A real repository with these commits, one a day, written by git itself in one go. Nothing is checked out. */
export async function plantHistory(commits: readonly PlannedCommit[]): Promise<PlantedTree> {
  const tree = await plantTree();
  await git(tree.path, ["init", "--quiet", "--initial-branch=main"]);
  await git(tree.path, ["fast-import", "--quiet"], commits.map(toImport).join(""));
  return tree;
}

function toImport({ subject, author = "ann", files }: PlannedCommit, day: number): string {
  const who = `${author} <${author}@example.org> ${firstAt + day * 86_400} +0000`;
  const changes = Object.entries(files).map(([path, text]) => `M 100644 inline ${path}\n${data(text)}`);
  return `commit refs/heads/main\nauthor ${who}\ncommitter ${who}\n${data(subject)}${changes.join("")}\n`;
}

const data = (text: string): string => `data ${Buffer.byteLength(text)}\n${text}\n`;

async function git(folder: string, args: readonly string[], input = ""): Promise<void> {
  const child = spawn("git", args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder },
    stdio: ["pipe", "ignore", "inherit"],
  });
  child.stdin.end(input);
  const [status] = await once(child, "exit");
  if (status !== 0) throw new Error(`git ${args[0]} ended with ${status}`);
}

/** In which files something happens, by the same dice in each run. */
export function planWork(
  seed: number,
  count: number,
  step: (dice: Dice, index: number) => PlannedCommit,
): PlannedCommit[] {
  const random = seededRandom(seed);
  const dice: Dice = {
    chance: (probability) => random.next() < probability,
    pick: (list) => list[Math.floor(random.next() * list.length)] as never,
  };
  return Array.from({ length: count }, (_, index) => step(dice, index));
}

export interface Dice {
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
}

export const lines = (count: number, mark: number | string): string =>
  Array.from({ length: count }, (_, index) => `const line${index} = "${mark}";\n`).join("");
