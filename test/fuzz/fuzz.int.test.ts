/**
 * Every entrance of a gateway that listens, attacked with inputs that are drawn: all of its routes with methods, queries, headers and bodies, all frames of
 * its sockets, all commands by their schemas, each nearly right, and bytes. Two tenants live there, with a canary in all that can be read. Held: it goes on and
 * serves; nothing that it answers is an error of ours; and nobody is told a word of another tenant, or of another session where its token is bound to one.
 * Seeds that once found something are drawn first. `npm run fuzz -- --inputs 1000000` draws more.
 */
import { expect, test } from "vitest";
import { batchInputs, runFuzz } from "./run-fuzz.ts";
import seeds from "./seeds.json" with { type: "json" };

const inputs = 10_000;

test.each(seeds)("W11: what was found once is found no more: seed %i", async (seed) => {
  expect((await runFuzz({ seed, inputs: batchInputs, store: "pglite" })).failures).toEqual([]);
});

test("W11: ten thousand inputs cause no error of ours and tell nobody of anybody else", {
  timeout: 300_000,
}, async () => {
  const seed = Number(process.env.VIABLE_TEST_SEED || Date.now() % 1_000_000_000);
  console.log(`REPLAY: VIABLE_TEST_SEED=${seed} npm test -- --project int fuzz`);
  const report = await runFuzz({ seed, inputs, store: "pglite" });
  expect(report.failures.slice(0, 5)).toEqual([]);
  // It got in: a run in which all is refused at the door would prove nothing.
  for (const answer of ["200", "201", "202", "401", "403", "404", "422", "frame"])
    expect(report.answers[answer] ?? 0, answer).toBeGreaterThan(inputs / 2_000);
});
