// What a call of the command line loads: to ask a running system, none of the rooms that a system is made of, and of what draws and writes only
// what it needs.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { Place } from "./cli.ts";

const watch = "watch.mjs";

/** A place where each call writes down what it loads. */
function placeThatWatches(): Place {
  const place = new Place();
  place.write(
    watch,
    `import { appendFileSync } from "node:fs";
     import { registerHooks } from "node:module";
     registerHooks({
       load(url, context, next) {
         appendFileSync(process.env.LOADED, url + "\\n");
         return next(url, context);
       },
     });`,
  );
  return place;
}

/** The addresses of all code that a call has loaded that came to its end. */
async function loadedBy(place: Place, ...words: string[]): Promise<string> {
  const loaded = place.path(`loaded by ${words.join(" ")}`);
  place.environment.LOADED = loaded;
  place.environment.NODE_OPTIONS = `--import=${pathToFileURL(place.path(watch)).href}`;
  const done = await place.run(...words);
  expect(done, words.join(" ")).toMatchObject({ status: 0 });
  return readFileSync(loaded, "utf8");
}

/** The rooms whose code a call has loaded. */
async function roomsLoadedBy(place: Place, ...words: string[]): Promise<string[]> {
  const urls = (await loadedBy(place, ...words)).matchAll(/\/packages\/([^/]+)\/(?:src|dist)\//g);
  return [...new Set(Array.from(urls, ([, room]) => room as string))].sort();
}

test("a question to a running system is asked without the rooms of a system, which checking a config loads", async () => {
  await using place = placeThatWatches();
  await place.start();
  for (const words of [["health"], ["exec", "text.words", "--text", "a"], ["reactors", "list"], ["--help"]])
    expect(await roomsLoadedBy(place, ...words), words.join(" ")).toEqual(["client", "kernel", "protocol", "viable"]);
  expect(await roomsLoadedBy(place, "config", "check")).toContain("swarm");
});

test("what writes YAML is loaded by who asks for it, and what measures letters not where all are English ones", async () => {
  await using place = placeThatWatches();
  await place.start();
  const libraries = /\/node_modules\/(yaml|string-width)\//;
  for (const words of [["health"], ["exec", "text.words", "--text", "a", "--output", "json"]])
    expect(await loadedBy(place, ...words), words.join(" ")).not.toMatch(libraries);
  expect(await loadedBy(place, "health", "--output", "yaml")).toMatch(/\/node_modules\/yaml\//);
});
