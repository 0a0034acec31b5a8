// node --conditions=viable-source test/openapi/accept.ts: takes what the reference system answers to now for what is published, if nobody's
// client is broken by it. With --breaking: also if somebody's is, which is for a major version.
import { writeFileSync } from "node:fs";
import { breakingChanges } from "./breaking-changes.ts";
import { describeReference, publishedFile, readPublished, toContract } from "./published.ts";

const now = toContract(await describeReference());
const published = readPublished();
const broken = breakingChanges(published, now);
for (const change of broken) console.log(`breaks clients: ${change}`);
for (const change of breakingChanges(now, published)) console.log(`new, read backwards: ${change}`);
if (broken.length > 0 && !process.argv.includes("--breaking")) {
  console.error(
    "Nothing was written. Keep what clients use, beside what takes its place; or give --breaking, with a major version.",
  );
  process.exitCode = 1;
} else {
  writeFileSync(publishedFile, `${JSON.stringify(now, null, 1)}\n`);
}
