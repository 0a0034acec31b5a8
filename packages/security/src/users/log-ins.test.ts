/**
 * Users and what they log in to, on one log and on two processes of one store: what opens, what ends it everywhere, and that no secret stands in anything that is
 * written. Hashing is stood in for by something quick that is counted; the real one is in `passwords.test.ts`.
 */
import { createHash } from "node:crypto";
import type { SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import type { Store } from "@viable/log";
import { createLog, createMemoryStore } from "@viable/log";
import { everyEvent } from "@viable/log/testing";
import type { Role } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { createCapabilities } from "../capability/capabilities.ts";
import { createHmacChain } from "../capability/hmac-chain.ts";
import { userEventTypes } from "./event-types.ts";
import type { LogInOutcome } from "./log-ins.ts";
import { createLogIns } from "./log-ins.ts";
import type { PasswordCost } from "./passwords.ts";
import { createPasswords } from "./passwords.ts";
import type { Giver } from "./roles.ts";
import { builtInRoles } from "./roles.ts";
import { createServiceKeys } from "./service-keys.ts";
import { createUsers } from "./users.ts";

const owner: Giver = { operations: ["read", "write", "execute"], resources: [] };
const password = "canary-Zebra-Password";
const other = "canary-Yak-Password-2";
const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

interface World {
  readonly store?: Store;
  readonly time?: SimulatedTime;
  readonly cost?: PasswordCost;
  readonly roles?: Record<string, Role>;
}

/** On a store of its own unless one is shared, since whoever shares one looks at it each second. */
async function startProcess({
  store = createMemoryStore(),
  time = simulateTime(),
  cost,
  roles = builtInRoles,
}: World = {}) {
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime, { principal: "owner" });
  const log = createLog(store, runtime, { types: userEventTypes });
  await log.start(ctx);
  const capabilities = createCapabilities({ log, open: async () => createHmacChain(new Uint8Array(32).fill(1)) });
  await capabilities.start(ctx);
  let derivations = 0;
  const passwords = createPasswords({
    ...(cost !== undefined && { cost }),
    derive: async (text, salt, { memoryKib }) => {
      derivations += 1;
      return createHash("sha256").update(`${memoryKib}`).update(salt).update(text).digest();
    },
  });
  const sources = { log, capabilities, passwords, roles };
  const users = createUsers(sources);
  const logIns = createLogIns(sources);
  const keys = createServiceKeys(sources);
  const logIn = (user: string, text = password, role?: string) => logIns.logIn(ctx, { user, password: text, role });
  const tokenOf = (outcome: LogInOutcome): string => {
    if (!outcome.ok) throw new Error(`No log-in: ${outcome.reason}`);
    return outcome.token;
  };
  const verify = (token: string) => capabilities.verify(ctx, token);
  const grantOf = (token: string) => {
    const grant = verify(token);
    if (grant === undefined) throw new Error("The token opens nothing.");
    return grant;
  };
  /** A user with a password, as the person has set it. */
  const join = async (name: string, ...names: string[]) => {
    expect(await users.create(ctx, name, names, owner, `exe_${name}`)).toEqual({ ok: true, isChanged: true });
    const invited = await logIns.invite(ctx, name);
    expect(await logIns.setPassword(ctx, name, password, grantOf(invited?.token ?? ""))).toEqual({ ok: true });
  };
  const hear = async () => {
    await time.advance(1_000);
  };
  return {
    ...{ ctx, log, store, time, users, logIns, keys, capabilities, logIn, tokenOf, verify, grantOf, join, hear },
    derivations: () => derivations,
  };
}

const sharedStore = (): Store => ({ ...createMemoryStore(), exclusive: false });

