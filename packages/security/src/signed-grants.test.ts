// W4 between processes: a grant that arrives is one that a process of this system signed, unchanged, or it is none.
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createCapabilities } from "./capability/capabilities.ts";
import { maxCapabilityChars } from "./capability/capability-tokens.ts";
import { createHmacChain } from "./capability/hmac-chain.ts";
import type { Grant } from "./grant.ts";
import { mintOwnerToken } from "./owner-token.ts";
import { createSignedGrants } from "./signed-grants.ts";
import { openSystemKey } from "./system-key.ts";

const grant: Grant = {
  tokenId: "tok_1",
  tenant: "default",
  principal: "session:ses_1",
  clientType: "api",
  operations: ["read"],
  sessionId: "ses_1",
  commandsPerHour: 100,
  maxConcurrent: undefined,
  expiresAt: 1_000,
};
const key = new Uint8Array(32).fill(7);

test("a grant comes back as it was signed", () => {
  const [here, there] = [createSignedGrants(key), createSignedGrants(key)];
  expect(there.read(here.sign(grant))).toEqual(JSON.parse(JSON.stringify(grant)));
  // Again, from what is remembered.
  expect(there.read(here.sign(grant))).toEqual(JSON.parse(JSON.stringify(grant)));
});

test("the grant of the longest token that there may be comes back, too", async () => {
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime);
  const log = createLog(createMemoryStore(), runtime);
  await log.start(ctx);
  const capabilities = createCapabilities({ log, open: async () => createHmacChain(key) });
  await capabilities.start(ctx);
  let { token } = mintOwnerToken(ctx, capabilities);
  for (let n = 0; ; n++) {
    const denied = Array.from({ length: 20 }, (_, m) => `command/some.long_name_of_a_command_${n}_${m}`);
    try {
      token = capabilities.attenuate(token, { denied: denied.slice(0, 8) }).token;
    } catch {
      break;
    }
  }
  expect(token.length).toBeGreaterThan(maxCapabilityChars - 1_000);
  const longest = capabilities.verify(ctx, token);
  if (longest === undefined) throw new Error("It opens nothing.");
  const text = createSignedGrants(key).sign(longest);
  expect(createSignedGrants(key).read(text)).toEqual(JSON.parse(JSON.stringify(longest)));
});

test("what somebody else signed, or changed in any place, is none", () => {
  const text = createSignedGrants(key).sign(grant);
  const there = createSignedGrants(key);
  expect(createSignedGrants(new Uint8Array(32).fill(8)).read(text)).toBeUndefined();
  expect(there.read(text.replace('"read"', '"execute"'))).toBeUndefined();
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, letter) => {
      const changed = text.slice(0, at) + letter + text.slice(at + 1);
      // The last letter of base 64 has bits that stand for nothing.
      fc.pre(changed !== text && at < text.length - 1);
      expect(there.read(changed)).toBeUndefined();
    }),
  );
});

test.each(["", ".", "{}", `{}.${"A".repeat(43)}`, "x".repeat(1_000_000)])("no grant is read from %.20s", (text) => {
  expect(createSignedGrants(key).read(text)).toBeUndefined();
});

describe("the key", () => {
  test("is one, however many processes ask for it at once, and stays", async () => {
    const store = { ...createMemoryStore(), exclusive: false };
    const time = simulateTime();
    const processes = await Promise.all(
      [1, 2, 3].map(async (seed) => {
        const runtime = createRuntime({ clock: time, random: seededRandom(seed) });
        const log = createLog(store, runtime);
        const ctx = rootContext(runtime);
        await log.start(ctx);
        return { log, ctx };
      }),
    );
    const keys = await Promise.all(processes.map(({ log, ctx }) => openSystemKey(ctx, log)));
    expect(new Set(keys.map((each) => Buffer.from(each).toString("hex"))).size).toBe(1);
    expect(keys[0]).toHaveLength(32);
    for (const { log, ctx } of processes) {
      expect(await openSystemKey(ctx, log)).toEqual(Buffer.from(keys[0] as Uint8Array));
      await log.stop(ctx);
    }
  });
});
