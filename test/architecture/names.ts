import { readRooms } from "./rooms.ts";
import { readText, type Tree } from "./tree.ts";

const drawers = new Set(["util", "utils", "common", "misc", "helper", "helpers", "shared", "lib"]);
/** Root documents and READMEs carry the names that people look for. */
const known = /^(README|ARCHITECTURE|STYLE|CONTRIBUTING)\.md$|^LICENSE$/;
/** Lower case words joined by `-`; a suffix after a dot tells the kind: `.test.ts`, `.int.test.ts`, `.config.ts`. */
const kebab = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;

/** One spelling for every file and folder. */
export function checkSpelling(tree: Tree): string[] {
  return [...tree.keys()].flatMap((path) =>
    path
      .split("/")
      .filter((part) => !part.startsWith(".") && !kebab.test(part) && !known.test(part))
      .map(
        (part) =>
          `${path}: "${part}" is not kebab-case. Write lower case words joined by "-": a file that differs from another only in case is one file on some machines and two on others.`,
      ),
  );
}

/** No drawers: a name that says nothing collects what nobody wanted to name. */
export function checkDrawers(tree: Tree): string[] {
  return [...tree.keys()].flatMap((path) =>
    path
      .split("/")
      .filter((part) => drawers.has(part.replace(/\..*$/, "")))
      .map(
        (part) =>
          `${path}: "${part}" is a drawer. Name it after what it does, or put each function beside its one caller: in a drawer nobody finds it and everybody depends on it.`,
      ),
  );
}

/** Every room has the same furniture. */
export function checkFurniture(tree: Tree): string[] {
  const refusals: string[] = [];
  for (const { room, folder, manifest } of readRooms(tree)) {
    const name = room === "viable" ? "viable" : `@viable/${room}`;
    if (manifest.name !== name) {
      refusals.push(
        `${folder}/package.json: named ${manifest.name}. Name it ${name}: folder and name lead to each other.`,
      );
    }
    if (!manifest.description) {
      refusals.push(
        `${folder}/package.json: no description. Say in one line what the room is for: it is what lists show.`,
      );
    }
    if (!tree.has(`${folder}/src/index.ts`)) {
      refusals.push(`${folder}: no src/index.ts. Make it, with named exports: it is the room's only door.`);
    }
    if (!tree.has(`${folder}/README.md`)) {
      refusals.push(
        `${folder}: no README.md. Write what the room is for, its main call, and what it promises and does not: the reader of a package meets nothing else.`,
      );
    } else if (readText(tree, `${folder}/README.md`).trim().split("\n").length < 3) {
      refusals.push(
        `${folder}/README.md: says next to nothing. Write what the room is for, its main call and its promises.`,
      );
    }
    for (const [subpath, target] of Object.entries(manifest.exports ?? {})) {
      if (typeof target === "string") continue;
      const [first] = Object.keys(target as object);
      if (first !== "viable-source") {
        refusals.push(
          `${folder}/package.json: exports["${subpath}"] begins with ${first}. Put "viable-source" first: Node takes the first condition that holds, and in this checkout there is no dist.`,
        );
      }
    }
  }
  return refusals;
}