describe("a log-in", () => {
  test("is a capability of the user, in the first of its roles or the one that is asked for, for twelve hours", async () => {
    const { join, logIn, tokenOf, grantOf, verify, time } = await startProcess();
    await join("anna", "viewer", "operator");
    const first = await logIn("anna");
    expect(first).toMatchObject({ ok: true, user: "anna", role: "viewer", roles: ["viewer", "operator"] });
    expect(grantOf(tokenOf(first))).toMatchObject({ principal: "user:anna", operations: ["read"], clientType: "api" });
    const operator = grantOf(tokenOf(await logIn("anna", password, "operator")));
    expect(operator.operations).toEqual(["read", "write", "execute"]);
    expect(operator.denied).toContain("command/user.create");
    expect(await logIn("anna", password, "admin")).toEqual({ ok: false, reason: "no_role" });
    await time.advance(12 * hourMs);
    expect(verify(tokenOf(first))).toBeUndefined();
  });

  test("unknown, without a password, disabled and wrong are one answer, and one derivation each", async () => {
    const { ctx, users, join, logIn, derivations } = await startProcess();
    await join("anna", "viewer");
    await join("gone", "viewer");
    await users.setState(ctx, "gone", "disabled", owner);
    await users.create(ctx, "new", ["viewer"], owner, "exe_2");
    for (const [user, text] of [
      ["nobody", password],
      ["new", password],
      ["gone", password],
      ["anna", other],
    ] as const) {
      const before = derivations();
      expect(await logIn(user, text)).toEqual({ ok: false, reason: "refused" });
      expect(derivations() - before).toBe(1);
    }
    expect(await logIn("anna")).toMatchObject({ ok: true });
  });

  test("writes a hash anew where it costs less than today's, once", async () => {
    const store = sharedStore();
    const cheap = await startProcess({ store, cost: { memoryKib: 64, passes: 1, lanes: 1 } });
    await cheap.join("anna", "viewer");
    const dear = await startProcess({ store, time: cheap.time });
    for (const [derivations, memory] of [
      [2, "m=19456"],
      [1, "m=19456"],
    ] as const) {
      const before = dear.derivations();
      expect(await dear.logIn("anna")).toMatchObject({ ok: true });
      expect(dear.derivations() - before).toBe(derivations);
      const { records } = await dear.log.listRecords(dear.ctx, "security/password/");
      expect(JSON.stringify(records)).toContain(memory);
    }
  });

  test("whose role the config does not know any more is none", async () => {
    const store = sharedStore();
    const before = await startProcess({
      store,
      roles: { ...builtInRoles, guest: { operations: ["read"], administers: false } },
    });
    await before.join("anna", "guest");
    const after = await startProcess({ store, time: before.time });
    expect(await after.logIn("anna")).toEqual({ ok: false, reason: "no_role" });
  });
});

describe("what ends log-ins ends them in this process at once and in another within a second:", () => {
  type Process = Awaited<ReturnType<typeof startProcess>>;
  const ways = {
    "a disabled user": async ({ users, ctx }: Process) => void (await users.setState(ctx, "anna", "disabled", owner)),
    "changed roles": async ({ users, ctx }: Process) => void (await users.setRoles(ctx, "anna", ["operator"], owner)),
    "a changed password": async ({ logIns, ctx }: Process) =>
      void (await logIns.setPassword(ctx, "anna", other, { current: password })),
  };
  test.each(Object.entries(ways))("%s", async (_name, end) => {
    const here = await startProcess({ store: sharedStore() });
    const there = await startProcess({ store: here.store, time: here.time });
    await here.join("anna", "viewer");
    await here.join("ben", "viewer");
    const token = here.tokenOf(await there.logIn("anna"));
    const narrowed = here.capabilities.attenuate(token, { maxUses: 5 }).token;
    const bens = here.tokenOf(await here.logIn("ben"));
    const created = await here.keys.create(here.ctx, "anna", {
      label: "ci",
      role: undefined,
      restrictions: {},
      expiresInDays: 30,
    });
    const key = created.ok ? created.token : "";
    await here.hear();
    for (const each of [here, there]) for (const known of [token, narrowed, key]) each.grantOf(known);
    await end(here);
    for (const known of [token, narrowed, key]) expect(here.verify(known)).toBeUndefined();
    await there.hear();
    for (const known of [token, narrowed, key]) expect(there.verify(known)).toBeUndefined();
    expect(await here.keys.list(here.ctx, "anna")).toEqual([]);
    for (const each of [here, there]) each.grantOf(bens);
  });

  test("and a log-in that was under way while the user was disabled opens nothing", async () => {
    const { ctx, users, join, logIn, tokenOf, verify } = await startProcess();
    await join("anna", "viewer");
    const underWay = logIn("anna");
    await users.setState(ctx, "anna", "disabled", owner);
    const outcome = await underWay;
    if (outcome.ok) expect(verify(tokenOf(outcome))).toBeUndefined();
    await users.setState(ctx, "anna", "active", owner);
    if (outcome.ok) expect(verify(tokenOf(outcome))).toBeUndefined();
  });
});

