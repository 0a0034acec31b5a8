// Proves how two answers are held against each other: what counts as equal, and which places are named.
import { canonicalJson } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareAnswers } from "./compare-answers.ts";

describe("two answers", () => {
  test("that hold the same are equal, in whichever order their members stand", () => {
    expect(compareAnswers({ a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 })).toEqual({
      differences: [],
      more: 0,
    });
  });

  test("differ where something else stands, and where only one has something", () => {
    const service = { lines: 3, files: [{ path: "a" }], "odd name": true, both: {} };
    const legacy = { lines: 4, files: [{ path: "a" }, { path: "b" }], gone: "x", both: [] };
    expect(compareAnswers(service, legacy).differences).toEqual([
      { path: "both", service: "{}", legacy: "[]" },
      { path: "files[1]", legacy: '{"path":"b"}' },
      { path: "gone", legacy: '"x"' },
      { path: "lines", service: "3", legacy: "4" },
      { path: '["odd name"]', service: "true" },
    ]);
    expect(compareAnswers(1, "1").differences).toEqual([{ path: "the whole", service: "1", legacy: '"1"' }]);
  });

  test("differ in names that every object has, where only one has them as its own", () => {
    const own = JSON.parse('{"__proto__":{},"toString":"x"}');
    expect(compareAnswers(own, {}).differences).toEqual([
      { path: "__proto__", service: "{}" },
      { path: "toString", service: '"x"' },
    ]);
  });

  test("have at most twenty differences named, each of them short, and the rest counted (W10)", () => {
    const numbers = (plus: number) => Array.from({ length: 1_000 }, (_, index) => index + plus);
    const { differences, more } = compareAnswers(numbers(0), numbers(1));
    expect([differences.length, more]).toEqual([20, 980]);
    const long = compareAnswers({ ["k".repeat(500)]: "x".repeat(5_000) }, {}).differences[0];
    for (const text of [long?.path, long?.service]) expect(text).toMatch(/^.{119}…$/);
  });

  test("are equal exactly where their canonical JSON is", () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    const pair = fc.oneof(
      fc.tuple(json, json),
      json.map((value) => [value, JSON.parse(JSON.stringify(value))]),
    );
    fc.assert(
      fc.property(pair, ([raw, other]) => {
        const [a, b] = [JSON.parse(JSON.stringify(raw)), JSON.parse(JSON.stringify(other))];
        expect(compareAnswers(a, b).differences.length === 0).toBe(canonicalJson(a) === canonicalJson(b));
      }),
    );
  });
});
