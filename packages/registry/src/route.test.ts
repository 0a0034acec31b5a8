// Proves the choice among candidates as a pure function: what is known of each, and who gets the task.
import type { SwarmMeasurement } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import type { Candidate } from "./candidate.ts";
import { remoteClaimMs } from "./policies/least-loaded.ts";
import { chooseRoute } from "./route.ts";

const idle: SwarmMeasurement = { workers: 3, running: 0, queued: 0, completed: 9, failed: 0, latencyMs: 10 };
const fresh: SwarmMeasurement = { ...idle, completed: 0, latencyMs: 0 };

function candidate(processId: string, parts: Partial<Candidate> & { service?: string } = {}): Candidate {
  const { service = "work", ...rest } = parts;
  return {
    registration: { service, capabilities: ["work"], processId, epoch: 1 },
    measurement: idle,
    local: false,
    routed: 0,
    ...rest,
  };
}
const here = (parts: Partial<Candidate> = {}) => candidate("prc_here", { local: true, ...parts });
const there = (parts: Partial<Candidate> = {}) => candidate("prc_there", parts);
const chosenOf = (...candidates: Candidate[]) => chooseRoute("work", candidates)?.chosen.processId;

describe("a swarm of this process and one of another", () => {
  test("with the same load: the task stays here, though the other's name comes first", () => {
    expect(chosenOf(candidate("prc_a"), candidate("prc_b", { local: true }))).toBe("prc_b");
  });

  test.each([
    ["nobody has measured a task yet", fresh, fresh],
    ["only this process has measured a slow task", { ...idle, latencyMs: 60_000 }, fresh],
    ["only the other has measured a task", fresh, idle],
  ])("idle both: the task stays here where %s", (_when, local, remote) => {
    expect(chosenOf(here({ measurement: local }), there({ measurement: remote }))).toBe("prc_here");
  });

  test("a wait here that is shorter than handing the task over takes is waited for", () => {
    const waitingMs = (queued: number) => ({ ...idle, running: 3, queued, latencyMs: 100 });
    expect(chosenOf(here({ measurement: waitingMs(20) }), there({ measurement: { ...idle, latencyMs: 100 } }))).toBe(
      "prc_here",
    );
    expect(chosenOf(here({ measurement: waitingMs(40) }), there({ measurement: { ...idle, latencyMs: 100 } }))).toBe(
      "prc_there",
    );
  });

  test("equal in score: the task stays here", () => {
    const standing = { ...idle, workers: 1, latencyMs: remoteClaimMs };
    expect(
      chooseRoute("work", [
        candidate("prc_a", { measurement: standing }),
        here({ measurement: { ...standing, running: 1 } }),
      ]),
    ).toMatchObject({
      chosen: { processId: "prc_here" },
      candidates: [{ score: 2 * remoteClaimMs }, { score: 2 * remoteClaimMs }],
    });
  });

  test("one that has not told its load gets nothing while there is one here, and the task where there is none", () => {
    const drowned = here({ measurement: { ...idle, running: 3, queued: 10_000, latencyMs: 60_000 } });
    const silent = candidate("prc_a", { measurement: undefined });
    expect(chosenOf(drowned, silent)).toBe("prc_here");
    expect(chosenOf(silent)).toBe("prc_a");
    expect(chosenOf(silent, there({ measurement: { ...idle, queued: 10_000, latencyMs: 60_000 } }))).toBe("prc_a");
  });

  test("tasks routed there since its measurement count as its load", () => {
    const busy = here({ measurement: { ...idle, running: 3, queued: 6, latencyMs: 1_000 } });
    const other = (routed: number) => there({ measurement: { ...idle, latencyMs: 1_000 }, routed });
    expect(chosenOf(busy, other(5))).toBe("prc_there");
    expect(chosenOf(busy, other(6))).toBe("prc_here");
  });
});

describe("a burst before anything was measured", () => {
  test("fills the workers here first and then goes to both", () => {
    let [ours, theirs] = [0, 0];
    for (let task = 0; task < 60; task++) {
      const local = here({ measurement: { ...fresh, running: Math.min(3, ours), queued: Math.max(0, ours - 3) } });
      if (chosenOf(local, there({ measurement: fresh, routed: theirs })) === "prc_here") ours += 1;
      else theirs += 1;
      if (task === 2) expect([ours, theirs]).toEqual([3, 0]);
    }
    expect(theirs).toBeGreaterThan(20);
    expect(ours).toBeGreaterThan(theirs);
  });
});

describe("swarms of one process", () => {
  test("a new one is taken to be as fast as the fastest, and of equals gets the task before those that did more", () => {
    const used = here({ registration: { service: "a", capabilities: ["work"], processId: "prc_here", epoch: 1 } });
    const added = candidate("prc_here", { service: "b", local: true, measurement: fresh });
    expect(chooseRoute("work", [used, added])?.chosen.service).toBe("b");
  });

  test("equal in all: by name, so that the same measurements give the same choice (W8)", () => {
    const [a, b] = ["a", "b"].map((service) => candidate("prc_here", { service, local: true })) as [
      Candidate,
      Candidate,
    ];
    expect(chooseRoute("work", [b, a])).toEqual(chooseRoute("work", [a, b]));
    expect(chooseRoute("work", [b, a])?.chosen.service).toBe("a");
  });
});

describe("what a decision says of itself (X5)", () => {
  test("what each candidate's score was made of, and what another process adds", () => {
    const decision = chooseRoute("work", [
      here(),
      there({ routed: 1 }),
      candidate("prc_z", { measurement: undefined }),
    ]);
    expect(decision).toEqual({
      capability: "work",
      policy: "least-loaded",
      chosen: { service: "work", processId: "prc_here", epoch: 1 },
      reason: "lowest of 3 by (tasks + 1) / workers × latency, and 1000 ms more in another process",
      candidates: [
        { service: "work", processId: "prc_here", score: 3.333, running: 0, queued: 0, workers: 3, latencyMs: 10 },
        {
          service: "work",
          processId: "prc_there",
          score: 1006.667,
          running: 0,
          queued: 0,
          workers: 3,
          latencyMs: 10,
          routed: 1,
        },
        {
          service: "work",
          processId: "prc_z",
          score: 1010,
          running: 0,
          queued: 0,
          workers: 0,
          latencyMs: 0,
          routed: 0,
        },
      ],
    });
  });

  test("does not speak of other processes where there are none", () => {
    expect(chooseRoute("work", [here(), here()])?.reason).toBe("lowest of 2 by (tasks + 1) / workers × latency");
    expect(chooseRoute("work", [here()])?.reason).toBe("the only swarm that offers it");
    expect(chooseRoute("work", [])).toBeUndefined();
  });
});
