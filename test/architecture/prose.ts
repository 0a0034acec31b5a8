import { type Manifest, readRooms, roomOf } from "./rooms.ts";
import { exists, readText, type Tree } from "./tree.ts";

/** Documents that lead readers to files. */
const guides = ["README.md", "ARCHITECTURE.md", "STYLE.md", "CONTRIBUTING.md"];

/** Made on the reader's machine, so not in the tree. */
const madeLater = /^(node_modules|\.viable|\.cache|dist)(\/|$)/;

/** Every path named in backticks leads somewhere: a guide that points into the void is worse than none. */
export function checkPaths(tree: Tree): string[] {
  const doors = readDoors(tree);
  return guides.flatMap((guide) =>
    withoutBlocks(readText(tree, guide))
      .split("\n")
      .flatMap((line, index) =>
        [...line.matchAll(/`([^`\s]+)`/g)]
          .map(([, quoted]) => quoted as string)
          .filter((quoted) => quoted.includes("/") && !leadsSomewhere(tree, doors, quoted))
          .map(
            (quoted) =>
              `${guide}:${index + 1}: there is no ${quoted}. Name a file or folder from the root, or a package's door; or leave out the backticks if it is neither.`,
          ),
      ),
  );
}

/**
 * In tables of the explanations that have a column "shown by", the files it names are there, and what it quotes stands in one of them: a promise
 * whose test was renamed or taken away would look as well kept as any.
 */
export function checkEvidence(tree: Tree): string[] {
  const paths = [...tree.keys()].filter((path) => /^docs\/explanation\/.+\.md$/.test(path));
  return paths.flatMap((path) => {
    let isEvidence = false;
    return readText(tree, path)
      .split("\n")
      .flatMap((line, index) => {
        if (!line.startsWith("|")) isEvidence = false;
        else if (line.endsWith("| shown by |")) isEvidence = true;
        else if (isEvidence)
          return checkShown(tree, line.split(" | ").at(-1) ?? "").map((why) => `${path}:${index + 1}: ${why}`);
        return [];
      });
  });
}

function checkShown(tree: Tree, shown: string): string[] {
  const named = [...shown.matchAll(/`([^`\s]+\/[^`\s]+)`/g)].map(([, quoted]) => quoted as string);
  const gone = named.filter((quoted) => !exists(tree, quoted));
  const texts = named.map((quoted) => tree.get(quoted) ?? "");
  const quotes = [...shown.matchAll(/"([^"]+)"/g)].map(([, quote]) => quote as string);
  const unseen = quotes.filter((quote) => !texts.some((content) => content.includes(quote)));
  return [
    ...gone.map((quoted) => `there is no ${quoted}. Name the test that shows it now, or take the promise back.`),
    ...unseen.map((quote) => `none of ${named.join(", ")} has "${quote}". Quote what the test is called now.`),
  ];
}

function leadsSomewhere(tree: Tree, doors: ReadonlySet<string>, quoted: string): boolean {
  if (roomOf(quoted) !== undefined && quoted.startsWith("@")) return doors.has(quoted);
  // Routes of the gateway and packages of others are no paths of ours.
  if (quoted.startsWith("/") || quoted.startsWith("@") || madeLater.test(quoted)) return true;
  if (!quoted.includes("*")) return exists(tree, quoted);
  const pattern = quoted.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  const glob = new RegExp(`^${pattern.join("[^/]*")}(/|$)`);
  return [...tree.keys()].some((path) => glob.test(path));
}

/** The names by which rooms can be imported. */
function readDoors(tree: Tree): Set<string> {
  const doors = (manifest: Manifest): string[] =>
    Object.keys(manifest.exports ?? {}).map((subpath) => manifest.name + subpath.slice(1));
  return new Set(readRooms(tree).flatMap(({ manifest }) => doors(manifest)));
}

/** Fenced blocks are programs and their output; their lines are kept empty, so that numbers stay right. */
const withoutBlocks = (text: string): string => text.replace(/^```.*?^```$/gms, (block) => block.replace(/[^\n]/g, ""));

/** Decision records are numbered without gaps and say the same four things. */
export function checkDecisions(tree: Tree): string[] {
  const paths = [...tree.keys()].filter((path) => /^docs\/decisions\/.+\.md$/.test(path)).sort();
  return paths.flatMap((path, index) => {
    const refusals: string[] = [];
    const number = Number(/\/(\d{4})-[^/]+$/.exec(path)?.[1]);
    if (number !== index + 1) {
      refusals.push(
        `${path}: should be number ${index + 1}. Number records in the order they were taken, so that a number names one.`,
      );
    }
    for (const part of ["Context", "Decision", "Consequences", "Alternatives"]) {
      if (!new RegExp(`^## ${part}$`, "m").test(readText(tree, path))) {
        refusals.push(
          `${path}: no "## ${part}". Write it: a decision without it cannot be judged again when things have changed.`,
        );
      }
    }
    return refusals;
  });
}
