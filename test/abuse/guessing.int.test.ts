/**
 * Passwords and tokens that somebody guesses: of one user, of many, from addresses that a header makes up; and tokens that are nearly right, over,
 * taken back, used up, of another tenant or session. None opens anything, and none is told apart from one that is nonsense.
 */
import { randomBytes } from "node:crypto";
import { createClient } from "@viable/client";
import { createHmacChain } from "@viable/security";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AttackedGateway } from "./attacked-gateway.ts";
import { startGateway } from "./attacked-gateway.ts";
import { exchange, openRaw, statusesOf } from "./raw-connection.ts";

let gateway: AttackedGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway[Symbol.asyncDispose]());

const password = "correct horse battery staple";

async function withUser(user: string): Promise<void> {
  const { sessionId } = await gateway.client.openSession({ clientType: "api" });
  await gateway.client.send(sessionId, {
    command: "user.create",
    args: { user, roles: ["operator"] },
    mode: "sync",
  });
  const invited = await gateway.client.users.invite(user);
  await createClient({ url: gateway.url, token: invited.token }).users.setPassword(user, password);
}

interface Guess {
  readonly user: string;
  readonly password: string;
  /** This machine's, of 127.0.0.0/8. */
  readonly from: string;
  readonly forwardedFor?: string;
}

async function guess(at: AttackedGateway, { user, password: tried, from, forwardedFor }: Guess) {
  const body = JSON.stringify({ user, password: tried });
  using line = await openRaw(at.port, "127.0.0.1", from);
  await line.send(
    `POST /v1/login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${body.length}\r\n${
      forwardedFor === undefined
        ? ""
        : `X-Forwarded-For: ${forwardedFor}\r\nForwarded: for=${forwardedFor}\r\nX-Real-IP: ${forwardedFor}\r\n`
    }\r\n${body}`,
  );
  const received = await line.closed;
  return { status: statusesOf(received)[0], received };
}

