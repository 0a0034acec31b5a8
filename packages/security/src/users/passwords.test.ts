/** Hashes of passwords: what is right, what each costs, and that there are never more at once than may be. */
import { createRuntime, rootContext } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import type { Derive, PasswordCost } from "./passwords.ts";
import { createPasswords, defaultPasswordCost } from "./passwords.ts";

const ctx = rootContext(createRuntime());
const cheap: PasswordCost = { memoryKib: 64, passes: 2, lanes: 1 };

/** Derives nothing worth keeping, when it is told to, and counts. */
function controlled() {
  const begun: { password: string; cost: PasswordCost; end: () => void }[] = [];
  const derive: Derive = (password, _salt, cost) => {
    const derived = Promise.withResolvers<Uint8Array>();
    begun.push({ password, cost, end: () => derived.resolve(new Uint8Array(32).fill(password.length)) });
    return derived.promise;
  };
  return { begun, derive };
}
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("Argon2id", () => {
  test("is what OWASP asks for, stands with its cost in the hash, and knows the right password alone", async () => {
    const passwords = createPasswords();
    const hashed = await passwords.hash(ctx, "correct horse battery");
    if (!hashed.ok) throw new Error("It was busy.");
    expect(hashed.hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    const verify = (password: string) => passwords.verify(ctx, password, hashed.hash);
    expect(await verify("correct horse battery")).toEqual({ ok: true, isRight: true, isOutdated: false });
    expect(await verify("correct horse batterz")).toEqual({ ok: true, isRight: false, isOutdated: false });
    expect(await passwords.hash(ctx, "correct horse battery")).not.toEqual(hashed);
  });

  test("agrees with the reference implementation", async () => {
    // echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 (the phc-winner-argon2 test vectors, version 0x13)
    const hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    expect(await createPasswords().verify(ctx, "password", hash)).toMatchObject({ isRight: true });
  });

  test("of a cost that was raised since is right, and outdated", async () => {
    const before = await createPasswords({ cost: cheap }).hash(ctx, "ﬁrst password");
    if (!before.ok) throw new Error("It was busy.");
    // The ligature is the same two letters typed otherwise.
    expect(await createPasswords().verify(ctx, "first password", before.hash)).toEqual({
      ok: true,
      isRight: true,
      isOutdated: true,
    });
  });

  test.each([
    "",
    "$2b$12$abc",
    "$argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "$argon2id$v=19$m=64,t=2,p=1$c29tZXNhbHQ$AAAA",
  ])("no password is right for %j, whatever it would cost to try", async (hash) => {
    expect(await createPasswords({ cost: cheap }).verify(ctx, "password", hash)).toMatchObject({ isRight: false });
  });
});

describe("the turns", () => {
  test("an unknown user and a wrong password are one derivation each, at the same cost", async () => {
    const { begun, derive } = controlled();
    const passwords = createPasswords({ derive });
    const hashed = passwords.hash(ctx, "12 characters");
    begun[0]?.end();
    const kept = await hashed;
    if (!kept.ok) throw new Error("It was busy.");
    const answers = [passwords.verify(ctx, "wrong", kept.hash), passwords.verify(ctx, "wrong", undefined)];
    expect(begun).toHaveLength(3);
    for (const { end } of begun) end();
    expect(await Promise.all(answers)).toEqual(Array(2).fill({ ok: true, isRight: false, isOutdated: false }));
    expect(begun.map(({ cost }) => cost)).toEqual(Array(3).fill(defaultPasswordCost));
  });

  test("two at once, sixteen wait, more are told to come again, and each leaves its place to the next (W10)", async () => {
    const { begun, derive } = controlled();
    const passwords = createPasswords({ derive });
    const answers = Array.from({ length: 18 }, (_, index) => passwords.verify(ctx, `try ${index}`, undefined));
    expect(await passwords.verify(ctx, "one more", undefined)).toMatchObject({ ok: false, reason: "busy" });
    for (let ended = 0; ended < 18; ended++) {
      await turn();
      expect(begun.length).toBe(Math.min(18, ended + 2));
      begun[ended]?.end();
    }
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ ok: true });
    // All places are free again.
    passwords.verify(ctx, "a", undefined);
    passwords.verify(ctx, "b", undefined);
    expect(begun).toHaveLength(20);
  });
});
