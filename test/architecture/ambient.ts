import { compositionRoot } from "./levels.ts";
import { readSource } from "./source.ts";
import { isTest, readText, sourcePaths, type Tree } from "./tree.ts";

/** What makes two runs of the same code differ, by the name it is used under, and what to use instead. */
const ambient: { readonly [name: string]: string } = {
  "Date.now": "ctx.runtime.clock.now()",
  "new Date()": "new Date(ctx.runtime.clock.now())",
  "performance.now": "ctx.runtime.clock.monotonicMs()",
  "process.hrtime": "ctx.runtime.clock.monotonicMs()",
  setTimeout: "ctx.runtime.clock.setTimer or sleep",
  setInterval: "ctx.runtime.clock.setTimer, set anew each time",
  setImmediate: "ctx.runtime.clock.nextTurn()",
  "node:timers": "ctx.runtime.clock.setTimer",
  "node:timers/promises": "sleep of @viable/kernel",
  "AbortSignal.timeout": "a deadline in the context, or ctx.runtime.clock.setTimer",
  "Math.random": "ctx.runtime.random.next()",
  randomUUID: "ctx.runtime.ids.next(kind)",
  "crypto.randomUUID": "ctx.runtime.ids.next(kind)",
  randomBytes: "ctx.runtime.random.bytes(length)",
  "crypto.randomBytes": "ctx.runtime.random.bytes(length)",
  "crypto.getRandomValues": "ctx.runtime.random.bytes(length)",
};

/**
 * Where the machine's own time and chance come in, each with its reason. An entry that is not needed is refused, so the list
 * can only shrink; one more needs a reason as good.
 */
export const allowedAmbient: { readonly [path: string]: string } = {
  "packages/kernel/src/clock.ts": "asks the machine for the time, once for everybody",
  "packages/kernel/src/random.ts": "asks the machine for chance, once for everybody",
  "packages/kernel/src/simulated-time.ts": "lets the machine's loop turn between two moments of simulated time",
  "packages/log-postgres/src/directory-lock.ts":
    "names a claim among real processes on a real disk, where one seed would give two of them the same name",
};

/** Time, randomness and ids enter by the front door, so that a whole system can run under simulated time and a seed. */
export function checkAmbient(tree: Tree, allowed: { readonly [path: string]: string }): string[] {
  const refusals: string[] = [];
  const needed = new Set<string>();
  for (const path of productPaths(tree)) {
    for (const { name, line } of readSource(path, readText(tree, path)).uses) {
      const instead = ambient[name];
      if (instead === undefined) continue;
      if (Object.hasOwn(allowed, path)) needed.add(path);
      else {
        refusals.push(
          `${path}:${line}: uses ${name}. Use ${instead}: what asks the machine by itself cannot run under simulated time or be repeated from a seed.`,
        );
      }
    }
  }
  for (const path of Object.keys(allowed)) {
    if (!needed.has(path)) {
      refusals.push(
        `${path} needs no exception any more (or is gone). Take it off the list in test/architecture/ambient.ts: an unused exception is a door left open.`,
      );
    }
  }
  return refusals;
}

/** The environment and the arguments are read in one room and handed down as plain options. */
export function checkEnvironment(tree: Tree): string[] {
  return productPaths(tree)
    .filter((path) => !path.startsWith(`packages/${compositionRoot}/`))
    .flatMap((path) =>
      readSource(path, readText(tree, path))
        .uses.filter(({ name }) => name === "process.env" || name === "process.argv")
        .map(
          ({ name, line }) =>
            `${path}:${line}: reads ${name}. Take what you need as an option and let ${compositionRoot} read it: a setting read in two places has two meanings, and none that config show can print.`,
        ),
    );
}

/** What ships: the sources of the packages without their tests. */
const productPaths = (tree: Tree): string[] =>
  sourcePaths(tree).filter((path) => /^packages\/[^/]+\/(src|bin)\//.test(path) && !isTest(path));
