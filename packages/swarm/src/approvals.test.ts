// What waits for a person is bounded, and what was approved covers nothing but the same, handed to a process by name.
import { startPosition } from "@viable/log";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { approvalIdOf, awaited, createWaitingApprovals, isApprovedWith } from "./approvals.ts";
import type { ExecutionState } from "./execution.ts";
import type { IntakeRequest } from "./intake-request.ts";
import { executionState } from "./testing/execution-state.ts";

const asking = (parts: Partial<ExecutionState> = {}): ExecutionState =>
  executionState({
    status: "waiting",
    approval: { approvalId: "apr_1", title: "t", until: 1_000, askedAt: startPosition },
    ...parts,
  });

describe("a tenant's waiting approvals", () => {
  const decided = asking({ status: "pending", approval: { ...asking().approval, decision: "approved" } as never });
  const others = [decided, asking({ tenant: "other" }), executionState({ status: "waiting", joinedTo: "exe_2" })];

  test("are those that nobody has decided on, of that tenant alone (W11)", () => {
    const own = asking();
    expect(awaited({ open: () => [...others, own] }, "default")).toEqual([own]);
  });

  test("are a thousand at most, with those that are just being accepted; whoever leaves makes room (W10)", () => {
    const open = [...others, ...Array.from({ length: 998 }, () => asking())];
    const waiting = createWaitingApprovals({ open: () => open });
    const one = waiting.enter("default");
    const two = waiting.enter("default");
    expect(["leave" in one, "leave" in two]).toEqual([true, true]);
    expect(waiting.enter("default")).toMatchObject({ ok: false, code: "approval.too_many", retryAfterMs: 60_000 });
    expect("leave" in waiting.enter("other")).toBe(true);
    if ("leave" in one) {
      one.leave();
      one.leave();
    }
    expect("leave" in waiting.enter("default")).toBe(true);
    expect(waiting.enter("default")).toMatchObject({ code: "approval.too_many" });
  });
});

describe("what was approved with what it is done for", () => {
  const input = z.strictObject({ service: z.string(), process: z.string().optional(), workers: z.number().default(1) });
  const approved = asking({ approval: { ...asking().approval, decision: "approved" } as never });
  const parent = { ...approved, accepted: { ...approved.accepted, command: "scale", args: { service: "s" } } };
  const request = (parts: Partial<IntakeRequest> = {}) =>
    ({
      command: "scale",
      args: { service: "s", workers: 1, process: "p" },
      process: "p",
      parent,
      ...parts,
    }) as IntakeRequest;

  test("is the same with the same arguments, for a process by name", () => {
    expect(isApprovedWith(request(), { input })).toBe(true);
  });

  test.each([
    ["for no process by name", { process: undefined }],
    ["another command", { command: "drain" }],
    ["other arguments", { args: { service: "s", workers: 9, process: "p" } }],
    ["for what nobody has approved", { parent: { ...parent, approval: { ...asking().approval } as never } }],
    ["for nothing", { parent: undefined }],
  ])("is not: %s", (_, parts) => {
    expect(isApprovedWith(request(parts), { input })).toBe(false);
  });
});

test("an approval's id is its execution's", () => {
  expect(approvalIdOf("exe_01jd8q5k3v7x2m9c4h6t8w0y1z")).toBe("apr_01jd8q5k3v7x2m9c4h6t8w0y1z");
});
