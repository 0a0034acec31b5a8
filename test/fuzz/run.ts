/**
 * `npm run fuzz -- --inputs 1000000 [--seed N] [--json FILE]`: as many inputs as are wanted, on both stores in turn. Seeds of batches in which something
 * was found are added to `seeds.json`, where every test run draws them first. Ends with status 1 where something was found.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import type { FuzzFailure } from "./run-fuzz.ts";
import { batchInputs, runFuzz } from "./run-fuzz.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Date.now() % 1_000_000_000) },
    json: { type: "string" },
  },
});
const [inputs, seed] = [Number(values.inputs), Number(values.seed)];
if (!Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed) || seed < 0) {
  console.error("--inputs and --seed are whole numbers, as in: npm run fuzz -- --inputs 1000000 --seed 1");
  process.exit(2);
}

const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" }).trim();
const beganMs = performance.now();
const answers: Record<string, number> = {};
const failures: FuzzFailure[] = [];
let done = 0;
/** Writes down what there is so far: a run of hours may be ended at any time. */
function keep(): void {
  if (values.json === undefined) return;
  const result = {
    date: new Date().toISOString().slice(0, 10),
    commit,
    machine: { cores: cpus().length, node: process.versions.node },
    seed,
    inputs: done,
    seconds: Math.round((performance.now() - beganMs) / 1_000),
    answers,
    findings: failures.length,
  };
  writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
}
/** So many are drawn on one store, and as many on the other then. */
const turn = 20_000;
for (let n = 0; done < inputs; n++) {
  const asked = Math.min(turn, inputs - done);
  const store = n % 2 === 0 ? "pglite" : "memory";
  const report = await runFuzz({ seed: seed + done / batchInputs, inputs: asked, store });
  for (const [answer, count] of Object.entries(report.answers)) answers[answer] = (answers[answer] ?? 0) + count;
  failures.push(...report.failures);
  done += report.inputs;
  const perSecond = Math.round(done / ((performance.now() - beganMs) / 1_000));
  keep();
  console.error(`${done} of ${inputs} inputs, ${perSecond} a second, ${failures.length} findings`);
}

if (failures.length > 0) {
  const file = new URL("./seeds.json", import.meta.url);
  const known = JSON.parse(readFileSync(file, "utf8")) as number[];
  const all = [...new Set([...known, ...failures.map((each) => each.seed)])];
  writeFileSync(file, `${JSON.stringify(all)}\n`);
  for (const failure of failures.slice(0, 20)) console.error(JSON.stringify(failure).slice(0, 2_000));
}
process.exit(failures.length === 0 ? 0 : 1);
