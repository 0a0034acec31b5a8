import { architecture } from "./rooms.ts";
import { readSource } from "./source.ts";
import { readText, sourcePaths, type Tree } from "./tree.ts";

/** The invariants that ARCHITECTURE.md states: lines such as `- **W1** A command is durable …`. */
export const readInvariants = (tree: Tree): string[] =>
  [...readText(tree, architecture).matchAll(/^- \*\*(W\d+)\*\* /gm)].map(([, name]) => name as string);

/** Files about citing: what they cite is no citation. */
const aboutCiting = /^test\/architecture\/(invariants|little-house)\./;

/** Where each invariant is cited: in a comment or the name of a test, in packages, examples and tests of the whole. */
export function findCitations(tree: Tree): Map<string, string[]> {
  const citations = new Map<string, string[]>();
  for (const path of sourcePaths(tree)) {
    if (!/^(packages|examples|test)\//.test(path) || aboutCiting.test(path)) continue;
    for (const remark of readSource(path, readText(tree, path)).remarks) {
      for (const [name] of remark.matchAll(/\bW\d+\b/g)) {
        const paths = citations.get(name) ?? [];
        if (!paths.includes(path)) paths.push(path);
        citations.set(name, paths);
      }
    }
  }
  return citations;
}

/** Every invariant is cited where it is kept, and nobody cites one that is not there. */
export function checkInvariants(tree: Tree): string[] {
  const stated = readInvariants(tree);
  const citations = findCitations(tree);
  const refusals: string[] = [];
  for (const name of stated) {
    if (!citations.has(name)) {
      refusals.push(
        `${name} is stated in ${architecture} and cited nowhere. Cite it in a comment where it is kept and in the name of the test that would fail: a promise without a place is kept by nobody.`,
      );
    }
  }
  for (const [name, paths] of citations) {
    if (!stated.includes(name)) {
      refusals.push(
        `${paths[0]}: cites ${name}, which ${architecture} does not state. Correct the number, or state it there.`,
      );
    }
  }
  return refusals;
}