describe("a renewal", () => {
  test("gives a new token, and the one before opens for a minute more, here and in another process", async () => {
    const here = await startProcess({ store: sharedStore() });
    const there = await startProcess({ store: here.store, time: here.time });
    await here.join("anna", "operator");
    const before = here.tokenOf(await here.logIn("anna"));
    await here.time.advance(minuteMs);
    const renewed = await here.logIns.renew(here.ctx, here.grantOf(before));
    if (!renewed.ok) throw new Error(renewed.reason);
    await here.time.advance(minuteMs - 1);
    for (const each of [here, there]) {
      each.grantOf(before);
      each.grantOf(renewed.token);
    }
    await here.time.advance(1);
    for (const each of [here, there]) expect(each.verify(before)).toBeUndefined();
    expect(here.grantOf(renewed.token)).toMatchObject({ principal: "user:anna" });
  });

  test("is for the log-in's own token alone: what was narrowed from it would come to more", async () => {
    const { ctx, logIns, capabilities, join, logIn, tokenOf, grantOf } = await startProcess();
    await join("anna", "operator");
    const token = tokenOf(await logIn("anna"));
    const forged = { operations: ["read" as const], label: "log-in as admin" };
    const root = capabilities.mint(ctx, {
      tenant: "default",
      principal: "user:anna",
      clientType: "api",
      restrictions: {},
    });
    for (const each of [
      capabilities.attenuate(token, { operations: ["read"] }).token,
      capabilities.attenuate(token, forged).token,
      capabilities.attenuate(root.token, {
        ...forged,
        label: "log-in as operator",
        notBefore: 1_767_225_600_000 - minuteMs,
        expiresAt: Date.UTC(2027, 0, 1),
      }).token,
      (await logIns.invite(ctx, "anna"))?.token ?? "",
    ])
      expect(await logIns.renew(ctx, grantOf(each))).toMatchObject({ ok: false, reason: "not_a_log_in" });
    expect(await logIns.logOut(ctx, grantOf(capabilities.attenuate(token, {}).token))).toBe(false);
    grantOf(token);
  });

  test("comes to an end after thirty days", async () => {
    const { ctx, time, logIns, join, logIn, tokenOf, grantOf } = await startProcess();
    await join("anna", "operator");
    let token = tokenOf(await logIn("anna"));
    for (let hours = 11; hours <= 30 * 24; hours += 11) {
      await time.advance(11 * hourMs);
      const renewed = await logIns.renew(ctx, grantOf(token));
      if (!renewed.ok) throw new Error(`${renewed.reason} after ${hours} hours`);
      token = renewed.token;
    }
    // What is left of the thirty days, and no twelve hours.
    expect((grantOf(token).expiresAt ?? 0) - time.now()).toBe(30 * 24 * hourMs - 65 * 11 * hourMs);
  });

  test("a log-out ends the log-in and what came of it, and no other", async () => {
    const { ctx, logIns, capabilities, join, logIn, tokenOf, grantOf, verify } = await startProcess();
    await join("anna", "operator");
    const [mine, second] = [tokenOf(await logIn("anna")), tokenOf(await logIn("anna"))];
    const session = capabilities.attenuate(mine, { sessionId: "ses_1" }).token;
    expect(await logIns.logOut(ctx, grantOf(mine))).toBe(true);
    expect([verify(mine), verify(session)]).toEqual([undefined, undefined]);
    grantOf(second);
  });
});

