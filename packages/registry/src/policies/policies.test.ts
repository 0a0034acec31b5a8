// Proves of each policy who gets which share of tasks, that the same task gets the same answer (W8), and that the reason says what was done.
import type { SwarmMeasurement } from "@viable/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Candidate } from "../candidate.ts";
import { addressOf } from "../candidate.ts";
import { entryKey } from "../entry-record.ts";
import { chooseRoute } from "../route.ts";
import type { PolicyName } from "./policies.ts";
import { policyNames } from "./policies.ts";

const idle: SwarmMeasurement = { workers: 3, running: 0, queued: 0, completed: 9, failed: 0, latencyMs: 10 };
const busy = (queued: number): SwarmMeasurement => ({ ...idle, running: 3, queued });

function candidate(service: string, processId: string, parts: Partial<Candidate> = {}): Candidate {
  return {
    key: entryKey(service, processId),
    registration: { service, version: "0.0.0", tags: [], capabilities: ["work"], processId, epoch: 1 },
    measurement: idle,
    local: processId === "here",
    routed: 0,
    ...parts,
  };
}
const keys = Array.from({ length: 10_000 }, (_, index) => `exe_${index}`);
const none = () => undefined;
const choose = (candidates: readonly Candidate[], key: string, policy: PolicyName, weights = {}, rule?: string) =>
  chooseRoute("work", candidates, { key }, none, { policy, weights, ...(rule !== undefined && { rule }) });
function countsOf(candidates: readonly Candidate[], policy: PolicyName, weights = {}) {
  const counts: Record<string, number> = {};
  for (const key of keys) {
    const { service, processId } = choose(candidates, key, policy, weights)?.chosen ?? { service: "", processId: "" };
    counts[`${service}/${processId}`] = (counts[`${service}/${processId}`] ?? 0) + 1;
  }
  return counts;
}
/** Four standard deviations of a fair draw. The keys are fixed, so the counts are what they are. */
const near = (count: number | undefined, share: number) =>
  Math.abs((count ?? 0) - keys.length * share) < 4 * Math.sqrt(keys.length * share * (1 - share));

describe("power of two choices", () => {
  const four = [0, 30, 60, 90].map((queued, index) =>
    candidate("work", `p${index}`, { measurement: busy(queued), local: true }),
  );

  test("gives the less loaded of each pair its task: half to the first of four, and none to the last", () => {
    const counts = countsOf(four, "power-of-two");
    expect(near(counts["work/p0"], 1 / 2)).toBe(true);
    expect(near(counts["work/p1"], 1 / 3)).toBe(true);
    expect(near(counts["work/p2"], 1 / 6)).toBe(true);
    expect(counts["work/p3"]).toBeUndefined();
  });

  test("draws a pair that does not depend on the loads, and names it", () => {
    const turned = four.map((each, index) => ({ ...each, measurement: busy(90 - 30 * index) }));
    for (const key of keys.slice(0, 200)) {
      const drawnOf = (from: readonly Candidate[]) => choose(from, key, "power-of-two")?.reason;
      expect(drawnOf(four)).toBe(drawnOf(turned));
      const [, one, two] = /two that its key draws of 4: (work\/p\d) and (work\/p\d)$/.exec(drawnOf(four) ?? "") ?? [];
      expect(one).toBeDefined();
      expect(two).not.toBe(one);
    }
  });

  test("of two takes the less loaded", () => {
    expect(countsOf(four.slice(2), "power-of-two")).toEqual({ "work/p2": keys.length });
  });
});

