import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { describe, expect, test } from "vitest";
import { mintOwnerToken } from "./owner-token.ts";
import { createTokens } from "./tokens.ts";

async function setup() {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const store = createMemoryStore();
  const log = createLog(store, runtime);
  await log.start(ctx);
  const tokens = createTokens(log);
  await tokens.start(ctx);
  const mint = async (expiresAt: number | null) => {
    const minted = tokens.mint(ctx, {
      tenant: "default",
      principal: "owner",
      clientType: "api",
      operations: ["read"],
      sessionId: undefined,
      commandsPerHour: 10,
      maxConcurrent: 2,
      expiresAt,
    });
    await log.append(ctx, { records: [minted.record] });
    return minted;
  };
  return { time, ctx, store, log, tokens, mint };
}

describe("a token", () => {
  test("opens what it was minted for, from the record and then from memory", async () => {
    const { ctx, tokens, mint } = await setup();
    const { token, tokenId } = await mint(null);
    const grant = await tokens.verify(ctx, token);
    expect(grant).toEqual({
      tokenId,
      tenant: "default",
      principal: "owner",
      clientType: "api",
      operations: ["read"],
      sessionId: undefined,
      commandsPerHour: 10,
      maxConcurrent: 2,
      expiresAt: null,
    });
    expect(await tokens.verify(ctx, token)).toEqual(grant);
  });

  test("is worth nothing before its record is written", async () => {
    const { ctx, tokens } = await setup();
    const unwritten = tokens.mint(ctx, {
      tenant: "default",
      principal: "owner",
      clientType: "api",
      operations: ["read"],
      sessionId: undefined,
      commandsPerHour: 10,
      maxConcurrent: undefined,
      expiresAt: null,
    });
    expect(await tokens.verify(ctx, unwritten.token)).toBeUndefined();
  });

  test("every single changed character is refused, before and after it was cached", async () => {
    const { ctx, tokens, mint } = await setup();
    const { token } = await mint(null);
    for (const cached of [false, true]) {
      if (cached) await tokens.verify(ctx, token);
      for (let at = 0; at < token.length; at++) {
        const changed = token.slice(0, at) + (token[at] === "x" ? "y" : "x") + token.slice(at + 1);
        expect(await tokens.verify(ctx, changed), `character ${at}`).toBeUndefined();
      }
    }
  });

  test.each(["", "vbl_", "Bearer x", "vbl_00000000000000000000000000_", "x".repeat(10_000), "vbl_\u0000"])(
    "%j is no token",
    async (text) => {
      const { ctx, tokens } = await setup();
      expect(await tokens.verify(ctx, text)).toBeUndefined();
    },
  );

  test("ends at its time", async () => {
    const { time, ctx, tokens, mint } = await setup();
    const { token } = await mint(time.now() + 1_000);
    expect(await tokens.verify(ctx, token)).toBeDefined();
    await time.advance(1_000);
    expect(await tokens.verify(ctx, token)).toBeUndefined();
  });

  test("is revoked by deleting its record, also where it was cached", async () => {
    const { ctx, log, tokens, mint } = await setup();
    const { token, tokenId } = await mint(null);
    await tokens.verify(ctx, token);
    await log.append(ctx, { records: [tokens.revocation(tokenId)] });
    expect(await tokens.verify(ctx, token)).toBeUndefined();
  });

  test("is not in the database: only its hash is", async () => {
    const { ctx, store, log, tokens } = await setup();
    const { token } = await mintOwnerToken(ctx, log, tokens);
    const secret = token.split("_").at(-1) as string;
    expect(JSON.stringify(await store.listRecords("", "", 100, 0))).not.toContain(secret);
    expect(await tokens.verify(ctx, token)).toMatchObject({
      principal: "owner",
      operations: ["read", "write", "execute"],
    });
  });
});
