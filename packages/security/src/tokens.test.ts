/** Tokens on a log in memory: what opens, what is read how often, and that nothing out of date is kept. */
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore, storeUnavailable } from "@viable/log";
import { controlStore } from "@viable/log/testing";
import { describe, expect, test } from "vitest";
import type { Grant } from "./grant.ts";
import { mintOwnerToken } from "./owner-token.ts";
import { createTokens } from "./tokens.ts";

async function setup(store: Store = createMemoryStore(), time = simulateTime()) {
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const log = createLog(store, runtime);
  await log.start(ctx);
  const tokens = createTokens(log);
  await tokens.start(ctx);
  const grant: Omit<Grant, "tokenId"> = {
    tenant: "default",
    principal: "owner",
    clientType: "api",
    operations: ["read"],
    sessionId: undefined,
    commandsPerHour: 10,
    maxConcurrent: 2,
    expiresAt: null,
  };
  const unwritten = (expiresAt: number | null = null) => tokens.mint(ctx, { ...grant, expiresAt });
  const mint = async (expiresAt: number | null = null) => {
    const minted = unwritten(expiresAt);
    await log.append(ctx, { records: [minted.record] });
    return minted;
  };
  return { time, ctx, store, log, tokens, grant, unwritten, mint };
}

/** A store that counts the reads of records and holds them up, each with what it read before that. */
function slowReads(inner: Store = createMemoryStore()) {
  let held: Promise<void> | undefined;
  const seen = { reads: 0 };
  const store: Store = {
    ...inner,
    async getRecords(keys, now) {
      seen.reads += 1;
      const found = await inner.getRecords(keys, now);
      await held;
      return found;
    },
  };
  const hold = () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    return () => {
      held = undefined;
      resolve();
    };
  };
  return { store, seen, hold };
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
    const { ctx, log, tokens, unwritten } = await setup();
    const { token, record } = unwritten();
    expect(await tokens.verify(ctx, token)).toBeUndefined();
    await log.append(ctx, { records: [record] });
    expect(await tokens.verify(ctx, token)).toBeDefined();
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

  test("that follows from a secret and a name is the same again for the same two, and for no others", async () => {
    const { ctx, log, tokens, grant } = await setup();
    const source = { secret: "vbl_opener", name: "ses_1" };
    const first = tokens.mint(ctx, grant, source);
    await log.append(ctx, { records: [first.record] });
    const again = tokens.mint(ctx, { ...grant, expiresAt: 1 }, source);
    expect([again.tokenId, again.token]).toEqual([first.tokenId, first.token]);
    expect(await tokens.verify(ctx, again.token)).toMatchObject({ tokenId: first.tokenId, expiresAt: null });
    for (const other of [
      { ...source, secret: "vbl_openes" },
      { ...source, name: "ses_2" },
    ]) {
      const { tokenId, token } = tokens.mint(ctx, grant, other);
      expect(tokenId).not.toBe(first.tokenId);
      expect(token).not.toBe(first.token);
      expect(await tokens.verify(ctx, token)).toBeUndefined();
    }
  });

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

