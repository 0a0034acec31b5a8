/** Policies: all that mean a command hold, the strictest of them. */
import { expect, test } from "vitest";
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
  expect(createPolicies({}).of("x", "low")).toEqual({ blockedBy: undefined, risk: "low", limits: [] });
});
