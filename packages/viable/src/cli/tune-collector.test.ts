import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const run = promisify(execFile);

/** Keeps some, and as much again for a while each: what a heap comes to then is up to when it is collected. */
const program = `
  const live = Array.from({ length: 600_000 }, (_, n) => ({ n, text: "live " + n }));
  const recent = [];
  let peak = 0;
  for (let n = 0; n < 6_000_000; n++) {
    recent[n % 300_000] = { n, text: "text " + n };
    if (n % 10_000 === 0) peak = Math.max(peak, process.memoryUsage().heapTotal);
  }
  console.log(live.length > 0 ? peak : 0);
`;

async function peakOf(prelude: string): Promise<number> {
  const args = ["--conditions=viable-source", "--input-type=module", "--eval", prelude + program];
  const { stdout } = await run(process.execPath, args);
  return Number(stdout);
}

test("a heap whose growth is limited comes to less under the same load", async () => {
  const module = new URL("./tune-collector.ts", import.meta.url).href;
  const limited = await peakOf(`import { tuneCollector } from ${JSON.stringify(module)}; tuneCollector();`);
  const unlimited = await peakOf("");
  expect(limited).toBeGreaterThan(0);
  expect(limited).toBeLessThan(0.9 * unlimited);
});
