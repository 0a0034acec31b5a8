import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { codeRisk } from "./code-risk.ts";

// Every line is one risk, and the line under it the harmless twin.
const risky = `import { exec, spawn } from "node:child_process"; import * as cp from "child_process"; import { createHash } from "node:crypto";
eval(input);
evaluate(input);
new Function("a", body);
new Functional();
exec("rm -r " + folder);
exec("ls -l");
cp.execSync(\`git \${args}\`);
cp.execFileSync("git", args);
spawn(command, { shell: true });
spawn(command, { shell: false });
element.innerHTML = html;
element.innerHTML = "";
document.write(html);
document.writeln("<b>fixed</b>");
const view = { dangerouslySetInnerHTML: { __html: html } };
const safe = { innerText: html };
connect({ rejectUnauthorized: false });
connect({ rejectUnauthorized: true });
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "1";
createHash("md5");
createHash("sha256");
/^(a+)+$/.test(x);
/^(ab?)+$/.test(x);
setTimeout("run()", 1);
setTimeout(run, 1);
database.exec(sql);
`;

followsInput(codeRisk, "risky calls by line and kind, and nothing about their harmless twins", async (bench) => {
  await using tree = await plantTree({ "a.js": risky, "view.tsx": "<b dangerouslySetInnerHTML={x} />;" });
  const all = await bench.run(codeRisk, { path: tree.path });
  const { count, risks } = all;
  const found = (risks as { file: string; line: number; kind: string }[]).map((each) => [
    each.file,
    each.line,
    each.kind,
  ]);
  expect(found).toEqual([
    ["a.js", 2, "eval"],
    ["a.js", 4, "eval"],
    ["a.js", 6, "shell"],
    ["a.js", 8, "shell"],
    ["a.js", 10, "shell"],
    ["a.js", 12, "markup"],
    ["a.js", 14, "markup"],
    ["a.js", 16, "markup"],
    ["a.js", 18, "tls"],
    ["a.js", 20, "tls"],
    ["a.js", 22, "weak_hash"],
    ["a.js", 24, "slow_pattern"],
    ["a.js", 26, "eval"],
    ["view.tsx", 1, "markup"],
  ]);
  expect(count).toBe(14);

  await using clean = await plantTree({ "a.ts": "export const sum = (a: number, b: number) => a + b;" });
  const none = await bench.run(codeRisk, { path: clean.path });
  expect(none).toMatchObject({ count: 0, kinds: {}, risks: [] });
  return [all, none];
});

test("what ships comes before tests", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({ "a.test.ts": "eval(x);", "b.ts": "eval(x);" });
  expect(await bench.run(codeRisk, { path: tree.path })).toMatchObject({
    risks: [
      { file: "b.ts", inTest: false },
      { file: "a.test.ts", inTest: true },
    ],
  });
});
