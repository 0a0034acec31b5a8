/** Credentials at rest: what comes back, what is refused that was changed or moved, and that a secret shows nowhere by itself. */
import { inspect } from "node:util";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import { describe, expect, test } from "vitest";
import { userEventTypes } from "../users/event-types.ts";
import { createCredentials } from "./credentials.ts";
import { Secret } from "./secret.ts";

const canary = "sk-canary-0123456789-abcd";

async function setup(key: Uint8Array | undefined = new Uint8Array(32).fill(9)) {
  const store = createMemoryStore();
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime, { principal: "owner" });
  const log = createLog(store, runtime, { types: userEventTypes });
  await log.start(ctx);
  const credentials = createCredentials({ log, key: () => key });
  const record = async (at: string) => (await log.getRecord(ctx, at))?.value as Record<string, string>;
  const write = (at: string, value: object) =>
    log.append(ctx, { records: [{ key: at, value: value as never, expected: "any" }] });
  return { ctx, log, store, credentials, record, write };
}

const at = (provider: string, tenant = "default") => `security/credential/${tenant}/${provider}`;

test("a credential comes back as it was set, and nothing of it but its end is told or kept", async () => {
  const { ctx, log, store, credentials } = await setup();
  expect(await credentials.set(ctx, "openai", new Secret(canary))).toEqual({ ok: true });
  await credentials.set(ctx, "short", new Secret("tooshort"));
  expect((await credentials.get(ctx, "openai"))?.reveal()).toBe(canary);
  expect(await credentials.list(ctx)).toEqual([
    { provider: "openai", setAt: ctx.runtime.clock.now(), setBy: "owner", ends: "abcd", readable: true },
    { provider: "short", setAt: ctx.runtime.clock.now(), setBy: "owner", ends: undefined, readable: true },
  ]);
  const { records } = await log.listRecords(ctx, "");
  const written = JSON.stringify([await everyEvent(store), records, await credentials.list(ctx)]);
  for (const secret of [canary, canary.slice(0, -4), "tooshort", Buffer.from(canary).toString("base64url")])
    expect(written).not.toContain(secret);
  expect(await credentials.remove(ctx, "openai")).toBe(true);
  expect(await credentials.remove(ctx, "openai")).toBe(false);
  expect(await credentials.get(ctx, "openai")).toBeUndefined();
});

test("the same twice is encrypted under another nonce", async () => {
  const { ctx, credentials, record } = await setup();
  await credentials.set(ctx, "openai", new Secret(canary));
  const before = await record(at("openai"));
  await credentials.set(ctx, "openai", new Secret(canary));
  const after = await record(at("openai"));
  for (const member of ["nonce", "sealed", "tag"]) expect(after[member]).not.toBe(before[member]);
});

describe("is refused, and says so where it is listed:", () => {
  test("what was moved to another provider or another tenant (W11)", async () => {
    const { ctx, credentials, record, write } = await setup();
    await credentials.set(ctx, "openai", new Secret(canary));
    const moved = await record(at("openai"));
    await write(at("other"), moved);
    await write(at("openai", "acme"), moved);
    const acme = rootContext(ctx.runtime, { tenant: "acme" });
    for (const get of [credentials.get(ctx, "other"), credentials.get(acme, "openai")])
      await expect(get).rejects.toMatchObject({ code: "security.unreadable_credential" });
    expect(await credentials.list(acme)).toMatchObject([{ readable: false }]);
  });

  test("each flipped bit of nonce, text and tag, and a shorter tag", async () => {
    const { ctx, credentials, record, write } = await setup();
    await credentials.set(ctx, "openai", new Secret(canary));
    const whole = await record(at("openai"));
    for (const member of ["nonce", "sealed", "tag"]) {
      const bytes = Buffer.from(whole[member] ?? "", "base64url");
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        const flipped = Buffer.from(bytes);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        await write(at("openai"), { ...whole, [member]: flipped.toString("base64url") });
        await expect(credentials.get(ctx, "openai")).rejects.toMatchObject({ code: "security.unreadable_credential" });
      }
    }
    await write(at("openai"), {
      ...whole,
      tag: Buffer.from(whole.tag ?? "", "base64url")
        .subarray(0, 4)
        .toString("base64url"),
    });
    await expect(credentials.get(ctx, "openai")).rejects.toMatchObject({ code: "security.unreadable_credential" });
    await write(at("openai"), whole);
    expect((await credentials.get(ctx, "openai"))?.reveal()).toBe(canary);
  });

  test("another secret's, and any where there is none", async () => {
    const { ctx, credentials, log } = await setup();
    await credentials.set(ctx, "openai", new Secret(canary));
    const other = createCredentials({ log, key: () => new Uint8Array(32).fill(8) });
    await expect(other.get(ctx, "openai")).rejects.toMatchObject({ code: "security.unreadable_credential" });
    const none = createCredentials({ log, key: () => undefined });
    await expect(none.get(ctx, "openai")).rejects.toMatchObject({ code: "security.no_secret" });
    await expect(none.set(ctx, "openai", new Secret("x"))).rejects.toMatchObject({ code: "security.no_secret" });
  });
});

test("a secret prints nowhere by itself", () => {
  const secret = new Secret(canary);
  const printed = [
    String(secret),
    `${secret}`,
    JSON.stringify({ secret }),
    inspect({ secret }),
    inspect(secret, { showHidden: true, depth: 9 }),
  ];
  for (const text of printed) {
    expect(text).toContain("[redacted]");
    expect(text).not.toContain("canary");
  }
  expect(Object.keys(secret)).toEqual([]);
  expect(() => structuredClone(secret)).not.toThrow();
  expect(JSON.stringify(structuredClone(secret))).toBe("{}");
});
