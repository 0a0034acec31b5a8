/**
 * G18: what clients of the reference system rely on stays as long as the major version does. What its gateway describes now is held against
 * what is published, in both directions: nothing may go, and what has come is published, so that it cannot go unseen.
 */
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { breakingChanges } from "./breaking-changes.ts";
import { describeReference, readPublished, toContract } from "./published.ts";

const now = await describeReference();

test("the description is an OpenAPI 3.1 document, by the specification's own schema", async () => {
  expect(await new Validator().validate(structuredClone(now))).toMatchObject({ valid: true });
  // And the validator sees what is none.
  expect(await new Validator().validate({ ...structuredClone(now), paths: { "no-slash": {} } })).toMatchObject({
    valid: false,
  });
});

test("every reference leads to something, and nothing stands there that none leads to but what is known by name", () => {
  const text = JSON.stringify(now);
  const refs = new Set([...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name as string));
  const there = Object.keys(now.components.schemas);
  expect([...refs].filter((name) => !there.includes(name))).toEqual([]);
  // What a command is like where it is not told of by name.
  expect(there.filter((name) => !refs.has(name))).toEqual(["SendCommand"]);
});

test("every operation has a name of its own", () => {
  const names = Object.values(now.paths).flatMap((path) => Object.values(path).map(({ operationId }) => operationId));
  expect(names.length).toBeGreaterThan(50);
  expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([]);
});

test("nothing that is published has gone or is asked for otherwise", () => {
  expect(
    breakingChanges(readPublished(), toContract(now)),
    "a client that was written by the published description breaks",
  ).toEqual([]);
});

test("what has come is published: node --conditions=viable-source test/openapi/accept.ts", () => {
  expect(
    breakingChanges(toContract(now), readPublished()),
    "not yet published; run test/openapi/accept.ts and read its diff",
  ).toEqual([]);
});