describe("an invitation", () => {
  test("sets one password, also where two processes are asked at once, and then no other", async () => {
    const here = await startProcess({ store: sharedStore() });
    const there = await startProcess({ store: here.store, time: here.time });
    await here.users.create(here.ctx, "anna", ["viewer"], owner, "exe_1");
    const invited = await here.logIns.invite(here.ctx, "anna");
    const second = await here.logIns.invite(here.ctx, "anna");
    await here.hear();
    const grant = here.grantOf(invited?.token ?? "");
    const outcomes = await Promise.all(
      [here, there].map((each, index) => each.logIns.setPassword(each.ctx, "anna", `${password}${index}`, grant)),
    );
    expect(outcomes.map(({ ok }) => ok).sort()).toEqual([false, true]);
    expect(here.verify(second?.token ?? "")).toBeUndefined();
    const log = await Promise.all([0, 1].map((index) => here.logIn("anna", `${password}${index}`)));
    expect(log.filter(({ ok }) => ok)).toHaveLength(1);
  });

  test("is for its own user, and asks for nothing else", async () => {
    const { ctx, users, logIns, join, logIn, tokenOf, grantOf } = await startProcess();
    await join("ben", "admin");
    await users.create(ctx, "anna", ["viewer"], owner, "exe_1");
    const grant = grantOf((await logIns.invite(ctx, "anna"))?.token ?? "");
    expect(await logIns.setPassword(ctx, "ben", other, grant)).toEqual({ ok: false, reason: "not_invited" });
    const bens = grantOf(tokenOf(await logIn("ben")));
    expect(await logIns.setPassword(ctx, "ben", other, bens)).toEqual({ ok: false, reason: "not_invited" });
    expect(grant).toMatchObject({
      operations: ["write"],
      links: [{}, { restrictions: { resources: ["command/user.password"] } }],
    });
  });
});

describe("roles", () => {
  test("nobody gives what they may not do, by creating, by a change or by letting in again (W4)", async () => {
    const { ctx, users } = await startProcess();
    const writer: Giver = { operations: ["read", "write"], resources: [] };
    const denied: Giver = { ...owner, denied: ["command/database.backup"] };
    const narrow: Giver = { ...owner, resources: [["command/user.create"]] };
    for (const giver of [writer, denied, narrow])
      expect(await users.create(ctx, "mine", ["operator"], giver, "exe_1")).toMatchObject({
        ok: false,
        reason: "denied",
      });
    expect(await users.create(ctx, "mine", ["viewer"], writer, "exe_1")).toMatchObject({ ok: true });
    expect(await users.setRoles(ctx, "mine", ["viewer", "admin"], writer)).toMatchObject({
      ok: false,
      reason: "denied",
    });
    await users.create(ctx, "boss", ["admin"], owner, "exe_2");
    await users.setState(ctx, "boss", "disabled", writer);
    expect(await users.setState(ctx, "boss", "active", writer)).toMatchObject({ ok: false, reason: "denied" });
    expect(await users.create(ctx, "x", ["toString"], owner, "exe_3")).toMatchObject({ reason: "unknown_role" });
  });
});

test("a user is of one tenant, and none is seen from another (W11)", async () => {
  const { ctx, users, join, logIns } = await startProcess();
  await join("anna", "viewer");
  const acme = rootContext(ctx.runtime, { tenant: "acme" });
  expect(await users.find(acme, "anna")).toBeUndefined();
  expect(await users.list(acme, { limit: 10 })).toEqual({ users: [] });
  expect(await logIns.logIn(acme, { user: "anna", password })).toEqual({ ok: false, reason: "refused" });
  expect((await users.list(ctx, { limit: 10 })).users).toMatchObject([{ name: "anna", hasPassword: true }]);
});

