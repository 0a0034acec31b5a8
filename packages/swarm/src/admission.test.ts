// Proves what holds a place among a service's delegations: an execution, however often it is asked for, until all who asked have left.
import { createRuntime, rootContext, simulateTime } from "@viable/kernel";
import { expect, test } from "vitest";
import { grantOf } from "./acceptance.ts";
import { createAdmission } from "./admission.ts";
import type { Executions } from "./executions.ts";
import { executionState } from "./testing/execution-state.ts";

function delegations(max: number) {
  const executions = { openCount: () => 0 } as Executions;
  const admission = createAdmission({ executions, maxOpen: 10, maxDelegations: () => max });
  const ctx = rootContext(createRuntime({ clock: simulateTime() }));
  const parent = executionState();
  const request = { grant: grantOf(parent), command: "work", args: {}, parent };
  /** How to leave, or undefined where it was refused. */
  return (executionId: string) => {
    const admitted = admission.admit(ctx, request, executionId, []);
    return admitted.ok ? admitted.leave : undefined;
  };
}

test("asking for the same again is in the same place, also where no other is free", () => {
  const enter = delegations(1);
  expect(enter("exe_1")).toBeDefined();
  expect(enter("exe_1")).toBeDefined();
  expect(enter("exe_2")).toBeUndefined();
});

test("a place is free when the last who shared it has left, however often each does, and is no longer found then", () => {
  const enter = delegations(1);
  const [first, again] = [enter("exe_1"), enter("exe_1")];
  first?.();
  first?.();
  expect(enter("exe_2")).toBeUndefined();
  again?.();
  expect(enter("exe_2")).toBeDefined();
  expect(enter("exe_1")).toBeUndefined();
});
