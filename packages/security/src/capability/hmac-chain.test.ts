/** The HMAC chain keeps the contract; what is its own is tested here too. */
import { createHmac } from "node:crypto";
import { describe, expect, test } from "vitest";
import { describeCapabilityTokens, owner } from "../testing/capability-contract.ts";
import { createHmacChain, readCapability } from "./hmac-chain.ts";

const keyOf = (number: number): Uint8Array => new Uint8Array(32).fill(number);

describeCapabilityTokens("HMAC chain", {
  create: (number) => createHmacChain(keyOf(number)),
  appendLink(token, link) {
    const parts = token.split(".");
    const signature = Buffer.from(parts.at(-1) as string, "base64url");
    const text = Buffer.from(JSON.stringify(link)).toString("base64url");
    const next = createHmac("sha256", signature).update(text).digest("base64url");
    return [...parts.slice(0, -1), text, next].join(".");
  },
});

describe("readCapability", () => {
  const tokens = createHmacChain(keyOf(1));

  test("tells what each link says, without the key", () => {
    const { token } = tokens.attenuate(tokens.mint(owner, new Uint8Array(16)).token, { maxUses: 1 });
    expect(readCapability(token)).toMatchObject({
      authority: { principal: "owner", tenant: "default", restrictions: {} },
      links: [{ maxUses: 1 }],
    });
  });

  test.each(["", "vbc1.e30", "vbc1.!.AAAA", "vbl_x"])("answers undefined for %j", (text) => {
    expect(readCapability(text)).toBeUndefined();
  });
});