test("settings are bounded, changed one by one, and read back", async () => {
  const { ctx, users, join } = await startProcess();
  await join("anna", "viewer");
  expect(await users.setSetting(ctx, "anna", "theme", { dark: true })).toEqual({ ok: true, isChanged: true });
  expect(await users.setSetting(ctx, "anna", "theme", { dark: true })).toEqual({ ok: true, isChanged: false });
  expect(await users.setSetting(ctx, "anna", "big", "x".repeat(16_384))).toMatchObject({ reason: "too_large" });
  expect(await users.setSetting(ctx, "nobody", "theme", 1)).toMatchObject({ reason: "unknown" });
  expect(await users.find(ctx, "anna")).toMatchObject({ settings: { theme: { dark: true } } });
  await users.setSetting(ctx, "anna", "theme", null);
  expect(await users.find(ctx, "anna")).toMatchObject({ settings: {} });
});

describe("a service's key", () => {
  const ci = { label: "ci", role: undefined, restrictions: { resources: ["command/analyze"] }, expiresInDays: 30 };

  test("acts as the service, within the role and its restrictions, until it ends or is revoked by its id", async () => {
    const { ctx, time, users, keys, grantOf, verify } = await startProcess();
    await users.create(ctx, "builder", ["operator"], owner, "exe_1");
    const [first, second] = [await keys.create(ctx, "builder", ci), await keys.create(ctx, "builder", ci)];
    if (!first.ok || !second.ok) throw new Error("No key.");
    const grant = grantOf(first.token);
    expect(grant).toMatchObject({ principal: "service:builder", expiresAt: first.key.expiresAt });
    expect(grant.links?.at(-1)?.restrictions).toEqual(ci.restrictions);
    expect((await keys.list(ctx, "builder")).map(({ keyId }) => keyId).sort()).toEqual(
      [first.key.keyId, second.key.keyId].sort(),
    );
    expect(await keys.revoke(ctx, "builder", first.key.keyId)).toBe(true);
    expect(await keys.revoke(ctx, "builder", first.key.keyId)).toBe(false);
    expect(verify(first.token)).toBeUndefined();
    grantOf(second.token);
    await time.advance(30 * 24 * hourMs);
    expect(verify(second.token)).toBeUndefined();
    expect(await keys.list(ctx, "builder")).toEqual([]);
  });

  test("is for one of the user's roles, and there are a hundred at most", async () => {
    const { ctx, users, keys } = await startProcess();
    await users.create(ctx, "builder", ["viewer"], owner, "exe_1");
    expect(await keys.create(ctx, "builder", { ...ci, role: "admin" })).toEqual({ ok: false, reason: "no_role" });
    expect(await keys.create(ctx, "nobody", ci)).toEqual({ ok: false, reason: "unknown" });
    for (let made = 0; made < 100; made++) expect(await keys.create(ctx, "builder", ci)).toMatchObject({ ok: true });
    expect(await keys.create(ctx, "builder", ci)).toEqual({ ok: false, reason: "too_many" });
  });
});

test("no password, token or key stands in any event or record", async () => {
  const { ctx, log, store, logIns, keys, join, logIn, tokenOf, grantOf } = await startProcess();
  await join("anna", "operator");
  const token = tokenOf(await logIn("anna"));
  const renewed = await logIns.renew(ctx, grantOf(token));
  const key = await keys.create(ctx, "anna", { label: "ci", role: undefined, restrictions: {}, expiresInDays: 1 });
  const invited = await logIns.invite(ctx, "anna");
  await logIn("anna", other);
  await logIns.setPassword(ctx, "anna", other, { current: password });
  const secrets = [password, other, token, renewed.ok && renewed.token, key.ok && key.token, invited?.token];
  const { records } = await log.listRecords(ctx, "");
  const written = JSON.stringify([await everyEvent(store), records]);
  expect(written).toContain("user.logged_in");
  for (const secret of secrets) {
    expect(secret).toBeTypeOf("string");
    expect(written).not.toContain(secret);
    // Nor the signature, which is all of a token that is secret.
    expect(written).not.toContain(String(secret).split(".").at(-1));
  }
});
