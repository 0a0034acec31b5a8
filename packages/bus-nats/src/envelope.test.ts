// What is written is read again, and whatever else arrives is nothing: no text and no bytes make reading throw.
import { maxMessageChars } from "@viable/bus";
import type { Context, JsonValue } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeAnswer, decodeEnvelope, decodeWord, encodeAnswer, encodeEnvelope, encodeFailure } from "./envelope.ts";

const runtime = createRuntime({ clock: simulateTime() });
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const write = (sender: Context, text: string): Uint8Array => bytes(encodeEnvelope(sender, text) as string);

describe("a message", () => {
  test("says who sends it and how long is left, and is there again", () => {
    const sender = rootContext(runtime, {
      tenant: 'a\n"b"',
      principal: "session:ses_1",
      traceparent,
      deadline: runtime.clock.now() + 2_500,
    });
    expect(decodeEnvelope(write(sender, '{"n":[1,null,"ü\\n"]}'))).toEqual({
      sender: { tenant: 'a\n"b"', principal: "session:ses_1", traceparent, leftMs: 2_500 },
      message: { n: [1, null, "ü\n"] },
    });
  });

  test("without trace and deadline has none; a trace that is none is left out; what has passed leaves nothing", () => {
    expect(decodeEnvelope(write(rootContext(runtime), "{}"))?.sender).toEqual({
      tenant: "default",
      principal: "system",
      traceparent: undefined,
      leftMs: undefined,
    });
    const late = rootContext(runtime, { traceparent: "none", deadline: runtime.clock.now() - 1 });
    expect(decodeEnvelope(write(late, "{}"))?.sender).toMatchObject({ traceparent: undefined, leftMs: 0 });
  });

  test("any tenant, principal and message come through, one after the other", () => {
    const name = fc.string({ unit: "binary", maxLength: 50 });
    fc.assert(
      fc.property(name, name, fc.dictionary(fc.string(), fc.jsonValue()), (tenant, principal, message) => {
        const text = JSON.stringify(message);
        const read = decodeEnvelope(write(rootContext(runtime, { tenant, principal }), text));
        expect(read?.sender).toMatchObject({ tenant, principal });
        expect(JSON.stringify(read?.message)).toBe(text);
      }),
      { numRuns: 30 },
    );
  });

  test("of a sender whose name is longer than anybody reads is not written, and not read", () => {
    expect(encodeEnvelope(rootContext(runtime, { tenant: "t".repeat(2_001) }), "{}")).toBeUndefined();
    expect(decodeEnvelope(bytes(`1${JSON.stringify(["t".repeat(2_001), "p", null, null])}\n{}`))).toBeUndefined();
  });

  test("of the greatest length is read, a longer one is not", () => {
    const sender = rootContext(runtime, { tenant: "\u0001".repeat(1_000), principal: "\u0001".repeat(1_000) });
    const greatest = `{"a":"${"€".repeat(maxMessageChars - 8)}"}`;
    expect(decodeEnvelope(write(sender, greatest))).toBeDefined();
    expect(decodeEnvelope(write(sender, `{"a":"${"€".repeat(maxMessageChars + 1_000)}"}`))).toBeUndefined();
  });

  test.each([
    ["nothing", ""],
    ["another version", '2["t","p",null,null]\n{}'],
    ["no message", '1["t","p",null,null]'],
    ["no JSON in the line", "1[\n{}"],
    ["too few parts", '1["t","p",null]\n{}'],
    ["a tenant that is none", '1[7,"p",null,null]\n{}'],
    ["a trace that is none", '1["t","p","00-x",null]\n{}'],
    ["time that runs back", '1["t","p",null,-1]\n{}'],
    ["time that is no number", '1["t","p",null,1e999]\n{}'],
    ["a message that is a list", '1["t","p",null,null]\n[]'],
    ["a message that is null", '1["t","p",null,null]\nnull'],
    ["a message that is cut off", '1["t","p",null,null]\n{"a":'],
    ["a message nested too deep", `1["t","p",null,null]\n${'{"a":'.repeat(65)}1${"}".repeat(65)}`],
  ])("is not read from %s", (_what, text) => {
    expect(decodeEnvelope(bytes(text))).toBeUndefined();
  });

  test("is not read from bytes that are no text", () => {
    const data = write(rootContext(runtime), '{"a":"b"}');
    data[data.length - 3] = 0xff;
    expect(decodeEnvelope(data)).toBeUndefined();
  });
});

describe("an answer", () => {
  test.each<[JsonValue]>([[null], [0], [""], [false], [{ a: [1] }]])("is there again: %j", (value) => {
    expect(decodeAnswer(bytes(encodeAnswer(JSON.stringify(value))))).toEqual({ ok: true, value });
  });

  test("that is an error keeps code, advice and causes, and no stack", () => {
    const thrown = new ViableError("shop.sold_out", "No more.", { next: "Wait.", cause: new Error("truck") });
    const text = encodeFailure(thrown);
    expect(text).not.toContain("envelope.test");
    expect(decodeAnswer(bytes(text))).toMatchObject({
      ok: false,
      error: { code: "shop.sold_out", message: "No more.", next: "Wait.", cause: { message: "truck" } },
    });
  });

  test("that is an error which says more than fits is told without what is too long", () => {
    const details = { text: "x".repeat(maxMessageChars) };
    const read = decodeAnswer(bytes(encodeFailure(new ViableError("a.b", "m".repeat(5_000), { details }))));
    expect(read).toEqual({ ok: false, error: { code: "a.b", message: "m".repeat(2_000), retryable: false } });
  });

  test.each([
    ["nothing", ""],
    ["a version alone", "1"],
    ["no sign", '1{"a":1}'],
    ["no JSON", "1+{"],
    ["an error without a code", '1-{"message":"m","retryable":true}'],
    ["an error whose cause is none", '1-{"code":"c","message":"m","retryable":true,"cause":{"code":1}}'],
    [
      "an error with endless causes",
      `1-${'{"code":"c","message":"m","retryable":true,"cause":'.repeat(20)}1${"}".repeat(20)}`,
    ],
    ["an error that is a list", "1-[]"],
  ])("is not read from %s", (_what, text) => {
    expect(decodeAnswer(bytes(text))).toBeUndefined();
  });
});

test("no bytes make reading throw", () => {
  const chance = fc.uint8Array({ maxLength: 200 });
  const near = fc.tuple(
    fc.constantFrom("1", "1[", "1+", "1-", "1{", '1["t","p",null,null]\n'),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(
      fc.oneof(
        chance,
        near.map(([begin, rest]) => bytes(begin + rest)),
      ),
      (data) => {
        decodeEnvelope(data);
        decodeAnswer(data);
        decodeWord(data);
      },
    ),
    { numRuns: 2_000 },
  );
});
