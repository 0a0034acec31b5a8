// Proves that an error survives the wire with everything a reader on another machine needs, and with nothing that should stay home.
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { codeOf, fromWire, invariant, toWire, ViableError } from "./errors.ts";

describe("over the wire", () => {
  const error = new ViableError("shop.sold_out", "No more.", {
    next: "Come tomorrow.",
    retryable: true,
    details: { left: 0 },
    cause: new ViableError("truck.broken", "It broke down.", { cause: new RangeError("axle") }),
  });

  test("code, message, advice, retryability, details and causes arrive", () => {
    const arrived = fromWire(JSON.parse(JSON.stringify(toWire(error))));
    expect(arrived).toBeInstanceOf(ViableError);
    expect(arrived).toMatchObject({
      code: "shop.sold_out",
      message: "No more.",
      next: "Come tomorrow.",
      retryable: true,
      details: { left: 0 },
      cause: { code: "truck.broken", retryable: false, cause: { code: "internal", message: "axle" } },
    });
    expect(toWire(arrived)).toEqual(toWire(error));
  });

  test("stacks stay at home, and what is not there is left out", () => {
    expect(JSON.stringify(toWire(error))).not.toContain("errors.test");
    expect(toWire(new ViableError("a.b", "c"))).toEqual({ code: "a.b", message: "c", retryable: false });
  });

  test("others' errors keep their code, or are internal", () => {
    expect(toWire(Object.assign(new Error("refused"), { code: "ECONNREFUSED" }))).toMatchObject({
      code: "ECONNREFUSED",
    });
    expect(toWire(Object.assign(new Error("odd"), { code: 42 }))).toMatchObject({ code: "internal" });
    expect(toWire(new TypeError())).toEqual({ code: "internal", message: "TypeError", retryable: false });
  });

  test.each([["text"], [42], [null], [undefined], [{ a: 1 }], [Object.create(null)], [Symbol("s")]])(
    "whatever else is thrown arrives as an internal error: %o",
    (thrown) => {
      expect(toWire(thrown)).toMatchObject({ code: "internal", retryable: false });
    },
  );

  test("an object that is no error is told by its members", () => {
    expect(toWire({ code: 402, reason: "no money" }).message).toBe(
      'Something that is not an error was thrown: {"code":402,"reason":"no money"}',
    );
    expect(toWire({ toString: () => "no money" }).message).toBe("Something that is not an error was thrown: no money");
  });

  test("several errors in one are told, and how many more there are", () => {
    const refused = [new Error("no way to ::1"), new Error("no way to 127.0.0.1")];
    expect(toWire(new AggregateError(refused)).message).toBe("no way to ::1; no way to 127.0.0.1");
    expect(toWire(new AggregateError(refused, "All failed")).message).toBe(
      "All failed: no way to ::1; no way to 127.0.0.1",
    );
    const many = Array.from({ length: 10 }, (_, index) => new Error(`e${index}`));
    expect(toWire(new AggregateError(many)).message).toBe("e0; e1; e2; e3; and 6 more");
    const round = new AggregateError([], "round");
    round.errors.push(round);
    expect(toWire(round).message).toBe("round: round: round: round: round");
  });

  test("an error of another realm is an error", () => {
    const thrown = runInNewContext(
      'Object.assign(new TypeError("elsewhere"), { code: "E", cause: new Error("there") })',
    );
    expect(toWire(thrown)).toEqual({
      code: "E",
      message: "elsewhere",
      retryable: false,
      cause: { code: "internal", message: "there", retryable: false },
    });
  });

  test("a chain of causes is cut after four, also where it goes round", () => {
    const round = new Error("round");
    round.cause = round;
    let depth = 0;
    for (let wire = toWire(round).cause; wire !== undefined; wire = wire.cause) depth += 1;
    expect(depth).toBe(4);
  });
});

test("codeOf names anything thrown", () => {
  expect([codeOf(new ViableError("a.b", "c")), codeOf(new Error("x")), codeOf("x")]).toEqual([
    "a.b",
    "internal",
    "internal",
  ]);
});

test("a broken invariant crashes with its name", () => {
  expect(() => invariant(true, "W9", "fine")).not.toThrow();
  expect(() => invariant(0, "W9", "a gap")).toThrow(
    expect.objectContaining({ code: "invariant.broken", message: "W9: a gap" }),
  );
});
