import type { Restrictions } from "@viable/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuthorizationRequest } from "./authorize.ts";
import { authorize } from "./authorize.ts";
import type { Grant, Narrowing } from "./grant.ts";
import { attenuate, follow } from "./grant.ts";

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
          const request = { subject: "x", address: "command/x", operation, risk, tenant, sessionId } as const;
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
  const request = {
    subject: "analyze",
    address: "command/analyze",
    operation: "read",
    risk: "low",
    tenant: "a",
    sessionId: "ses_1",
  } as const;

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

describe("what a link restricts", () => {
  const root: Grant = {
    tokenId: "cap_root",
    tenant: "a",
    principal: "owner",
    clientType: "owner",
    operations: ["read", "write", "execute"],
    sessionId: undefined,
    commandsPerHour: 1_000,
    maxConcurrent: undefined,
    expiresAt: null,
    links: [{ capabilityId: "cap_root", restrictions: {} }],
  };
  const asked: AuthorizationRequest = {
    subject: "analyze",
    address: "command/analyze",
    operation: "write",
    risk: "high",
    tenant: "a",
    sessionId: "ses_1",
    executionId: "exe_1",
    args: { path: "." },
  };
  const noon = Date.UTC(2026, 0, 1, 12);
  /** What lets it pass and what does not. Undefined where it is no matter of a decision, but of numbers that are counted elsewhere. */
  const cases: Record<
    keyof Restrictions,
    readonly [pass: Restrictions, refuse: Restrictions, why: string] | undefined
  > = {
    operations: [{ operations: ["write", "execute"] }, { operations: ["read"] }, "write"],
    resources: [
      { resources: ["query/**", "command/*"] },
      { resources: ["command/analyze.more"] },
      "command/analyze.more",
    ],
    denied: [{ denied: ["command/analyze.*"] }, { denied: ["command/*"] }, "denies command/*"],
    notBefore: [{ notBefore: noon }, { notBefore: noon + 1 }, "from 2026-01-01T12:00:00.001Z on"],
    expiresAt: [{ expiresAt: noon + 1 }, { expiresAt: noon }, "expired"],
    daily: [
      { daily: { from: "12:00", to: "13:00", timeZone: "UTC" } },
      { daily: { from: "12:00", to: "13:00", timeZone: "Europe/Berlin" } },
      "Europe/Berlin",
    ],
    sessionId: [{ sessionId: "ses_1" }, { sessionId: "ses_2" }, "another session"],
    executionId: [{ executionId: "exe_1" }, { executionId: "exe_2" }, "exe_2"],
    maxRequestBytes: [{ maxRequestBytes: 12 }, { maxRequestBytes: 11 }, "these have 12"],
    clientType: undefined,
    commandsPerHour: undefined,
    maxConcurrent: undefined,
    maxUses: undefined,
    maxDelegations: undefined,
    requireWebhook: undefined,
    label: undefined,
    nonce: undefined,
  };
  const decide = (...links: Restrictions[]) =>
    authorize(
      links.map((restrictions, n) => ({ capabilityId: `cap_${n}`, restrictions })).reduce(follow, root),
      asked,
      noon,
    );

  test.each(Object.entries(cases).flatMap(([name, both]) => (both === undefined ? [] : [[name, ...both] as const])))(
    "%s: %j passes, %j does not, whatever other links say",
    (_name, pass, refuse, why) => {
      expect(decide(pass)).toEqual({ decision: "granted", reasons: [] });
      for (const links of [[refuse], [refuse, pass], [pass, refuse]]) {
        const decision = decide(...links);
        expect(decision.decision).toBe("denied");
        expect(decision.reasons.join(" ")).toContain(why);
      }
    },
  );

  test("an agent that acts for its bearer is bound by what is denied, and by no list of what may be asked for at the door", () => {
    const links: Restrictions[] = [{ resources: ["command/start"], denied: ["command/analyze"] }];
    const bearer = follow(root, { capabilityId: "cap_1", restrictions: links[0] ?? {} });
    const agent = attenuate(bearer, { principal: "agent:x/y", clientType: "agent" });
    expect(authorize(agent, asked, noon).decision).toBe("denied");
    expect(authorize(agent, { ...asked, address: "command/other" }, noon).decision).toBe("granted");
    expect(authorize(bearer, { ...asked, address: "command/other" }, noon).decision).toBe("denied");
  });
});
