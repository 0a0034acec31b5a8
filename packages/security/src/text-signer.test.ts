import { expect, test } from "vitest";
import { createTextSigner } from "./text-signer.ts";

const key = new Uint8Array(32).fill(7);
const signer = createTextSigner(key, "log.written/1");

test("what was signed is known again, by whoever has the key", () => {
  const signature = signer.sign('["é",1]');
  expect(createTextSigner(new Uint8Array(key), "log.written/1").isSigned('["é",1]', signature)).toBe(true);
});

test.each([
  ["another text", '["é",2]', signer.sign('["é",1]')],
  ["another key", "text", createTextSigner(new Uint8Array(32).fill(8), "log.written/1").sign("text")],
  ["another purpose", "text", createTextSigner(key, "log.written/2").sign("text")],
  ["no signature", "text", ""],
  ["a part of it", "text", signer.sign("text").slice(0, 20)],
  ["what is no base64url", "text", "§§§§"],
])("%s is not", (_, text, signature) => {
  expect(signer.isSigned(text, signature)).toBe(false);
});
