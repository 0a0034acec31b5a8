/** The secret beside the database: which one a system has, who is refused, and what it keeps whoever reads the database from. */
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { describe, expect, test } from "vitest";
import { createHmacChain } from "./capability/hmac-chain.ts";
import { deriveKey, openSystemKey } from "./system-key.ts";
import { openSystemSecret, withSecret } from "./system-secret.ts";

const secretOf = (byte: number) => new Uint8Array(32).fill(byte);

async function startLog(store = { ...createMemoryStore(), exclusive: false }) {
  const runtime = createRuntime({ clock: simulateTime() });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  return { ctx, log, store };
}

describe("a system's secret", () => {
  test("is the first that is given, then no other and not none, and the log holds nothing of it", async () => {
    const { ctx, log, store } = await startLog();
    expect(await openSystemSecret(ctx, log, { read: () => undefined })).toBeUndefined();
    expect(await openSystemSecret(ctx, log, { read: () => secretOf(7) })).toEqual(secretOf(7));
    const other = await startLog(store);
    expect(await openSystemSecret(other.ctx, other.log, { read: () => secretOf(7) })).toEqual(secretOf(7));
    for (const read of [() => secretOf(8), () => undefined])
      await expect(openSystemSecret(other.ctx, other.log, { read })).rejects.toMatchObject({
        code: "security.other_secret",
        next: expect.stringContaining("VIABLE_SECRET_LOST"),
      });
    const { records } = await log.listRecords(ctx, "security/");
    expect(JSON.stringify(records)).not.toContain(Buffer.from(secretOf(7)).toString("base64url"));
  });

  test("is made where there is none, and not where the system has one already", async () => {
    const { ctx, log } = await startLog();
    let made = 0;
    const make = () => secretOf(++made);
    expect(await openSystemSecret(ctx, log, { read: () => undefined, make })).toEqual(secretOf(1));
    await expect(openSystemSecret(ctx, log, { read: () => undefined, make })).rejects.toMatchObject({
      code: "security.other_secret",
    });
    expect(made).toBe(1);
  });

  test("that was lost is replaced where that is said, and holds from then on", async () => {
    const { ctx, log } = await startLog();
    await openSystemSecret(ctx, log, { read: () => secretOf(1) });
    expect(await openSystemSecret(ctx, log, { read: () => secretOf(2), replaces: true })).toEqual(secretOf(2));
    await expect(openSystemSecret(ctx, log, { read: () => secretOf(1) })).rejects.toMatchObject({
      code: "security.other_secret",
    });
  });

  test("is what a token cannot be made without, whoever has the database", async () => {
    const { ctx, log } = await startLog();
    const systemKey = await openSystemKey(ctx, log);
    const issuer = (secret: Uint8Array | undefined) =>
      createHmacChain(deriveKey(withSecret(systemKey, secret), "capabilities"));
    const authority = { tenant: "default", principal: "owner", clientType: "owner", restrictions: {} } as const;
    const forged = issuer(undefined).mint(authority, new Uint8Array(16));
    expect(issuer(secretOf(1)).open(forged.token)).toMatchObject({ ok: false });
    expect(issuer(secretOf(2)).open(issuer(secretOf(1)).mint(authority, new Uint8Array(16)).token).ok).toBe(false);
  });
});
