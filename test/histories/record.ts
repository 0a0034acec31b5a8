// node --conditions=viable-source test/histories/record.ts WALK [NAME]: goes a walk and keeps what it wrote, under the walk's name or
// another. With --folds: what all histories fold to is written down anew. README.md says when to do which.
import { existsSync, writeFileSync } from "node:fs";
import { foldFile, foldHistory, historyFile, readHistories } from "./history.ts";
import { walks } from "./walks.ts";

const [what = "", name = what] = process.argv.slice(2);
const writeFold = async (of: string, events: Parameters<typeof foldHistory>[0]) =>
  writeFileSync(foldFile(of), `${JSON.stringify(await foldHistory(events), null, 2)}\n`);

if (what === "--folds") {
  for (const { name: each, events } of readHistories()) await writeFold(each, events);
} else {
  const walk = walks[what];
  if (walk === undefined) fail(`There is no walk "${what}"; there are ${Object.keys(walks).join(", ")}.`);
  else if (existsSync(historyFile(name)))
    fail(`${name} is recorded. A history is never written anew: give this one another name.`);
  else {
    const events = await walk();
    writeFileSync(historyFile(name), events.map((event) => `${JSON.stringify(event)}\n`).join(""));
    await writeFold(name, events);
  }
}

function fail(message: string): void {
  console.error(message);
  process.exitCode = 1;
}
