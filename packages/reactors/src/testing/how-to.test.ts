// That the programs of `docs/how-to/test-a-reactor.md` do what they say: they are tests, and are run here as they stand there.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReactorDefinition } from "../definition.ts";
import { testReactor } from "./test-reactor.ts";

const root = join(import.meta.dirname, "../../../..");
const text = readFileSync(join(root, "docs/how-to/test-a-reactor.md"), "utf8");
const programs = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, program]) => program as string);

// Below the root, so that packages are found as users find them.
mkdirSync(join(root, ".cache"), { recursive: true });
const folder = mkdtempSync(join(root, ".cache", "how-to-"));
afterAll(() => rmSync(folder, { recursive: true }));
let refund: ReactorDefinition<{ amount: number }> | undefined;

for (const [index, program] of programs.entries()) {
  const file = join(folder, `program-${index}.ts`);
  writeFileSync(file, program);
  const names = [...program.matchAll(/^test/gm)].length;
  // What it says of tests is said to this file's describe.
  const load = async () => {
    const module = (await import(file)) as { refund?: typeof refund };
    refund ??= module.refund;
  };
  if (names === 0) test(`program ${index + 1} loads`, load);
  else describe(`program ${index + 1}`, load);
}

beforeAll(async () => {
  expect(programs).toHaveLength(3);
  const definition = refund as NonNullable<typeof refund>;
  const histories = join(folder, "histories");
  mkdirSync(histories);
  const save = (name: string, events: readonly unknown[]) =>
    writeFileSync(join(histories, `${name}.json`), JSON.stringify(events));
  const waiting = await testReactor(definition, { input: { amount: 200 } });
  save("waiting", waiting.events);
  await waiting.approve();
  save("approved", waiting.events);
  save("small", (await testReactor(definition, { input: { amount: 20 } })).events);
});
