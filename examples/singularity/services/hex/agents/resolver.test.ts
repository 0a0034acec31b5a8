/**
 * Resolving over packages that were really published: the highest versions that do for all, conflicts with who asked for what, ways back
 * out of a choice that leads nowhere, circles, and bounds.
 */
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { publisher } from "./publisher.ts";
import { resolver } from "./resolver.ts";

/** Publishes packages given as `name@version` with what they need. */
async function publish(bench: AgentBench, packages: { readonly [id: string]: { readonly [name: string]: string } }) {
  const published = Object.entries(packages).map(async ([id, dependencies]) => {
    const at = id.lastIndexOf("@");
    await bench.run(publisher, {
      name: id.slice(0, at),
      version: id.slice(at + 1),
      kind: "agent",
      description: id,
      files: [{ path: "a.ts", content: id }],
      dependencies,
    });
  });
  await Promise.all(published);
}

const versionsOf = (result: JsonObject): JsonObject =>
  Object.fromEntries((result.packages as { name: string; version: string }[]).map((each) => [each.name, each.version]));

followsInput(resolver, "the highest in range, with what it needs, and another range another version", async (bench) => {
  await publish(bench, {
    "@house/log@1.0.0": {},
    "@house/log@1.10.0": {},
    "@house/log@1.9.0": {},
    "@house/log@2.0.0-rc.1": {},
    "greeter@1.0.0": { "@house/log": "~1.9" },
    "greeter@2.0.0": { "@house/log": "^1.0.0" },
  });
  const newest = await bench.run(resolver, { name: "greeter" });
  expect(newest).toEqual({
    resolved: true,
    packages: [
      {
        name: "@house/log",
        version: "1.10.0",
        kind: "agent",
        integrity: expect.stringMatching(/^sha512-.{88}$/),
        dependencies: {},
        asked: [{ by: "greeter@2.0.0", range: "^1.0.0" }],
      },
      {
        name: "greeter",
        version: "2.0.0",
        kind: "agent",
        integrity: expect.stringMatching(/^sha512-/),
        dependencies: { "@house/log": "^1.0.0" },
        asked: [{ by: "you", range: "*" }],
      },
    ],
    conflicts: [],
    truncated: {},
  });
  const older = await bench.run(resolver, { name: "greeter", range: "^1" });
  expect(versionsOf(older)).toEqual({ "@house/log": "1.9.0", greeter: "1.0.0" });
  return [newest, older];
});

test("a conflict says who asked for what, and which versions there are", async () => {
  await using bench = await openBench();
  await publish(bench, { "c@1.0.0": {}, "c@2.0.0": {}, "a@1.0.0": { c: "^1" }, "b@1.0.0": { c: "^2" } });
  expect(await bench.run(resolver, { dependencies: { a: "*", b: "*" } })).toEqual({
    resolved: false,
    packages: [],
    conflicts: [
      {
        name: "c",
        reason: "No version of c does for all: a@1.0.0 asks for ^1, b@1.0.0 asks for ^2.",
        asked: [
          { by: "a@1.0.0", range: "^1" },
          { by: "b@1.0.0", range: "^2" },
        ],
        versions: ["2.0.0", "1.0.0"],
      },
    ],
    truncated: {},
  });
});

test("what is not there is told with who needs it; a range that nothing is in, with what there is", async () => {
  await using bench = await openBench();
  await publish(bench, { "a@1.0.0": { ghost: "^1" }, "a@0.1.0": {} });
  expect(await bench.run(resolver, { name: "a", range: "^1" })).toMatchObject({
    resolved: false,
    conflicts: [{ name: "ghost", reason: "ghost is not in the registry: a@1.0.0 asks for ^1.", versions: [] }],
  });
  expect(await bench.run(resolver, { name: "a", range: "^3" })).toMatchObject({
    resolved: false,
    conflicts: [{ name: "a", asked: [{ by: "you", range: "^3" }], versions: ["1.0.0", "0.1.0"] }],
  });
  // Where an older version does without it, there is an answer.
  expect(versionsOf(await bench.run(resolver, { name: "a" }))).toEqual({ a: "0.1.0" });
});

test("a choice that leads nowhere is taken back, however far the trouble shows", async () => {
  await using bench = await openBench();
  await publish(bench, {
    "base@1.0.0": {},
    "base@2.0.0": {},
    "a@2.0.0": { m: "*" },
    "a@1.0.0": { base: "^1" },
    "m@1.0.0": { n: "*" },
    "n@1.0.0": { base: "^2" },
    "b@1.0.0": { base: "^1" },
  });
  expect(versionsOf(await bench.run(resolver, { dependencies: { a: "*", b: "*" } }))).toEqual({
    a: "1.0.0",
    b: "1.0.0",
    base: "1.0.0",
  });
});

