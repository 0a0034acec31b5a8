// What a call of the command line loads: to ask a running system, none of the rooms that a system is made of.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { Place } from "./cli.ts";

/** The rooms whose code a call has loaded, of these packages. */
async function roomsLoadedBy(...words: string[]): Promise<string[]> {
  await using place = new Place();
  place.write(
    "watch.mjs",
    `import { appendFileSync } from "node:fs";
     import { registerHooks } from "node:module";
     registerHooks({
       load(url, context, next) {
         appendFileSync(${JSON.stringify(place.path("loaded"))}, url + "\\n");
         return next(url, context);
       },
     });`,
  );
  place.environment.NODE_OPTIONS = `--import=${pathToFileURL(place.path("watch.mjs")).href}`;
  await place.run(...words);
  const loaded = readFileSync(place.path("loaded"), "utf8").matchAll(/\/packages\/([^/]+)\/(?:src|dist)\//g);
  return [...new Set(Array.from(loaded, ([, room]) => room as string))].sort();
}

test("a question to a running system is asked without the rooms of a system, which checking a config loads", async () => {
  for (const words of [["health"], ["exec", "text.words", "--text", "a"], ["reactors", "list"], ["--help"]])
    expect(await roomsLoadedBy(...words), words.join(" ")).toEqual(["client", "kernel", "protocol", "viable"]);
  expect(await roomsLoadedBy("config", "check")).toContain("swarm");
});
