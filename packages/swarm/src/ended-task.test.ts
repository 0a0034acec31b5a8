// Proves what the end of a task says of the swarm that had it: what is its fault, and what is somebody else's doing.
import type { ErrorOnTheWire } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { toEndedTask } from "./ended-task.ts";
import type { ExecutionState } from "./execution.ts";
import { executionState } from "./testing/execution-state.ts";

const error = (code: string): ErrorOnTheWire => ({ code, message: "", retryable: false });
const endOf = (parts: Partial<ExecutionState>, waited = false) => toEndedTask(executionState(parts), waited)?.end;
const given = (ms: number, latencyMs = 10): Partial<ExecutionState> => {
  const { accepted } = executionState();
  const candidate = { service: "s", processId: "here", score: 1, running: 0, queued: 0, workers: 1, latencyMs };
  return {
    status: "timed_out",
    accepted: { ...accepted, deadline: ms, route: { ...accepted.route, candidates: [candidate] } },
  };
};

describe("the end of a task", () => {
  test.each<[string, Partial<ExecutionState>, string | undefined]>([
    ["that is there", { status: "completed" }, "done"],
    ["that its agent threw", { status: "failed", error: error("internal") }, "done"],
    ["that has an error of the agent's own code", { status: "failed", error: error("payment.refused") }, "done"],
    ["whose workers died each time", { status: "failed", error: error("swarm.attempts_exhausted") }, "failed"],
    ["that found no database", { status: "failed", error: error("log.unavailable") }, "failed"],
    ["that found no thread", { status: "failed", error: error("agent.no_thread") }, "failed"],
    ["that somebody cancelled", { status: "cancelled" }, undefined],
    ["that another's work was", { status: "completed", joinedTo: "exe_2" }, undefined],
    ["that nobody brought about in good time", given(60_000), "timed_out"],
    ["that had no time at all", given(1_000), undefined],
    ["that had less time than it takes there", given(60_000, 40_000), undefined],
  ])("%s", (_what, parts, end) => {
    expect(endOf(parts)).toBe(end);
  });

  test("that came too late because of what it had delegated is not its swarm's", () => {
    expect(endOf(given(60_000), true)).toBeUndefined();
  });

  test("is told of the process that had it last", () => {
    const claim = { processId: "prc_other", epoch: 1, attempt: 2 };
    expect(toEndedTask(executionState({ status: "completed", claim }), false)).toEqual({
      key: "exe_1",
      service: "s",
      processId: "prc_other",
      end: "done",
    });
    expect(toEndedTask(executionState({ status: "completed" }), false)).toMatchObject({ processId: "here" });
  });
});
