import type { JsonObject } from "@viable/kernel";
import type { Restrictions } from "@viable/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Authority, CapabilityTokens, OpenedCapability } from "../capability/capability-tokens.ts";
import { maxLinks } from "../capability/capability-tokens.ts";

export interface CapabilityAdapter {
  /** The adapter with a key: the same one for the same number. */
  create(key: number): CapabilityTokens;
  /** The text of a narrowed capability whose last link says this, signed as it should be: what a bearer with another release could write. */
  appendLink(token: string, link: JsonObject): string;
}

export const owner: Authority = { tenant: "default", principal: "owner", clientType: "owner", restrictions: {} };
const nonce = (seed: number): Uint8Array => new Uint8Array(16).fill(seed);

const everyRestriction: Required<{ [Name in keyof Restrictions]: fc.Arbitrary<NonNullable<Restrictions[Name]>> }> = {
  operations: fc.subarray(["read", "write", "execute"], { minLength: 1 }),
  resources: fc.subarray(["command/a", "command/*", "query/**", "view/x.y", "**"], { minLength: 1 }),
  denied: fc.subarray(["command/a", "view/x.*"], { minLength: 1 }),
  notBefore: fc.nat(2_000),
  expiresAt: fc.nat(2_000),
  daily: fc.constantFrom(
    { from: "00:00", to: "12:00", timeZone: "UTC" },
    { from: "22:00", to: "06:00", timeZone: "Europe/Berlin" },
  ),
  sessionId: fc.constantFrom("ses_1", "ses_2"),
  executionId: fc.constantFrom("exe_1", "exe_2"),
  clientType: fc.constantFrom("cli", "web", "api"),
  commandsPerHour: fc.integer({ min: 1, max: 100 }),
  maxConcurrent: fc.integer({ min: 1, max: 100 }),
  maxUses: fc.integer({ min: 1, max: 100 }),
  maxDelegations: fc.constant(10),
  requireWebhook: fc.constant(true),
  maxRequestBytes: fc.integer({ min: 1, max: 100 }),
  label: fc.constantFrom("ci", "a person"),
  nonce: fc.constantFrom("1", "2"),
};
/** Up to three of them: with all at once hardly anything is ever allowed, and nothing is learnt. */
export const arbitraryRestrictions: fc.Arbitrary<Restrictions> = fc
  .subarray(Object.keys(everyRestriction) as (keyof Restrictions)[], { maxLength: 3 })
  .chain((names) =>
    fc.record(
      Object.fromEntries(names.map((name) => [name, everyRestriction[name]])) as Record<string, fc.Arbitrary<unknown>>,
    ),
  ) as fc.Arbitrary<Restrictions>;

function opened(tokens: CapabilityTokens, token: string): OpenedCapability {
  const opening = tokens.open(token);
  if (!opening.ok) throw new Error(`It does not open: ${opening.reason}.`);
  return opening.capability;
}