describe("a password", () => {
  test("of one user is guessed five times from many addresses, and then one guess at a time; the user gets in as before", async () => {
    await withUser("anna");
    // From here the user came in before.
    expect((await guess(gateway, { user: "anna", password, from: "127.0.0.9" })).status).toBe(201);
    const guesses = [];
    for (let n = 0; n < 30; n++)
      guesses.push(await guess(gateway, { user: "anna", password: `wrong ${n}`, from: `127.0.1.${n + 1}` }));
    expect(guesses.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(8);
    expect(guesses.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(22);
    expect(guesses.find(({ status }) => status === 429)?.received).toContain("retry-after: ");
    expect((await guess(gateway, { user: "anna", password, from: "127.0.0.9" })).status).toBe(201);
    await gateway.expectServes();
  });

  test("of many users is guessed ten times a minute from one address, whatever its headers say of others", async () => {
    const guesses = [];
    for (let n = 0; n < 40; n++)
      guesses.push(
        await guess(gateway, {
          user: `user-${n}`,
          password: "password1234",
          from: "127.0.2.1",
          forwardedFor: `203.0.113.${n + 1}`,
        }),
      );
    expect(guesses.filter(({ status }) => status === 401).length).toBeLessThanOrEqual(12);
    expect(guesses.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(28);
    // Others are let in meanwhile.
    expect((await guess(gateway, { user: "user-1", password: "x", from: "127.0.2.2" })).status).toBe(401);
    await gateway.expectServes();
  });

  test("behind a proxy that is trusted is counted by whom that names, and not by what was said before it", async () => {
    await using proxied = await startGateway({ trustedProxies: ["127.0.3.1"] });
    const guesses = [];
    for (let n = 0; n < 30; n++)
      guesses.push(
        await guess(proxied, {
          user: `user-${n}`,
          password: "password1234",
          from: "127.0.3.1",
          // The first is anybody's word; the last is the proxy's.
          forwardedFor: `198.51.100.${n + 1}, 203.0.113.7`,
        }),
      );
    expect(guesses.filter(({ status }) => status === 429).length).toBeGreaterThanOrEqual(18);
    const other = { user: "user-1", password: "x", from: "127.0.3.1", forwardedFor: "203.0.113.8" };
    expect((await guess(proxied, other)).status).toBe(401);
  });

  test("of a user that there is none of is refused in the same words as a wrong one", async () => {
    await withUser("berta");
    const words = [];
    for (const user of ["berta", "nobody"])
      words.push(
        (await guess(gateway, { user, password: "wrong password", from: "127.0.4.1" })).received.split("\r\n\r\n")[1],
      );
    expect(words[0]).toContain("log_in");
    expect(words[0]).toBe(words[1]);
  });
});

describe("a token", () => {
  const ask = async (token: string, path = "/v1/sessions") =>
    statusesOf(
      await exchange(
        gateway.port,
        `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
      ),
    )[0];

  test("with any bit turned, cut, repeated, of another key, or in any place but its own opens nothing", async () => {
    const { owner } = gateway;
    expect(await ask(owner)).toBe(200);
    const bytes = Buffer.from(owner, "latin1");
    const turned = Array.from({ length: 200 }, (_, n) => {
      const at = Math.floor((n / 200) * bytes.length);
      const copy = Buffer.from(bytes);
      copy[at] = (copy[at] as number) ^ (1 << (n % 7));
      return copy.toString("latin1");
    }).filter((token) => /^[\x21-\x7e]+$/.test(token));
    expect(turned.length).toBeGreaterThan(100);
    const links = owner.split(".");
    const forged = createHmacChain(randomBytes(32)).mint(
      { tenant: "default", principal: "owner", clientType: "owner", restrictions: {} },
      randomBytes(16),
    ).token;
    const nearly = [
      ...turned,
      owner.slice(0, -1),
      `${owner}A`,
      `${owner}.`,
      `.${owner}`,
      `${owner}=`,
      `${owner},${owner}`,
      [...links.slice(0, -1), "A".repeat(43)].join("."),
      links.slice(0, 2).join("."),
      [links[0], links[1], links[1], links.at(-1)].join("."),
      forged,
      "vbc1..",
      "null",
      "undefined",
      "eyJhbGciOiJub25lIn0.eyJzdWIiOiJvd25lciJ9.",
      "a".repeat(8_000),
    ];
    for (const token of nearly) expect(await ask(token), token).toBe(401);
    const elsewhere = [
      `GET /v1/sessions?token=${owner}&access_token=${owner} HTTP/1.1\r\nHost: x\r\n`,
      `GET /v1/sessions HTTP/1.1\r\nHost: x\r\nCookie: token=${owner}\r\n`,
      `GET /v1/sessions HTTP/1.1\r\nHost: x\r\nX-Authorization: Bearer ${owner}\r\n`,
      `GET /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Basic ${Buffer.from(`owner:${owner}`).toString("base64")}\r\n`,
      `GET /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: ${owner}\r\n`,
      `GET /v1/sessions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer nonsense\r\nAuthorization: Bearer ${owner}\r\n`,
    ];
    for (const head of elsewhere)
      expect(statusesOf(await exchange(gateway.port, `${head}Connection: close\r\n\r\n`)), head).toEqual([401]);
    await gateway.expectServes();
  });

  test("that is over, not yet, taken back, used up, or of another session or tenant opens nothing that is not its own", async () => {
    const { client, url } = gateway;
    const [mine, theirs] = [
      await client.openSession({ clientType: "api" }),
      await client.openSession({ clientType: "api" }),
    ];
    const done = await client.send(theirs.sessionId, { command: "echo", args: { canary: "theirs" }, mode: "sync" });
    const over = await client.mintCapability({ expiresInMs: 1_000 });
    const notYet = await client.mintCapability({ expiresInMs: 60_000, notBefore: Date.now() + 50_000 });
    const back = await client.mintCapability({ expiresInMs: 60_000 });
    const once = await client.mintCapability({ expiresInMs: 60_000, maxUses: 1 });
    expect(await ask(back.token)).toBe(200);
    await client.send(mine.sessionId, {
      command: "capability.revoke",
      args: { capabilityId: back.capabilityId },
      mode: "sync",
    });
    expect(await ask(back.token)).toBe(401);
    await expect.poll(() => ask(over.token)).toBe(401);
    expect(await ask(notYet.token)).not.toBe(200);
    const user = createClient({ url, token: once.token });
    const uses = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => user.send(mine.sessionId, { command: "echo", args: { n }, mode: "sync" })),
    );
    expect(uses.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const token of [mine.token, gateway.otherOwner])
      for (const path of [
        `/v1/sessions/${theirs.sessionId}`,
        `/v1/sessions/${theirs.sessionId}/events`,
        `/v1/executions/${done.executionId}`,
        `/v1/executions/${done.executionId}/events`,
      ])
        expect(await ask(token, path), path).toBe(404);
    const stranger = createClient({ url, token: gateway.otherOwner });
    expect((await stranger.sessions()).sessions).toEqual([]);
    expect((await stranger.executions()).executions).toEqual([]);
    expect(JSON.stringify(await stranger.events())).not.toContain("theirs");
    await gateway.expectServes();
  });
});
