// What a step is called with, taken from what there is: only what is there itself, and nothing that every object has.
import { expect, test } from "vitest";
import type { Argument, Sources } from "./argument.ts";
import { resolve, sourcesOf } from "./argument.ts";

const sources: Sources = {
  input: { name: "ada", lines: [{ price: 3 }, { price: 4 }] },
  result: (step) => (step === "pay" ? { id: "p1", missing: null } : undefined),
  element: (of) => (of === "m" ? { n: 7 } : undefined),
  index: () => 2,
};

test.for<[string, Argument, unknown]>([
  ["the input", { from: "input", path: ["lines", "1", "price"] }, 4],
  ["a result", { from: "result", step: "pay", path: ["id"] }, "p1"],
  ["an element", { from: "element", of: "m", path: ["n"] }, 7],
  ["its number", { from: "index", of: "m" }, 2],
  ["a constant", { from: "value", value: { a: 1 } }, { a: 1 }],
  ["what is not there", { from: "result", step: "gone", path: [] }, undefined],
  ["what is inside of nothing", { from: "result", step: "pay", path: ["missing", "deeper"] }, undefined],
  ["what is inside of a text", { from: "input", path: ["name", "length"] }, undefined],
  ["how long a list is", { from: "input", path: ["lines", "length"] }, 2],
  ["what every object has", { from: "input", path: ["constructor", "name"] }, undefined],
  ["what every list has", { from: "input", path: ["lines", "map"] }, undefined],
])("is taken: %s", ([, argument, value]) => {
  expect(resolve(argument, sources)).toEqual(value);
});

test("what is not there is left out of an object, and is null in a list, which keeps its length", () => {
  const gone: Argument = { from: "result", step: "gone", path: [] };
  const there: Argument = { from: "index", of: "m" };
  expect(resolve({ from: "object", members: { gone, there } }, sources)).toStrictEqual({ there: 2 });
  expect(resolve({ from: "list", items: [gone, there] }, sources)).toStrictEqual([null, 2]);
});

test("all that an argument is taken from is told, wherever in it, and constants are not", () => {
  const there: Argument = { from: "index", of: "m" };
  const pay: Argument = { from: "result", step: "pay", path: ["id"] };
  const argument: Argument = {
    from: "object",
    members: {
      a: { from: "list", items: [there, { from: "value", value: 1 }] },
      b: { from: "object", members: { pay } },
    },
  };
  expect([...sourcesOf(argument)]).toEqual([there, pay]);
});
