// That a ref stands for a place and nothing else: it can be handed on and gone into, and whatever else is done with it, or written beside it,
// is refused where it is written.
import { describe, expect, test } from "vitest";
import type { Argument } from "./argument.ts";
import type { Ref } from "./ref.ts";
import { refsTo, refTo, toArgument } from "./ref.ts";

const pay: Argument = { from: "result", step: "pay", path: [] };
const place = 'reactor "order", ship.args';
const ref = refTo<{ id: string; lines: { price: number }[] }>(pay, place);

describe("a ref", () => {
  test("is gone into by member and by number", () => {
    expect(toArgument(ref)).toEqual(pay);
    expect(toArgument(ref.lines[2]?.price)).toEqual({ from: "result", step: "pay", path: ["lines", "2", "price"] });
    expect(toArgument(refTo({ from: "element", of: "m", path: ["a"] }, place))).toEqual({
      from: "element",
      of: "m",
      path: ["a"],
    });
  });

  test("goes by any name, also one that every object has", () => {
    const strange = refTo<Record<string, unknown>>(pay, place);
    expect(toArgument(strange.constructor)).toEqual({ from: "result", step: "pay", path: ["constructor"] });
    expect(toArgument(strange.toString)).toEqual({ from: "result", step: "pay", path: ["toString"] });
  });

  test("is not awaited, though one of its members may be named then", async () => {
    const strange = refTo<{ then: string }>(pay, place);
    expect(toArgument(await strange)).toEqual(pay);
    expect(toArgument(strange.then)).toEqual({ from: "result", step: "pay", path: ["then"] });
  });

  test("to a number of an element has nothing inside", () => {
    expect((refTo({ from: "index", of: "m" }, place) as unknown as { a: unknown }).a).toBeUndefined();
  });

  test.for<[string, () => unknown, string]>([
    ["written into a text", () => `${ref.id}`, "results.pay.id is written into a text or computed with"],
    ["added to", () => (ref.id as unknown as number) + 1, "results.pay.id is written into a text or computed with"],
    ["gone through", () => [...(ref.lines as unknown as number[])], "results.pay.lines is gone through"],
    ["spread", () => ({ ...ref }), "results.pay is spread or listed, what it has is not known"],
    ["listed", () => Object.keys(ref.lines), "results.pay.lines is spread or listed, what it has is not known"],
    ["written as JSON", () => JSON.stringify(ref), "results.pay.toJSON is called"],
    [
      "called",
      () => (ref.lines as unknown as { map(each: unknown): void }).map(String),
      "results.pay.lines.map is called",
    ],
    ["asked what it has", () => "id" in ref, "results.pay is asked whether it has id"],
  ])("cannot be computed with, and is refused with the place: %s", ([, compute, reason]) => {
    expect(compute).toThrow(
      expect.objectContaining({
        code: "reactor.invalid_argument",
        message: `${place}: ${reason}, and it has a value only while a run goes on.`,
      }),
    );
  });

  test("to what has known members can be spread, and leads to each of them", () => {
    const known = refTo<{ id: string; note?: string }>(pay, place, new Set(["id", "note"]));
    const part = (name: string): Argument => ({ from: "result", step: "pay", path: [name] });
    expect(toArgument({ ...known, more: 1 })).toEqual({
      from: "object",
      members: { id: part("id"), note: part("note"), more: { from: "value", value: 1 } },
    });
    expect(toArgument(known)).toEqual(pay);
  });

  test("to each of several steps are handed on whole or spread as what they are: an object with all of them", () => {
    const ship: Argument = { from: "result", step: "g/ship", path: [] };
    const both = new Map([
      ["pay", pay],
      ["ship", ship],
    ]);
    const results = refsTo<Record<string, Ref<string>>>(both, place, (name) => new Error(`no ${name}`));
    const whole = { from: "object", members: { pay, ship } };
    expect(toArgument(results)).toEqual(whole);
    expect(toArgument({ ...results })).toEqual(whole);
    expect(toArgument({ results })).toEqual({ from: "object", members: { results: whole } });
    expect("pay" in results && !("gone" in results)).toBe(true);
  });

  test("to a step that is not there is an error of whoever hands them out", () => {
    const results = refsTo<{ pay: Ref<string>; gone: Ref<string> }>(
      new Map([["pay", pay]]),
      place,
      (name) => new Error(`no ${name}`),
    );
    expect(toArgument(results.pay)).toEqual(pay);
    expect(() => results.gone).toThrow("no gone");
    expect(() => (results as unknown as Record<string, unknown>).toString).toThrow("no toString");
  });
});

describe("a template", () => {
  test("without refs is one constant, and with some what is constant of it stays together", () => {
    expect(toArgument({ a: [1, { b: null }], c: "x" })).toEqual({
      from: "value",
      value: { a: [1, { b: null }], c: "x" },
    });
    expect(toArgument({ a: { b: 1, c: [true] }, pay: ref, list: [1, ref.id] })).toEqual({
      from: "object",
      members: {
        a: { from: "value", value: { b: 1, c: [true] } },
        pay,
        list: {
          from: "list",
          items: [
            { from: "value", value: 1 },
            { from: "result", step: "pay", path: ["id"] },
          ],
        },
      },
    });
  });

  test("loses members that are undefined, and keeps none of what it was written with", () => {
    const written = { a: undefined, b: [1] };
    const argument = toArgument(written);
    written.b.push(2);
    expect(argument).toEqual({ from: "value", value: { b: [1] } });
  });

  test.for<[string, unknown, string | RegExp]>([
    ["a date", { at: new Date(0) }, "args.at: an instance of Date cannot be written as JSON and read back."],
    ["a map", new Map(), "args: an instance of Map cannot be written as JSON and read back."],
    ["no number", { n: [Number.NaN] }, "args.n[0]: NaN is not a JSON number."],
    ["a function", { f: () => 1 }, "args.f: a function cannot be written as JSON."],
    ["a symbol", [Symbol("s")], "args[0]: a symbol cannot be written as JSON."],
    ["a big integer", { n: 1n }, "args.n: a bigint cannot be written as JSON."],
    ["nothing in a list", [undefined], "args[0]: undefined cannot be written as JSON."],
    // biome-ignore lint/suspicious/noSparseArray: that is what is refused.
    ["a hole in a list", [1, , 2], "args[1]: undefined cannot be written as JSON."],
    ["a prototype", JSON.parse('{"__proto__": 1}'), "args: a member cannot be named __proto__."],
  ])("is refused with %s in it", ([, written, message]) => {
    const refused = (() => {
      try {
        return toArgument(written);
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toMatchObject({
      code: "reactor.invalid_argument",
      message: typeof message === "string" ? message : expect.stringMatching(message),
    });
  });

  test("has at most 32 levels, and one that holds itself has no end", () => {
    const nest = (levels: number): unknown => (levels === 0 ? 1 : [nest(levels - 1)]);
    expect(toArgument(nest(32))).toMatchObject({ from: "value" });
    expect(() => toArgument(nest(33))).toThrow("nested deeper than 32 levels");
    const circle: { self?: unknown } = {};
    circle.self = circle;
    expect(() => toArgument(circle)).toThrow("nested deeper than 32 levels");
  });
});