test("packages that need each other, and one that needs itself", async () => {
  await using bench = await openBench();
  await publish(bench, {
    "a@1.0.0": { b: "^1" },
    "b@1.0.0": { a: "^1" },
    "s@2.0.0": { s: "^1" },
    "s@1.0.0": { s: "^1" },
  });
  expect(versionsOf(await bench.run(resolver, { name: "a" }))).toEqual({ a: "1.0.0", b: "1.0.0" });
  expect(versionsOf(await bench.run(resolver, { name: "s" }))).toEqual({ s: "1.0.0" });
});

test("a release before its time is taken only where it is asked for", async () => {
  await using bench = await openBench();
  await publish(bench, { "a@1.0.0": {}, "a@2.0.0-rc.1": {} });
  expect(versionsOf(await bench.run(resolver, { name: "a" }))).toEqual({ a: "1.0.0" });
  expect(versionsOf(await bench.run(resolver, { name: "a", range: "^2.0.0-rc.0" }))).toEqual({ a: "2.0.0-rc.1" });
});

test("an old version is found under hundreds of newer ones, and where the highest are not all, the answer says so", async () => {
  await using bench = await openBench();
  const packages: { [id: string]: { [name: string]: string } } = { "a@1.0.0": {}, "b@1.0.0": { a: "^1" } };
  for (let minor = 0; minor < 999; minor++) packages[`a@2.${minor}.0`] = {};
  await publish(bench, packages);
  const old = await bench.run(resolver, { name: "b" });
  expect(versionsOf(old)).toEqual({ a: "1.0.0", b: "1.0.0" });
  expect(old.truncated).toEqual({});
  await publish(bench, { "a@3.0.0": {} });
  expect(await bench.run(resolver, { name: "b" })).toMatchObject({
    resolved: false,
    conflicts: [{ name: "a", reason: "None of the 1000 highest versions of a does for all: b@1.0.0 asks for ^1." }],
    truncated: { versions: 1 },
  });
});

test("what fails for a reason of its own is told, however much else there is to choose", async () => {
  await using bench = await openBench();
  // Four to the power of eight ways lead nowhere, and none of them has to do with it.
  const packages: { [id: string]: { [name: string]: string } } = { "end@1.0.0": {}, "z@1.0.0": { end: "^2" } };
  const names = ["a", "b", "c", "d", "e", "f", "g", "h"];
  for (const name of names) for (let minor = 0; minor < 4; minor++) packages[`${name}@1.${minor}.0`] = {};
  await publish(bench, packages);
  const dependencies = Object.fromEntries([...names, "z"].map((name) => [name, "*"]));
  expect(await bench.run(resolver, { dependencies })).toMatchObject({
    resolved: false,
    conflicts: [{ name: "end", asked: [{ by: "z@1.0.0", range: "^2" }], versions: ["1.0.0"] }],
  });
});

test("what takes too many tries is given up with an error, and others had their turn meanwhile", async () => {
  await using bench = await openBench();
  // Nine pigeons and eight holes: every order of them leads nowhere.
  const packages: { [id: string]: { [name: string]: string } } = {};
  for (let pigeon = 1; pigeon <= 9; pigeon++) {
    for (let hole = 1; hole <= 8; hole++) {
      packages[`hole-${hole}@${pigeon}.0.0`] = {};
      packages[`pigeon-${pigeon}@${hole}.0.0`] = { [`hole-${hole}`]: `${pigeon}.0.0` };
    }
  }
  await publish(bench, packages);
  let turns = 0;
  const { clock } = bench.ctx.runtime;
  const count = () => {
    turns++;
    timer = clock.setTimer(count, 0);
  };
  let timer = clock.setTimer(count, 0);
  const dependencies = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [`pigeon-${index + 1}`, "*"]));
  await expect(bench.run(resolver, { dependencies })).rejects.toMatchObject({ code: "resolve.too_much" });
  timer.cancel();
  expect(turns).toBeGreaterThan(10);
});

test("what is no range, and nothing wanted, is refused", async () => {
  await using bench = await openBench();
  await expect(bench.run(resolver, { name: "a", range: "newest" })).rejects.toMatchObject({
    code: "resolve.invalid",
    message: expect.stringContaining('"newest" (for a)'),
  });
  expect(resolver.input.safeParse({}).error?.issues[0]?.path).toEqual(["name"]);
  expect(resolver.input.safeParse({ name: "a", dependencies: { a: "1" } }).success).toBe(false);
});
