import { readText, type Tree } from "./tree.ts";

/** The reference that is held against the code, and of which names it is. */
export const reference = { path: "docs/reference/reactors.md", rooms: ["reactor", "approval"] } as const;

/** Names in the sources of what the reference is about: codes of errors, commands, events. */
export function findNames(tree: Tree): ReadonlySet<string> {
  const pattern = new RegExp(`"((?:${reference.rooms.join("|")})\\.[a-z_]+)"`, "g");
  const names = new Set<string>();
  for (const path of tree.keys()) {
    if (!/^packages\/[^/]+\/src\/.*\.ts$/.test(path) || path.endsWith(".test.ts")) continue;
    for (const [, name] of readText(tree, path).matchAll(pattern)) names.add(name as string);
  }
  return names;
}

/** Every name is in the reference, and it names nothing that is not there. `others` are further ones that it must name. */
export function checkReference(tree: Tree, others: ReadonlySet<string>): string[] {
  const named = new Set(
    [...readText(tree, reference.path).matchAll(/`([a-z]+(?:\.[a-z_]+)+)`/g)].map(([, name]) => name as string),
  );
  const there = findNames(tree);
  const missing = [...there, ...others].filter((name) => !named.has(name));
  const room = new RegExp(`^(${reference.rooms.join("|")})\\.`);
  const gone = [...named].filter((name) => room.test(name) && !there.has(name) && !others.has(name));
  return [
    ...missing.map((name) => `${reference.path} does not name ${name}. Add it to its table.`),
    ...gone.map((name) => `${reference.path} names ${name}, which is nowhere in the code. Take it out.`),
  ];
}