describe("looking tokens up", () => {
  test("is done once for a token, however many requests bring it together", async () => {
    const { store, seen } = slowReads();
    const { ctx, tokens, mint } = await setup(store);
    const { token } = await mint();
    const grants = await Promise.all(Array.from({ length: 500 }, () => tokens.verify(ctx, token)));
    expect(new Set(grants.map((grant) => grant !== undefined && "principal" in grant && grant.principal))).toEqual(
      new Set(["owner"]),
    );
    expect(seen.reads).toBe(1);
  });

  test("W10: has a bound, and meeting it is an answer; a token that is known is served all the same", async () => {
    const { store, seen, hold } = slowReads();
    const { ctx, tokens, unwritten, mint } = await setup(store);
    const { token } = await mint();
    await tokens.verify(ctx, token);
    seen.reads = 0;
    const release = hold();
    const guesses = Array.from({ length: 1_000 }, () => tokens.verify(ctx, unwritten().token));
    expect(seen.reads).toBe(64);
    expect(await tokens.verify(ctx, token)).toMatchObject({ principal: "owner" });
    expect(await tokens.verify(ctx, unwritten().token)).toEqual({ full: true, retryAfterMs: 1_000 });
    release();
    const answers = await Promise.all(guesses);
    expect(answers.filter((answer) => answer === undefined)).toHaveLength(64);
    // And when the flood is over, the next is looked up.
    expect(await tokens.verify(ctx, unwritten().token)).toBeUndefined();
  });

  test("that found nothing is believed for five seconds", async () => {
    const { store, seen } = slowReads();
    const { time, ctx, tokens, unwritten } = await setup(store);
    const { token } = unwritten();
    for (let n = 0; n < 10; n++) expect(await tokens.verify(ctx, token)).toBeUndefined();
    expect(seen.reads).toBe(1);
    await time.advance(5_000);
    expect(await tokens.verify(ctx, token)).toBeUndefined();
    expect(seen.reads).toBe(2);
  });

  test("is not done again for wrong secrets under an id that is there", async () => {
    const { store, seen } = slowReads();
    const { ctx, tokens, mint } = await setup(store);
    const { token } = await mint();
    for (let n = 0; n < 10; n++) {
      const wrong = token.slice(0, -3) + (token.endsWith(`${n}aa`) ? "bbb" : `${n}aa`);
      expect(await tokens.verify(ctx, wrong)).toBeUndefined();
    }
    expect(await tokens.verify(ctx, token)).toBeDefined();
    expect(seen.reads).toBe(1);
  });

  test("is spared for those that are used: the one not used for longest gives way", async () => {
    const { store, seen } = slowReads();
    const { ctx, log, tokens, unwritten } = await setup(store);
    const all = Array.from({ length: 10_001 }, () => unwritten());
    for (let at = 0; at < all.length; at += 1_000)
      await log.append(ctx, { records: all.slice(at, at + 1_000).map(({ record }) => record) });
    const [first, second] = all.map(({ token }) => token) as [string, string];
    for (const { token } of all.slice(0, -1)) await tokens.verify(ctx, token);
    await tokens.verify(ctx, first);
    await tokens.verify(ctx, (all.at(-1) as { token: string }).token);
    seen.reads = 0;
    await tokens.verify(ctx, first);
    expect(seen.reads).toBe(0);
    await tokens.verify(ctx, second);
    expect(seen.reads).toBe(1);
  });

  test("keeps nothing that was revoked by another gateway while it was read", async () => {
    const shared = { ...createMemoryStore(), exclusive: false };
    const { store, hold } = slowReads(shared);
    const here = await setup(store);
    const there = await setup(shared, here.time);
    const { token, tokenId } = await there.mint();
    const release = hold();
    const early = here.tokens.verify(here.ctx, token);
    await there.log.append(there.ctx, { records: [there.tokens.revocation(tokenId)] });
    // Seen here at the next poll, while the read is still on its way with what was there before.
    await here.time.advance(1_000);
    const late = here.tokens.verify(here.ctx, token);
    release();
    expect(await early).toBeDefined();
    expect(await late).toBeUndefined();
    expect(await here.tokens.verify(here.ctx, token)).toBeUndefined();
  });
});

test("the owner's token is minted although the database's answer is lost and the append sent again", async () => {
  const lost = () => new ViableError(storeUnavailable, "The connection broke.", { retryable: true });
  const store = controlStore(createMemoryStore(), lost);
  const { time, ctx, log, tokens } = await setup(store);
  store.next("lost-answer");
  const minting = mintOwnerToken(ctx, log, tokens);
  await time.advance(1_000);
  const { token } = await minting;
  expect(await tokens.verify(ctx, token)).toMatchObject({ principal: "owner" });
});
