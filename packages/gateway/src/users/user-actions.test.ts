/** Guessing: what a thousand tries come to, from one address and from many, and that the right password gets in all the same. In simulated time. */
import { createHash } from "node:crypto";
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import {
  builtInRoles,
  createCapabilities,
  createCredentials,
  createHmacChain,
  createLogIns,
  createPasswords,
  createServiceKeys,
  createUsers,
  userEventTypes,
} from "@viable/security";
import { describe, expect, test } from "vitest";
import { HttpProblem } from "../problems.ts";
import { createUserActions } from "./user-actions.ts";

const password = "canary-Password-1";
const home = "203.0.113.7";
const minuteMs = 60_000;

async function setup() {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const log = createLog(createMemoryStore(), runtime, { types: userEventTypes });
  await log.start(ctx);
  const capabilities = createCapabilities({ log, open: async () => createHmacChain(new Uint8Array(32).fill(1)) });
  await capabilities.start(ctx);
  let hashes = 0;
  const passwords = createPasswords({
    derive: async (text, salt) => {
      hashes += 1;
      return createHash("sha256").update(salt).update(text).digest();
    },
  });
  const accounts = { log, capabilities, passwords, roles: builtInRoles };
  const [users, logIns] = [createUsers(accounts), createLogIns(accounts)];
  const credentials = createCredentials({ log, key: () => undefined });
  const actions = createUserActions({ runtime, users, logIns, keys: createServiceKeys(accounts), credentials });
  await users.create(ctx, "anna", ["viewer"], { operations: ["read"], resources: [] }, "exe_1");
  const invited = await logIns.invite(ctx, "anna");
  const grant = capabilities.verify(ctx, invited?.token ?? "");
  if (grant === undefined) throw new Error("The invitation opens nothing.");
  await logIns.setPassword(ctx, "anna", password, grant);

  const logInAction = actions.find(({ path }) => path === "/login");
  if (logInAction?.isOpen !== true) throw new Error("There is no log-in.");
  /** The status, and after what time to come again. */
  const logIn = async (user: string, text: string, address: string) => {
    try {
      const body = async () => ({ user, password: text });
      return { status: (await logInAction.perform(ctx, { params: {}, address, body })).status, retryAfterMs: 0 };
    } catch (error) {
      if (!(error instanceof HttpProblem)) throw error;
      return { status: error.parts.status, retryAfterMs: error.parts.retryAfterMs ?? 0 };
    }
  };
  return { time, logIn, hashes: () => hashes };
}

const addressOf = (index: number) => `198.51.${100 + (index >> 8)}.${index & 255}`;

describe("a thousand guesses", () => {
  test("from one address: ten are looked at, and after a wait the right password gets in", async () => {
    const { time, logIn, hashes } = await setup();
    const before = hashes();
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => logIn(`user-${index}`.replace("-", ""), "a guess", home)),
    );
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(990);
    expect(hashes() - before).toBe(10);
    const refused = await logIn("anna", password, home);
    expect(refused.status).toBe(429);
    await time.advance(refused.retryAfterMs);
    expect(await logIn("anna", password, home)).toMatchObject({ status: 201 });
  });

  test("from a thousand addresses at one name: five are looked at, and in a minute the right password gets in", async () => {
    const { time, logIn, hashes } = await setup();
    const before = hashes();
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, index) => logIn("anna", "a guess", addressOf(index))),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(hashes() - before).toBe(5);
    const refused = await logIn("anna", password, home);
    expect(refused).toMatchObject({ status: 429 });
    expect(refused.retryAfterMs).toBeLessThanOrEqual(minuteMs);
    await time.advance(refused.retryAfterMs);
    expect(await logIn("anna", password, home)).toMatchObject({ status: 201 });
  });

  test("over hours, from ever new addresses, one in a minute is looked at, and the user gets in from home whenever they like", async () => {
    const { time, logIn, hashes } = await setup();
    expect(await logIn("anna", password, home)).toMatchObject({ status: 201 });
    const before = hashes();
    for (let second = 0; second < 3_600; second++) {
      await time.advance(1_000);
      await logIn("anna", "a guess", addressOf(second));
    }
    // Five at once, six while the wait grows to a minute, and one in each after that.
    expect(hashes() - before).toBeLessThanOrEqual(5 + 6 + 60);
    expect(await logIn("anna", password, "192.0.2.1")).toMatchObject({ status: 429 });
    expect(await logIn("anna", password, home)).toMatchObject({ status: 201 });
  });

  test("at a name that nobody has are answered as at one that somebody has", async () => {
    const { logIn } = await setup();
    const guess = async (user: string, from: number) => {
      const answers = [];
      for (let index = 0; index < 20; index++) answers.push(await logIn(user, "a guess", addressOf(from + index)));
      return answers;
    };
    expect(await guess("nobody", 0)).toEqual(await guess("anna", 100));
  });

  test("of one IPv6 network are of one address", async () => {
    const { logIn } = await setup();
    const statuses = [];
    for (let index = 0; index < 12; index++)
      statuses.push((await logIn(`u${index}`, "a guess", `2001:db8::${index}`)).status);
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
  });
});
