// Time, chance, the environment: where the product may ask the machine. Each rule is also broken once, in a little house.
import { describe, expect, it } from "vitest";
import { allowedAmbient, checkAmbient, checkEnvironment } from "./ambient.ts";
import { littleHouse, littleHouseAmbient } from "./little-house.ts";
import { plant, readTree } from "./tree.ts";

const tree = readTree();
const plantedIn = (path: string, text: string) => plant(littleHouse, { [path]: text });

describe("time and chance come from the context", () => {
  it("holds here", () => expect(checkAmbient(tree, allowedAmbient)).toEqual([]));
  it("holds in the little house", () => expect(checkAmbient(littleHouse, littleHouseAmbient)).toEqual([]));

  it.each([
    ["Date.now", "export const at = Date.now();"],
    ["Date.now", "export const { at = Date.now } = {};"],
    ["Date.now", 'export const at = Date["now"]();'],
    ["new Date()", "export const at = new Date();"],
    ["performance.now", "export const at = performance.now();"],
    ["Math.random", "export const chance = Math.random();"],
    ["setTimeout", "setTimeout(() => {}, 1);"],
    ["setTimeout", "globalThis.setTimeout(() => {}, 1);"],
    ["setInterval", "setInterval(() => {}, 1);"],
    ["setImmediate", "setImmediate(() => {});"],
    ["node:timers/promises", 'import { scheduler } from "node:timers/promises";'],
    ["AbortSignal.timeout", "export const signal = AbortSignal.timeout(1);"],
    ["crypto.randomUUID", "export const id = crypto.randomUUID();"],
    ["crypto.getRandomValues", "crypto.getRandomValues(new Uint8Array(1));"],
    ["process.hrtime", "process.hrtime.bigint();"],
  ])("refuses %s: %s", (name, text) => {
    expect(checkAmbient(plantedIn("packages/log/src/planted.ts", text), littleHouseAmbient)).toEqual([
      expect.stringContaining(`packages/log/src/planted.ts:1: uses ${name}. Use `),
    ]);
  });

  it("refuses randomUUID by any way in", () => {
    const text = 'import { randomUUID } from "node:crypto";\nexport const id = randomUUID();\n';
    const refusals = checkAmbient(plantedIn("packages/log/src/planted.ts", text), littleHouseAmbient);
    expect(refusals).toContainEqual(expect.stringContaining("planted.ts:2: uses randomUUID. Use ctx.runtime.ids"));
  });

  it.each([
    ["a date of a known time", "packages/log/src/planted.ts", "export const at = new Date(0);"],
    [
      "a member that happens to be called so",
      "packages/log/src/planted.ts",
      "export const set = (x: any) => x.setTimeout(1);",
    ],
    ["the machine in a test", "packages/log/src/planted.test.ts", "setTimeout(() => {}, Date.now());"],
    ["the machine in what tests are made of", "packages/log/src/tail/testing/planted.ts", "setTimeout(() => {}, 1);"],
    ["the machine in a tool", "tools/planted.ts", "setTimeout(() => {}, Date.now());"],
  ])("allows %s", (_what, path, text) => {
    expect(checkAmbient(plantedIn(path, text), littleHouseAmbient)).toEqual([]);
  });

  it("refuses an exception that nobody needs", () => {
    expect(
      checkAmbient(littleHouse, { ...littleHouseAmbient, "packages/log/src/index.ts": "once upon a time" }),
    ).toEqual([expect.stringMatching(/packages\/log\/src\/index.ts needs no exception any more/)]);
  });
});

describe("the environment is read in one room", () => {
  it("holds here", () => expect(checkEnvironment(tree)).toEqual([]));
  it("holds in the little house", () => expect(checkEnvironment(littleHouse)).toEqual([]));

  it.each([
    ["process.env", 'export const url = process.env["DATABASE_URL"];'],
    ["process.env", "export const { HOME } = process.env;"],
    ["process.argv", "export const args = process.argv.slice(2);"],
    ["process.env", 'import { env } from "node:process";\nexport const { HOME } = env;'],
  ])("refuses %s elsewhere: %s", (name, text) => {
    expect(checkEnvironment(plantedIn("packages/log-postgres/src/planted.ts", text))).toEqual([
      expect.stringContaining(`reads ${name}. Take what you need as an option and let viable read it`),
    ]);
  });
});
