/** Policies: all that mean a command hold, the strictest of them. */
import { describe, expect, test } from "vitest";
import { createPolicies } from "./policies.ts";

const policies = createPolicies({
  "command/database.*": { risk: "high", commandsPerHour: 10 },
  "command/database.drop": { mode: "block" },
  "command/**": { mode: "allow", risk: "low", commandsPerHour: 1_000 },
});

test.each([
  ["analyze", "medium", undefined, "medium", ["command/**"]],
  ["analyze", "high", undefined, "high", ["command/**"]],
  ["database.backup", "medium", undefined, "high", ["command/database.*", "command/**"]],
  ["database.drop", "low", "command/database.drop", "high", ["command/database.*", "command/**"]],
] as const)("%s, of which its agent says %s", (command, said, blockedBy, risk, patterns) => {
  for (let again = 0; again < 2; again++) {
    const held = policies.of(command, said);
    expect([held.blockedBy, held.risk, held.limits.map(({ pattern }) => pattern)]).toEqual([blockedBy, risk, patterns]);
  }
});

test("without any, what the agent says holds", () => {
  expect(createPolicies({}).of("x", "low")).toEqual({
    patterns: [],
    asks: undefined,
    blockedBy: undefined,
    risk: "low",
    limits: [],
  });
});

describe("what a policy asks a person for", () => {
  const asking = createPolicies({
    "command/store.*": { mode: "ask" },
    "command/store.drop": { mode: "ask", approvalTimeoutMs: 60_000, approvers: ["user:ada", "owner"] },
    "command/**": { mode: "ask", approvers: ["user:ada", "user:ben"] },
    "command/store.read": { mode: "allow" },
  });

  test("is asked for by the first pattern, in the shortest time, of those whom all of them name", () => {
    expect(asking.of("store.drop", "low").asks).toEqual({
      pattern: "command/store.*",
      timeoutMs: 60_000,
      approvers: ["user:ada"],
    });
    const day = 24 * 3_600_000;
    expect(asking.of("other", "low").asks).toMatchObject({ timeoutMs: day, approvers: ["user:ada", "user:ben"] });
    expect(createPolicies({ "command/x": { mode: "ask" } }).of("x", "low").asks).toEqual({
      pattern: "command/x",
      timeoutMs: day,
      approvers: undefined,
    });
  });

  test("is asked for though another allows it; and never is what decides on it", () => {
    expect(asking.of("store.read", "low").asks).toMatchObject({ pattern: "command/store.*" });
    expect(asking.of("approval.decide", "low").asks).toBeUndefined();
  });
});
