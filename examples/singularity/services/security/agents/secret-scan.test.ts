import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { secretScan } from "./secret-scan.ts";

// Put together at run time: written out they would be found by every scan of this repository, rightly.
const githubToken = ["ghp", "a1B2".repeat(9)].join("_");
const databaseUrl = ["postgres://user", "hunter2hunter2@db.example.org/x"].join(":");

followsInput(secretScan, "places and kinds of secrets in any text file, and none in a clean tree", async (bench) => {
  await using leaky = await plantTree({
    "src/a.ts": `export const port = 80;\nconst token = "${githubToken}";\n`,
    ".env": `DATABASE_URL=${databaseUrl}\n`,
    "clean.ts": "export const greeting = 1;\n",
  });
  const result = await bench.run(secretScan, { path: leaky.path });
  expect(result).toMatchObject({
    count: 2,
    scannedFiles: 3,
    secrets: [
      { file: ".env", line: 1, kind: "database-connection-string.PostgreSQLConnection" },
      { file: "src/a.ts", line: 2, kind: "github.GITHUB_TOKEN" },
    ],
  });

  await using clean = await plantTree({ "a.ts": "const token = process.env.TOKEN;\n" });
  const nothing = await bench.run(secretScan, { path: clean.path });
  expect(nothing).toMatchObject({ count: 0, secrets: [] });
  return [result, nothing];
});

test("the secret itself is nowhere in the result", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ "a.ts": `x = "${githubToken}"\n` });
  const text = JSON.stringify(await bench.run(secretScan, { path: tree.path }));
  expect(text).toContain("GITHUB_TOKEN");
  expect(text).not.toContain(githubToken.slice(0, 12));
});
