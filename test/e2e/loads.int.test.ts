// What a call of the command line loads: to ask a running system, none of the rooms that a system is made of.
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

/** The rooms whose code a call has loaded that came to its end, of these packages. */
async function roomsLoadedBy(place: Place, ...words: string[]): Promise<string[]> {
  const loaded = place.path(`loaded by ${words.join(" ")}`);
  place.environment.LOADED = loaded;
  place.environment.NODE_OPTIONS = `--import=${pathToFileURL(place.path(watch)).href}`;
  const done = await place.run(...words);
  expect(done, words.join(" ")).toMatchObject({ status: 0 });
  const urls = readFileSync(loaded, "utf8").matchAll(/\/packages\/([^/]+)\/(?:src|dist)\//g);
  return [...new Set(Array.from(urls, ([, room]) => room as string))].sort();
}

test("a question to a running system is asked without the rooms of a system, which checking a config loads", async () => {
  await using place = placeThatWatches();
  await place.start();
  for (const words of [["health"], ["exec", "text.words", "--text", "a"], ["reactors", "list"], ["--help"]])
    expect(await roomsLoadedBy(place, ...words), words.join(" ")).toEqual(["client", "kernel", "protocol", "viable"]);
  expect(await roomsLoadedBy(place, "config", "check")).toContain("swarm");
});
