/**
 * Users through the gateway of a whole system: how a person comes in, what guessing comes to, what each may do, and that no password, token, key or credential
 * shows in any event, record, answer to others or notice. Guessing is in `packages/gateway/src/users/user-actions.test.ts`, where requests have addresses.
 */
import { defineSystem } from "viable";
import { describe, expect, test } from "vitest";
import { startTestSystem } from "./described-system.ts";

const definition = defineSystem({ name: "users-test", services: [], gateway: { port: 0 } });
const canaries = {
  password: "canary-Password-1",
  second: "canary-Password-2",
  guess: "canary-Guess-of-mine",
  credential: "canary-credential-0123456789-wxyz",
};

async function setup() {
  const t = await startTestSystem(definition, { secret: new Uint8Array(32).fill(3) });
  const ask = async (method: string, path: string, token: string, body?: object) => {
    const headers = token === "" ? {} : { authorization: `Bearer ${token}` };
    const init = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    const response = await t.system.fetch(new Request(`http://test.invalid/v1${path}`, init));
    const answer = (await response.json()) as Record<string, unknown> & { token: string };
    return { status: response.status, retryAfter: response.headers.get("retry-after"), answer };
  };
  const owner = t.system.ownerToken;
  const client = await t.connect();
  const join = async (user: string, ...roles: string[]) => {
    expect(await client.run("user.create", { user, roles })).toMatchObject({ status: "completed" });
    const { token } = (await ask("POST", `/users/${user}/invitations`, owner)).answer;
    const set = await ask("POST", `/users/${user}/password`, token, { password: canaries.password });
    expect(set).toMatchObject({ status: 200 });
    return token;
  };
  const logIn = (user: string, password = canaries.password) => ask("POST", "/login", "", { user, password });
  return { t, ask, owner, client, join, logIn };
}

describe("a person", () => {
  test("is invited once, logs in, renews, sees themselves and logs out", async () => {
    const { t, ask, join, logIn } = await setup();
    const invitation = await join("anna", "viewer");
    const again = await ask("POST", "/users/anna/password", invitation, { password: canaries.second });
    expect(again).toMatchObject({ status: 401 });
    const { status, answer } = await logIn("anna");
    expect({ status, answer }).toMatchObject({
      status: 201,
      answer: { user: "anna", role: "viewer", roles: ["viewer"] },
    });
    expect(await ask("GET", "/users/anna", answer.token)).toMatchObject({ status: 200, answer: { hasPassword: true } });
    expect(await ask("GET", "/users/ben", answer.token)).toMatchObject({ status: 404 });
    expect(await ask("GET", "/users", answer.token)).toMatchObject({ status: 403 });
    const renewed = await ask("POST", "/login/renew", answer.token);
    expect(renewed).toMatchObject({ status: 201 });
    expect(await ask("DELETE", "/login", renewed.answer.token)).toMatchObject({ status: 200 });
    expect(await ask("GET", "/users/anna", renewed.answer.token)).toMatchObject({ status: 401 });
    await t.stop();
  });

  test("changes the password with the one of before, which ends all log-ins; nobody else sets it", async () => {
    const { t, ask, owner, join, logIn } = await setup();
    await join("anna", "viewer");
    const { token } = (await logIn("anna")).answer;
    const set = (by: string, body: object) => ask("POST", "/users/anna/password", by, body);
    expect(await set(owner, { password: canaries.second })).toMatchObject({ status: 403 });
    expect(await set(token, { password: canaries.second })).toMatchObject({ status: 403 });
    expect(await set(token, { password: canaries.second, current: canaries.guess })).toMatchObject({ status: 401 });
    expect(await set(token, { password: "too short", current: canaries.password })).toMatchObject({ status: 422 });
    expect(await set(token, { password: canaries.second, current: canaries.password })).toMatchObject({ status: 200 });
    expect(await ask("GET", "/users/anna", token)).toMatchObject({ status: 401 });
    expect(await logIn("anna", canaries.second)).toMatchObject({ status: 201 });
    await t.stop();
  });
});

