import { describe, expect, test } from "vitest";
import type { ClaimSituation } from "./queen.ts";
import { decideClaim } from "./queen.ts";
import { executionState as state } from "./testing/execution-state.ts";

const here: ClaimSituation = {
  now: 999,
  processId: "here",
  epoch: 5,
  held: false,
  isSingleton: false,
  isAtLastAttempt: () => false,
  isGone: (processId) => processId === "gone",
};

/** A task that was lost before is at its last attempt here. */
const suspecting: ClaimSituation = { ...here, isAtLastAttempt: () => true };
const lost = (attempt: number, parts: Parameters<typeof state>[0] = {}) =>
  state({ status: "running", claim: { processId: "gone", epoch: 2, attempt }, ...parts });

/** The service is run by one process at a time, and it is this one. */
const moved: ClaimSituation = { ...here, isSingleton: true };

describe("W8: whether to claim follows from the folded state and the situation alone", () => {
  test.each([
    ["nobody has it and it was routed here", state(), here, 1, "routed here"],
    ["nobody has it and who it was routed to is gone", state({ routedTo: "gone" }), here, 1, "routed to gone"],
    [
      "its process is gone",
      state({ status: "running", claim: { processId: "gone", epoch: 2, attempt: 1 } }),
      here,
      2,
      "is gone",
    ],
    ["it was lost once, though another is at its last attempt here", lost(1), suspecting, 2, "is gone"],
    ["it was lost but for one attempt, and no other such is begun here", lost(2), here, 3, "is gone"],
    [
      "somebody has seen how its process ended",
      lost(1),
      { ...here, end: { processId: "gone", how: "ended with status 3" } },
      2,
      "its process gone ended with status 3",
    ],
    [
      "its process is gone, and of another the end was seen",
      lost(1),
      { ...here, end: { processId: "another", how: "ended with status 3" } },
      2,
      "its process gone is gone",
    ],
    [
      "it is ours and no worker has it",
      state({ status: "running", claim: { processId: "here", epoch: 5, attempt: 1 } }),
      here,
      2,
      "its worker is gone",
    ],
    [
      "nobody has it and the service has moved here from who it was routed to",
      state({ routedTo: "there" }),
      moved,
      1,
      "routed to there, which runs the service no more",
    ],
    [
      "nobody has it and its process gave it back for anyone",
      state({ routedTo: "there", isForAnyone: true }),
      here,
      1,
      "given back for anyone",
    ],
    [
      "the service has moved here from a process that lives, with the claim left",
      state({ status: "running", claim: { processId: "there", epoch: 1, attempt: 1 } }),
      moved,
      2,
      "its process there runs the service no more",
    ],
    [
      "a worker of ours has it under a lease that was lost, however often it was begun",
      state({ status: "running", claim: { processId: "here", epoch: 4, attempt: 3 } }),
      { ...here, held: true },
      3,
      "new lease",
    ],
  ])("claimed where %s", (_why, execution, situation, attempt, reason) => {
    expect(decideClaim(execution, situation)).toMatchObject({
      type: "execution.claimed",
      data: { processId: "here", epoch: 5, attempt, reason: expect.stringContaining(reason) },
    });
  });

  test.each([
    ["it has its outcome", state({ status: "completed" }), here],
    ["its deadline has passed", state(), { ...here, now: 1_000 }],
    ["it waits for equal work", state({ status: "waiting", joinedTo: "exe_0" }), here],
    ["it was routed to another that lives", state({ routedTo: "there" }), here],
    [
      "another that lives has it",
      state({ status: "running", claim: { processId: "there", epoch: 1, attempt: 1 } }),
      here,
    ],
    [
      "a worker of ours has it",
      state({ status: "running", claim: { processId: "here", epoch: 5, attempt: 1 } }),
      { ...here, held: true },
    ],
    [
      "a worker of ours has it, of what one process at a time runs",
      state({ status: "running", claim: { processId: "here", epoch: 5, attempt: 1 } }),
      { ...moved, held: true },
    ],
    [
      "another that lives took it from a worker of ours, of what one process at a time runs",
      state({ status: "running", claim: { processId: "there", epoch: 1, attempt: 1 } }),
      { ...moved, held: true },
    ],
    [
      "a worker of ours is still at it, though another took it that is gone since",
      state({ status: "running", claim: { processId: "gone", epoch: 1, attempt: 2 } }),
      { ...here, held: true },
    ],
    ["it was lost but for one attempt, and another such is begun here", lost(2), suspecting],
    [
      "it was lost but for one attempt and given back, and another such is begun here",
      state({ attempts: 2, isForAnyone: true }),
      suspecting,
    ],
    ["a place is kept for it, since its acceptance is not answered yet", state(), { ...here, held: true }],
  ])("left alone where %s", (_why, execution, situation) => {
    expect(decideClaim(execution, situation)).toBeUndefined();
  });

  test("what was begun as often as it may be fails instead, with the evidence", () => {
    const exhausted = state({ status: "running", claim: { processId: "gone", epoch: 2, attempt: 3 } });
    expect(decideClaim(exhausted, here)).toMatchObject({
      type: "execution.failed",
      data: { error: { code: "swarm.attempts_exhausted", message: expect.stringContaining("Begun 3 times") } },
    });
    const seen = { ...suspecting, end: { processId: "gone", how: "was ended by SIGABRT" } };
    expect(decideClaim(exhausted, seen)).toMatchObject({
      data: { error: { message: expect.stringContaining("(last: its process gone was ended by SIGABRT)") } },
    });
  });

  test("what another task has asked for does not wait for one at its last attempt, which may wait for it", () => {
    const asked = lost(2);
    const child = { ...asked, accepted: { ...asked.accepted, depth: 1 } };
    expect(decideClaim(child, suspecting)).toMatchObject({ type: "execution.claimed", data: { attempt: 3 } });
  });
});
