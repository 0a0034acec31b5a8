import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { authorize } from "./authorize.ts";
import type { Grant, Narrowing } from "./grant.ts";
import { attenuate } from "./grant.ts";

const operations = ["read", "write", "execute"] as const;
const arbitraryGrant = fc.record<Grant>({
  tokenId: fc.constant("tok_1"),
  tenant: fc.constantFrom("a", "b"),
  principal: fc.constantFrom("owner", "agent:x/y"),
  clientType: fc.constantFrom("cli", "web", "api", "owner"),
  operations: fc.subarray([...operations]),
  sessionId: fc.constantFrom(undefined, "ses_1", "ses_2"),
  commandsPerHour: fc.nat(1_000),
  maxConcurrent: fc.option(fc.nat(10), { nil: undefined }),
  expiresAt: fc.option(fc.nat(1_000)),
});
/** Numbers as callers may come to them, computed ones that went wrong included. */
const arbitraryBound = fc.oneof(
  fc.integer({ min: -10, max: 2_000 }),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const arbitraryNarrowing: fc.Arbitrary<Narrowing> = fc.record(
  {
    principal: fc.constantFrom("owner", "system", "session:ses_1", "agent:x/y", "agent:x/z"),
    clientType: fc.constantFrom("cli", "web", "api", "agent"),
    operations: fc.subarray([...operations]),
    sessionId: fc.constantFrom("ses_1", "ses_2"),
    commandsPerHour: arbitraryBound,
    maxConcurrent: fc.option(arbitraryBound, { nil: undefined }),
    expiresAt: fc.option(arbitraryBound),
  },
  { requiredKeys: [] },
);
const noBound = Number.POSITIVE_INFINITY;

describe("attenuate", () => {
  test("W4: no chain of attenuations ever allows what the first grant did not", () => {
    fc.assert(
      fc.property(
        arbitraryGrant,
        fc.array(arbitraryNarrowing, { maxLength: 5 }),
        fc.constantFrom(...operations),
        fc.constantFrom("low", "high"),
        fc.constantFrom("a", "b"),
        fc.constantFrom(undefined, "ses_1", "ses_2"),
        fc.nat(2_000),
        (grant, chain, operation, risk, tenant, sessionId, now) => {
          const narrowed = chain.reduce(attenuate, grant);
          const request = { subject: "x", operation, risk, tenant, sessionId } as const;
          if (authorize(grant, request, now).decision === "denied") {
            expect(authorize(narrowed, request, now).decision).toBe("denied");
          }
          expect(narrowed.commandsPerHour).toBeLessThanOrEqual(grant.commandsPerHour);
          expect(narrowed.maxConcurrent ?? noBound).toBeLessThanOrEqual(grant.maxConcurrent ?? noBound);
          expect(narrowed.expiresAt ?? noBound).toBeLessThanOrEqual(grant.expiresAt ?? noBound);
          expect([grant.principal, "agent:x/y", "agent:x/z"]).toContain(narrowed.principal);
          expect(narrowed.tenant).toBe(grant.tenant);
          if (grant.sessionId !== undefined) expect(narrowed.sessionId).toBe(grant.sessionId);
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe("a bound that is no number", () => {
  const forEver: Grant = {
    tokenId: "tok_1",
    tenant: "a",
    principal: "owner",
    clientType: "owner",
    operations: ["read"],
    sessionId: undefined,
    commandsPerHour: 100,
    maxConcurrent: undefined,
    expiresAt: null,
  };
  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("stands for 0: %d", (bound) => {
    for (const grant of [forEver, { ...forEver, expiresAt: 1_000, maxConcurrent: 5 }]) {
      expect(attenuate(grant, { expiresAt: bound, maxConcurrent: bound, commandsPerHour: bound })).toMatchObject({
        expiresAt: 0,
        maxConcurrent: 0,
        commandsPerHour: 0,
      });
    }
  });
});

describe("authorize", () => {
  const grant: Grant = {
    tokenId: "tok_1",
    tenant: "a",
    principal: "owner",
    clientType: "web",
    operations: ["read"],
    sessionId: "ses_1",
    commandsPerHour: 1,
    maxConcurrent: undefined,
    expiresAt: 100,
  };
  const request = { subject: "analyze", operation: "read", risk: "low", tenant: "a", sessionId: "ses_1" } as const;

  test("grants what the token allows", () => {
    expect(authorize(grant, request, 99)).toEqual({ decision: "granted", reasons: [] });
  });

  test.each([
    ["its time has come", { ...request }, 100, "expired"],
    ["the tenant is another", { ...request, tenant: "b" }, 0, "another tenant"],
    ["the session is another", { ...request, sessionId: "ses_2" }, 0, "another session"],
    ["it is the tenant's as a whole", { ...request, sessionId: undefined }, 0, "as a whole"],
    ["the operation is not among those allowed", { ...request, operation: "write" as const }, 0, '"write"'],
  ])("denies when %s, with the reason", (_why, asked, now, word) => {
    const decision = authorize(grant, asked, now);
    expect(decision.decision).toBe("denied");
    expect(decision.reasons.join(" ")).toContain(word);
  });

  test.each([
    [["read", "write"], "high", "denied"],
    [["read", "write"], "medium", "granted"],
    [["read", "write", "execute"], "high", "granted"],
    [["execute"], "high", "denied"],
  ] as const)("with %j, writing at risk %s is %s", (allowed, risk, expected) => {
    const decision = authorize({ ...grant, operations: allowed }, { ...request, operation: "write", risk }, 0);
    expect(decision.decision).toBe(expected);
    if (allowed.includes("write" as never) && expected === "denied") expect(decision.reasons[0]).toContain('"execute"');
  });

  test("a grant that is bound to no session may do what is the tenant's as a whole", () => {
    expect(authorize({ ...grant, sessionId: undefined }, { ...request, sessionId: undefined }, 0).decision).toBe(
      "granted",
    );
  });
});
