// Proves what the bytes of a file tell of its lines.
import { describe, expect, test } from "vitest";
import { countLines } from "./count-lines.ts";

const wide = (text: string): Buffer => Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, "utf16le")]);
const wideBigEndian = (text: string): Buffer => wide(text).swap16();

describe("lines", () => {
  test.each([
    ["", 0],
    ["\n", 1],
    ["one", 1],
    ["one\n", 1],
    ["one\ntwo", 2],
    ["\n\n\n", 3],
    ["one\r\ntwo\r\n", 2],
    ["ä\nö\n", 2],
  ])("of %j are %d, in bytes of one and of two, with a mark and without", (text, lines) => {
    const counted = { lines, isUnicode: true };
    expect(countLines(Buffer.from(text))).toEqual(counted);
    expect(countLines(Buffer.from(`\uFEFF${text}`))).toEqual(counted);
    expect(countLines(wide(text))).toEqual(counted);
    expect(countLines(wideBigEndian(text))).toEqual(counted);
  });

  test("are not ended by a byte of another letter that happens to be ten", () => {
    expect(countLines(wide("\u0a0a\u0a00"))).toEqual({ lines: 1, isUnicode: true });
    expect(countLines(wideBigEndian("\u0a0a\u000a"))).toEqual({ lines: 1, isUnicode: true });
  });

  test("that ends in half a letter are open", () => {
    expect(countLines(Buffer.concat([wide("a\n"), Buffer.from([0x61])]))).toEqual({ lines: 2, isUnicode: true });
  });

  test("of what is no UTF-8 are counted all the same, and it is said", () => {
    expect(countLines(Buffer.from([0xe4, 0x0a, 0xf6]))).toEqual({ lines: 2, isUnicode: false });
  });

  test("has nothing that is binary, by a zero among the first 8,000 bytes", () => {
    expect(countLines(Buffer.from("a\0b"))).toBeUndefined();
    expect(countLines(Buffer.from(`${"a".repeat(8_000)}\0`))).toEqual({ lines: 1, isUnicode: true });
  });
});