describe("managing users", () => {
  test("is for who administers: an operator may do neither by command nor by route", async () => {
    const { t, ask, join, logIn } = await setup();
    await join("op", "operator");
    const { token } = (await logIn("op")).answer;
    const opened = await ask("POST", "/sessions", token, { clientType: "cli" });
    const send = (command: string, args: object) =>
      t.settled(ask("POST", `/sessions/${opened.answer.sessionId}/commands`, token, { command, args, mode: "sync" }));
    for (const [command, args] of [
      ["user.create", { user: "mine", roles: ["admin"] }],
      ["user.roles", { user: "op", roles: ["admin"] }],
      ["user.enable", { user: "op" }],
    ] as const)
      expect(await send(command, args)).toMatchObject({ status: 403, answer: { code: "security.denied" } });
    for (const [method, path] of [
      ["POST", "/users/op/keys"],
      ["POST", "/users/op/invitations"],
      ["PUT", "/credentials/openai"],
      ["DELETE", "/credentials/openai"],
      ["GET", "/credentials"],
      ["GET", "/users/op/keys"],
    ] as const)
      expect(await ask(method, path, token, method === "GET" ? undefined : {})).toMatchObject({ status: 403 });
    const own = await send("user.setting", { key: "theme", value: "dark" });
    expect(own).toMatchObject({ status: 200, answer: { status: "completed" } });
    expect(await send("user.setting", { user: "other", key: "theme", value: 1 })).toMatchObject({
      answer: { status: "failed", error: { code: "user.denied" } },
    });
    await t.stop();
  });

  test("a disabled user's log-in and session open nothing, and a wrong password and a disabled user are one answer", async () => {
    const { t, ask, client, join, logIn } = await setup();
    await join("anna", "operator");
    const { token } = (await logIn("anna")).answer;
    const session = (await ask("POST", "/sessions", token, { clientType: "cli" })).answer;
    expect(await client.run("user.disable", { user: "anna" })).toMatchObject({ status: "completed" });
    for (const each of [token, session.token])
      expect(await ask("GET", "/commands", each)).toMatchObject({ status: 401 });
    const answers = [await logIn("anna"), await logIn("nobody"), await logIn("anna", canaries.guess)];
    for (const { status, answer } of answers) {
      expect(status).toBe(401);
      expect(answer).toEqual(answers[0]?.answer);
    }
    await t.stop();
  });
});

test("no password, token, key or credential shows in an event, a record, a view or a notice", async () => {
  const { t, ask, owner, join, logIn } = await setup();
  const invitation = await join("anna", "admin");
  const logged = (await logIn("anna")).answer;
  await logIn("anna", canaries.guess);
  const renewed = (await ask("POST", "/login/renew", logged.token)).answer;
  const key = (await ask("POST", "/users/anna/keys", owner, { label: "ci" })).answer;
  const answers = [
    await ask("PUT", "/credentials/openai", owner, { value: canaries.credential }),
    await ask("PUT", "/credentials/openai", owner, { value: canaries.credential, more: canaries.guess }),
    await ask("POST", "/login", "", { user: canaries.guess, password: canaries.password }),
    await ask("POST", "/users/anna/password", logged.token, { password: [canaries.guess] }),
    await ask("GET", "/credentials", owner),
    await ask("GET", "/users", owner),
    await ask("GET", "/users/anna/keys", owner),
    await ask("GET", "/events?limit=1000", owner),
  ];
  expect(answers[4]).toMatchObject({ answer: { credentials: [{ provider: "openai", ends: "wxyz", readable: true }] } });
  const { records } = await t.system.log.listRecords(t.ctx, "");
  const seen = JSON.stringify([await t.events(), records, answers, t.notices]);
  expect(seen).toContain("user.key_created");
  const tokens = [invitation, logged.token, renewed.token, key.token].map((token) => token.split(".").at(-1) ?? "none");
  for (const secret of [...Object.values(canaries), ...tokens]) expect(seen).not.toContain(secret);
  await t.stop();
});