describe("weighted", () => {
  const services = [candidate("old", "here"), candidate("new", "here"), candidate("new", "there")];

  test("gives each service its share, whatever the loads are, and within one the least loaded", () => {
    const counts = countsOf(
      [{ ...services[1], measurement: busy(1_000) } as Candidate, ...services.slice(0, 1)],
      "weighted",
      {
        old: 90,
        new: 10,
      },
    );
    expect(near(counts["new/here"], 0.1)).toBe(true);
    expect(countsOf(services, "weighted", { new: 1 })).toEqual({ "new/here": keys.length });
  });

  test("moves no task back when a share grows, since a key keeps its place", () => {
    const goesToNew = (share: number) =>
      new Set(
        keys.filter(
          (key) => choose(services, key, "weighted", { old: 100 - share, new: share })?.chosen.service === "new",
        ),
      );
    const [few, more] = [goesToNew(5), goesToNew(50)];
    expect([...few].filter((key) => !more.has(key))).toEqual([]);
  });

  test("draws other tasks for another rule", () => {
    const goesToNew = (rule: string, key: string) =>
      choose(services, key, "weighted", { old: 50, new: 50 }, rule)?.chosen.service === "new";
    const same = keys.filter((key) => goesToNew("one", key) === goesToNew("two", key)).length;
    expect(near(same, 0.5)).toBe(true);
  });

  test("says which share it drew", () => {
    expect(choose(services.slice(0, 2), "exe_1", "weighted", { old: 90, new: 10 })?.reason).toMatch(
      /^its key draws (old, which has 90|new, which has 10) of 100 shares$/,
    );
  });

  test("gives one that is on its way back as much less as it has come back", () => {
    const counts = countsOf([candidate("new", "here", { share: 0.1 }), candidate("old", "here")], "weighted", {
      old: 50,
      new: 50,
    });
    expect(near(counts["new/here"], 0.1 / 1.1)).toBe(true);
  });
});

describe("local first", () => {
  const there = candidate("work", "there");
  test("takes the one in this process, however busy it is", () => {
    const here = candidate("work", "here", { measurement: busy(10_000) });
    expect(choose([there, here], "exe_1", "local-first")).toMatchObject({
      chosen: { processId: "here" },
      reason: "it is in this process",
    });
  });
  test("and the least loaded of all where none is here, and says so", () => {
    expect(choose([there, candidate("work", "far", { measurement: busy(9) })], "exe_1", "local-first")).toMatchObject({
      chosen: { processId: "there" },
      reason: expect.stringMatching(/^none is in this process; lowest of 2 by/),
    });
  });
});

test.each(["power-of-two", "weighted"] as const)(
  "%s goes by load for a task without a key: it draws nothing",
  (policy) => {
    const candidates = [
      candidate("a", "here", { measurement: busy(90) }),
      candidate("b", "here"),
      candidate("c", "here", { measurement: busy(9) }),
    ];
    const how = { policy, weights: { a: 98, b: 1, c: 1 } };
    expect(chooseRoute("work", candidates, {}, none, how)).toMatchObject({
      chosen: { service: "b" },
      reason: expect.stringMatching(/^lowest of 3/),
    });
  },
);

const anyCandidates = fc
  .array(
    fc.record({
      service: fc.constantFrom("a", "b", "c"),
      processId: fc.constantFrom("here", "p1", "p2", "p3"),
      queued: fc.nat({ max: 50 }),
      share: fc.constantFrom(undefined, 0.1, 0.5),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((all) => [
    ...new Map(
      all.map(({ service, processId, queued, share }) => {
        const made = candidate(service, processId, { measurement: busy(queued), share });
        return [addressOf(made), made] as const;
      }),
    ).values(),
  ]);

test.each(policyNames)(
  "%s chooses one of the candidates, the same for the same task in whatever order they come (W8)",
  (policy) => {
    fc.assert(
      fc.property(anyCandidates, fc.string({ minLength: 1 }), (candidates, key) => {
        const weights = { a: 1, b: 2, c: 3 };
        const chosen = choose(candidates, key, policy, weights);
        expect(candidates.map(addressOf)).toContain(`${chosen?.chosen.service}/${chosen?.chosen.processId}`);
        expect(choose([...candidates].reverse(), key, policy, weights)).toEqual(chosen);
        expect(chosen?.candidates).toHaveLength(candidates.length);
      }),
      { numRuns: 300 },
    );
  },
);
