// Following an execution that has no feed ends: with its outcome, and where the gateway refuses or is lost. In simulated time, over a
// real client whose line is ours.
import { createClient } from "@viable/client";
import { createRuntime, simulateTime } from "@viable/kernel";
import type { ExecutionView, Problem } from "@viable/protocol";
import { expect, test } from "vitest";
import { followExecution } from "./follow-execution.ts";

const refused = (status: number, code: string) => {
  const problem: Problem = {
    type: "about:blank",
    title: "No.",
    status,
    code,
    detail: "No.",
    retryable: false,
    reasons: [],
  };
  return Response.json(problem, { status, headers: { "content-type": "application/problem+json" } });
};
const standing = (status: ExecutionView["status"]) => {
  const at = "2026-01-01T00:00:00.000Z";
  const view: ExecutionView = {
    executionId: "exe_1",
    command: "c",
    status,
    service: "s",
    agent: "a",
    args: {},
    attempts: 1,
    correlationId: "exe_1",
    principal: "owner",
    acceptedAt: at,
    deadlineAt: at,
  };
  return Response.json(view);
};

/** Follows without a feed; `answer` is asked for each request, by its number. */
function follow(answer: (nr: number) => Response) {
  const time = simulateTime();
  let asked = 0;
  const client = createClient({
    url: "http://gateway",
    token: "t",
    clock: time,
    fetch: async () => answer(++asked),
  });
  const signal = new AbortController().signal;
  const followed = followExecution(createRuntime({ clock: time }), client, {
    sessionId: undefined,
    executionId: "exe_1",
    correlationId: "exe_1",
    signal,
  });
  const ended = followed.then(
    (found) => ({ status: found.status }),
    (error: unknown) => ({ error }),
  );
  return { time, ended, asked: () => asked };
}
const lost = (): never => {
  throw new TypeError("fetch failed");
};

test("a gateway that refuses ends it at once", async () => {
  for (const [status, code] of [
    [401, "gateway.unauthenticated"],
    [404, "gateway.unknown_execution"],
  ] as const) {
    const { time, ended, asked } = follow(() => refused(status, code));
    await time.advance(1_000);
    expect(await ended).toMatchObject({ error: { code } });
    expect(asked()).toBe(1);
  }
});

test("a gateway that is lost ends it after half a minute, one that comes back does not", async () => {
  const away = follow(lost);
  await away.time.advance(29_000);
  const before = away.asked();
  await away.time.advance(3_000);
  expect(before).toBeGreaterThan(1);
  expect(await away.ended).toMatchObject({ error: { code: "client.unreachable" } });

  // Away twice, each time for a while less.
  const back = follow((nr) => (nr === 50 ? standing("running") : nr < 100 ? lost() : standing("completed")));
  await back.time.advance(60_000);
  expect(await back.ended).toEqual({ status: "completed" });
});