/** What every adapter of capability tokens must keep. */
export function describeCapabilityTokens(name: string, { create, appendLink }: CapabilityAdapter): void {
  describe(`capability tokens, ${name}`, () => {
    const tokens = create(1);

    test("a root opens as it was minted, and no two are equal", () => {
      const restricted: Authority = { ...owner, restrictions: { operations: ["read"], expiresAt: 5 } };
      const { token, capabilityId } = tokens.mint(restricted, nonce(1));
      expect(opened(tokens, token)).toEqual({
        authority: restricted,
        ids: [capabilityId],
        restrictions: [restricted.restrictions],
      });
      expect(capabilityId).toMatch(/^cap_[0-9a-z]{26}$/);
      expect(tokens.mint(restricted, nonce(2)).capabilityId).not.toBe(capabilityId);
    });

    test("a chain opens with what each link says, in order, and with the ids that its makers were told", () => {
      fc.assert(
        fc.property(fc.array(arbitraryRestrictions, { maxLength: 10 }), (chain) => {
          const made = [tokens.mint(owner, nonce(3))];
          for (const restrictions of chain) made.push(tokens.attenuate(made.at(-1)?.token ?? "", restrictions));
          const { ids, restrictions, authority } = opened(tokens, made.at(-1)?.token ?? "");
          expect(authority).toEqual(owner);
          expect(restrictions).toEqual([{}, ...chain]);
          expect(ids).toEqual(made.map(({ capabilityId }) => capabilityId));
        }),
        { numRuns: 300 },
      );
    });

    test("the same narrowing of the same text is the same capability, and of another is another", () => {
      const [one, two] = [tokens.mint(owner, nonce(1)).token, tokens.mint(owner, nonce(2)).token] as const;
      const narrowed = tokens.attenuate(one, { maxUses: 1 });
      expect(tokens.attenuate(one, { maxUses: 1 })).toEqual(narrowed);
      expect(tokens.attenuate(two, { maxUses: 1 }).capabilityId).not.toBe(narrowed.capabilityId);
      expect(tokens.attenuate(one, { maxUses: 2 }).capabilityId).not.toBe(narrowed.capabilityId);
    });

    test("every flipped bit is refused, and every character left out, doubled or put in", () => {
      const { token } = tokens.attenuate(tokens.mint(owner, nonce(4)).token, { operations: ["read"], maxUses: 3 });
      const bytes = Buffer.from(token, "latin1");
      for (let at = 0; at < bytes.length; at++) {
        for (let bit = 0; bit < 8; bit++) {
          const flipped = Buffer.from(bytes);
          flipped[at] = (flipped[at] as number) ^ (1 << bit);
          expect(tokens.open(flipped.toString("latin1")).ok, `bit ${bit} of character ${at}`).toBe(false);
        }
        expect(tokens.open(token.slice(0, at) + token.slice(at + 1)).ok, `without character ${at}`).toBe(false);
        for (const put of [token[at], "A", ".", "=", " "])
          expect(tokens.open(`${token.slice(0, at)}${put}${token.slice(at)}`).ok, `${put} at ${at}`).toBe(false);
      }
    });

    test("links cannot be taken away, exchanged or moved to another chain", () => {
      const root = tokens.mint(owner, nonce(5)).token;
      const middle = tokens.attenuate(root, { operations: ["read"] }).token;
      const last = tokens.attenuate(middle, { maxUses: 1 }).token;
      const parts = last.split(".");
      const signatures = [root, middle, last].map((token) => token.split(".").at(-1) as string);
      const [version, ...rest] = parts.slice(0, -1);
      for (let kept = 0; kept < 1 << rest.length; kept++) {
        const links = rest.filter((_, index) => kept & (1 << index));
        for (const order of [links, links.toReversed()]) {
          for (const signature of signatures) {
            const text = [version, ...order, signature].join(".");
            if ([root, middle, last].includes(text)) continue;
            expect(tokens.open(text).ok, text).toBe(false);
          }
        }
      }
      // Whoever has the last alone has no signature that opens the wider ones.
      const alone = [version, ...rest.slice(0, 2), signatures[2]].join(".");
      expect(tokens.open(alone)).toEqual({ ok: false, reason: "forged" });
    });

    test("one of another issuer is refused, and told from a forged one", () => {
      const foreign = create(2).mint(owner, nonce(1)).token;
      expect(tokens.open(foreign)).toEqual({ ok: false, reason: "unknown_issuer" });
      expect(create(1).open(tokens.mint(owner, nonce(1)).token).ok).toBe(true);
    });

    test.each<JsonObject>([
      { madeUp: true },
      { operations: ["read"], madeUp: true },
      { operations: ["fly"] },
      { resources: [] },
      { resources: ["command/*/x"] },
      { maxUses: 0 },
      { maxUses: 1.5 },
      { expiresAt: "tomorrow" },
      { daily: { from: "24:00", to: "06:00", timeZone: "UTC" } },
      { daily: { from: "22:00", to: "06:00", timeZone: "Middle/Earth" } },
      { requireWebhook: false },
    ])("a link that says %j is refused: what is not known is never passed over", (link) => {
      const token = appendLink(tokens.mint(owner, nonce(1)).token, link);
      expect(tokens.open(token)).toEqual({ ok: false, reason: "unknown_restriction" });
      // And nothing that follows it makes it good.
      expect(tokens.open(appendLink(token, {}))).toEqual({ ok: false, reason: "unknown_restriction" });
    });

    test.each<JsonObject>([JSON.parse('{"__proto__": {"operations": ["read"]}}'), JSON.parse('{"constructor": {}}')])(
      "a link with a key that every object has is refused: %j",
      (link) => {
        const token = appendLink(tokens.mint(owner, nonce(1)).token, link);
        expect(tokens.open(token)).toEqual({ ok: false, reason: "unknown_restriction" });
      },
    );

    test("maxDelegations bounds what may follow, whoever writes it", () => {
      const once = tokens.attenuate(tokens.mint(owner, nonce(1)).token, { maxDelegations: 1 }).token;
      const end = tokens.attenuate(once, {}).token;
      expect(tokens.open(end).ok).toBe(true);
      expect(() => tokens.attenuate(end, {})).toThrow(expect.objectContaining({ code: "security.not_attenuable" }));
      expect(tokens.open(appendLink(end, {}))).toEqual({ ok: false, reason: "too_deep" });
      // It cannot be raised again on the way.
      const raised = tokens.attenuate(once, { maxDelegations: 10 }).token;
      expect(() => tokens.attenuate(raised, {})).toThrow(expect.objectContaining({ code: "security.not_attenuable" }));
    });

    test("there are at most as many links as are allowed in all", () => {
      let token = tokens.mint(owner, nonce(1)).token;
      for (let links = 1; links < maxLinks; links++) token = tokens.attenuate(token, {}).token;
      expect(tokens.open(token).ok).toBe(true);
      expect(() => tokens.attenuate(token, {})).toThrow(expect.objectContaining({ code: "security.not_attenuable" }));
      expect(tokens.open(appendLink(token, {})).ok).toBe(false);
    });

    test.each([
      "",
      ".",
      "vbc1",
      "vbc1..",
      "Bearer x",
      "vbl_00000000000000000000000000_x",
      "\u0000",
      "x".repeat(100_000),
    ])("%j is no capability", (text) => {
      expect(tokens.open(text).ok).toBe(false);
      expect(() => tokens.attenuate(text, {})).toThrow(expect.objectContaining({ code: "security.not_attenuable" }));
    });

    test("any text at all is answered, and none opens", () => {
      const real = tokens.mint(owner, nonce(1)).token;
      const text = fc.oneof(
        fc.string({ unit: "binary", maxLength: 300 }),
        fc
          .array(fc.constantFrom(...real.split("."), "", "A", "e30", "bnVsbA", "W10"), { maxLength: 15 })
          .map((parts) => parts.join(".")),
      );
      fc.assert(
        fc.property(text, (each) => {
          if (each !== real) expect(tokens.open(each).ok).toBe(false);
        }),
        { numRuns: 2_000 },
      );
    });
  });
}
