// Proves the choice among candidates as a pure function: what is known of each, and who gets the task.
import type { MigrationRule, SwarmMeasurement } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import type { Candidate } from "./candidate.ts";
import { entryKey } from "./entry-record.ts";
import { remoteClaimMs } from "./policies/least-loaded.ts";
import type { RoutedTask } from "./route.ts";
import { chooseRoute } from "./route.ts";

const idle: SwarmMeasurement = { workers: 3, running: 0, queued: 0, completed: 9, failed: 0, latencyMs: 10 };
const fresh: SwarmMeasurement = { ...idle, completed: 0, latencyMs: 0 };

function candidate(processId: string, parts: Partial<Candidate> & { service?: string } = {}): Candidate {
  const { service = "work", ...rest } = parts;
  return {
    key: entryKey(service, processId),
    registration: { service, version: "0.0.0", tags: [], capabilities: ["work"], processId, epoch: 1 },
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
    const used = here({
      registration: {
        service: "a",
        version: "0.0.0",
        tags: [],
        capabilities: ["work"],
        processId: "prc_here",
        epoch: 1,
      },
    });
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

  test("the first eight of many, each once: the chosen one, then those of its side by load, then the others", () => {
    const all = Array.from({ length: 12 }, (_, index) =>
      candidate(`prc_${index}`, {
        local: true,
        service: index < 4 ? "old" : "work",
        measurement: { ...idle, queued: index },
      }),
    );
    const how = { policy: "weighted", weights: { work: 1 } } as const;
    const recorded = (among: readonly Candidate[]) =>
      chooseRoute("work", among, { key: "exe_1" }, undefined, how)?.candidates.map(({ queued }) => queued);
    expect(recorded(all)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    expect(recorded(all.slice(0, 7))).toEqual([4, 5, 6, 0, 1, 2, 3]);
  });

  test("does not speak of other processes where there are none", () => {
    expect(chooseRoute("work", [here(), here()])?.reason).toBe("lowest of 2 by (tasks + 1) / workers × latency");
    expect(chooseRoute("work", [here()])?.reason).toBe("the only swarm that offers it");
    expect(chooseRoute("work", [])).toBeUndefined();
  });
});

/** A swarm that offers `work` too, marked as legacy. */
function legacyCandidate(service = "swarm", parts: Partial<Candidate> = {}): Candidate {
  const found = candidate("prc_here", { service, local: true, ...parts });
  return { ...found, registration: { ...found.registration, legacy: true } };
}
const tools = (parts: Partial<Candidate> = {}) => candidate("prc_here", { service: "tools", local: true, ...parts });
const busy: SwarmMeasurement = { ...idle, running: 3, queued: 1_000, latencyMs: 60_000 };
const rules = (percents: { readonly [service: string]: number }) => (service: string) => {
  const percent = percents[service];
  return percent === undefined ? undefined : { percent, compare: false };
};

describe("a legacy service", () => {
  test("gets nothing while another is there, however busy that is", () => {
    const decision = chooseRoute("work", [legacyCandidate(), tools({ measurement: busy })], { key: "exe_1" });
    expect(decision?.chosen.service).toBe("tools");
    expect(decision?.reason).toBe("the only swarm that offers it, the legacy one aside");
    expect(decision?.candidates.map(({ service, legacy }) => [service, legacy])).toEqual([
      ["tools", undefined],
      ["swarm", true],
    ]);
    expect(decision).not.toHaveProperty("migration");
  });

  test("gets what nobody else offers, and it is said that this is the fallback", () => {
    expect(chooseRoute("work", [legacyCandidate()], { key: "exe_1" })).toMatchObject({
      chosen: { service: "swarm" },
      reason: "fallback: no live swarm but the legacy one offers it",
      candidates: [{ service: "swarm", legacy: true }],
    });
  });

  test("that a routing rule names is chosen as any other, and its migration rule says that it has no say", () => {
    const how = { policy: "least-loaded", weights: {}, services: ["tools", "swarm"], rule: "both" } as const;
    const both = [legacyCandidate("swarm", { measurement: busy }), tools()];
    const decision = chooseRoute("work", both, { key: "exe_1" }, rules({ tools: 0 }), how);
    expect(decision).toMatchObject({
      chosen: { service: "tools" },
      reason:
        "rule both: lowest of 2 by (tasks + 1) / workers × latency; its migration rule has no say over a legacy one that is named",
      candidates: [{ service: "tools" }, { service: "swarm", legacy: true }],
    });
    expect(decision).not.toHaveProperty("migration");
  });

  test("that is one of two is chosen by load", () => {
    const two = [legacyCandidate("a", { measurement: busy }), legacyCandidate("b")];
    expect(chooseRoute("work", two)).toMatchObject({
      chosen: { service: "b" },
      reason: "fallback: no live swarm but the legacy one offers it; lowest of 2 by (tasks + 1) / workers × latency",
    });
    const moved = chooseRoute("work", [tools(), ...two], { key: "exe_1" }, rules({ tools: 0 }));
    expect(moved?.chosen.service).toBe("b");
  });
});

describe("a migration rule", () => {
  // Fixed keys, so the counts are what they are: the bounds are four standard deviations of a fair share.
  const keys = Array.from({ length: 10_000 }, (_, index) => `exe_${index}`);
  const route = (key: string, ruleOf: (service: string) => MigrationRule | undefined, task: RoutedTask = {}) =>
    chooseRoute("work", [tools(), legacyCandidate()], { key, ...task }, ruleOf);
  const stayingOf = (percent: number) =>
    keys.filter((key) => route(key, rules({ tools: percent }))?.chosen.service === "tools");

  test.each([0, 0.5, 10, 25, 50, 75, 99, 100])("keeps %d of a hundred tasks with their service", (percent) => {
    const share = percent / 100;
    const fourDeviations = 4 * Math.sqrt(keys.length * share * (1 - share));
    expect(Math.abs(stayingOf(percent).length - keys.length * share)).toBeLessThanOrEqual(fourDeviations);
  });

  test("sends the same key to the same side each time, whatever the loads are (W8)", () => {
    const ruleOf = rules({ tools: 50 });
    for (const key of keys.slice(0, 500)) {
      const side = route(key, ruleOf)?.migration?.side;
      const loaded = [tools({ measurement: busy }), legacyCandidate("swarm", { measurement: busy })];
      expect(chooseRoute("work", loaded, { key }, ruleOf)?.migration?.side).toBe(side);
    }
  });

  test("that keeps more keeps what it kept before: moving on moves nothing back", () => {
    let before = new Set<string>();
    for (const percent of [5, 25, 50, 90]) {
      const staying = new Set(stayingOf(percent));
      expect([...before].filter((key) => !staying.has(key))).toEqual([]);
      before = staying;
    }
  });

  test("of one service shares out other tasks than that of another", () => {
    const sides = (service: string) =>
      keys.map((key) => {
        const here = candidate("prc_here", { service, local: true });
        return chooseRoute("work", [here, legacyCandidate()], { key }, rules({ [service]: 50 }))?.migration?.side;
      });
    const [one, other] = [sides("tools"), sides("storage")];
    const same = one.filter((side, index) => side === other[index]).length;
    expect(Math.abs(same - keys.length / 2)).toBeLessThan(4 * Math.sqrt(keys.length / 4));
  });

  test("is named in the decision, with the side that the task went to (X5)", () => {
    const all = stayingOf(25);
    const staying = keys.find((key) => all.includes(key)) ?? "";
    const moving = keys.find((key) => !all.includes(key)) ?? "";
    expect(route(staying, rules({ tools: 25 }))).toMatchObject({
      reason: "migration: 25 % of the tasks of tools stay with it, this one does",
      migration: { service: "tools", percent: 25, side: "service" },
    });
    expect(route(moving, rules({ tools: 25 }))).toMatchObject({
      chosen: { service: "swarm" },
      reason: "migration: 25 % of the tasks of tools stay with it, this one goes to swarm",
      migration: { service: "tools", percent: 25, side: "legacy" },
      candidates: [{ service: "swarm", legacy: true }, { service: "tools" }],
    });
  });

  test("is the rule of the service that would get the task: another's has no say", () => {
    expect(route("exe_1", rules({ storage: 0 }))?.chosen.service).toBe("tools");
    const storage = candidate("prc_here", { service: "storage", local: true, measurement: busy });
    const decision = chooseRoute(
      "work",
      [storage, tools(), legacyCandidate()],
      { key: "exe_1" },
      rules({ storage: 0 }),
    );
    expect(decision?.chosen.service).toBe("tools");
  });

  test("without a legacy swarm sends nothing away, and says so", () => {
    const alone = chooseRoute("work", [tools()], { key: "exe_1" }, rules({ tools: 0 }));
    expect(alone?.chosen.service).toBe("tools");
    expect(alone?.reason).toBe("the only swarm that offers it; its migration rule finds no legacy one");
    expect(alone).not.toHaveProperty("migration");
  });

  test("has no say over a task that has no key", () => {
    expect(chooseRoute("work", [tools(), legacyCandidate()], {}, rules({ tools: 0 }))?.chosen.service).toBe("tools");
  });

  test("has no say over a task that is asked of one service by name", () => {
    for (const service of ["tools", "swarm"]) {
      const decision = route("exe_1", rules({ tools: service === "tools" ? 0 : 100 }), { service });
      expect(decision).toMatchObject({ chosen: { service }, reason: `asked of ${service} by name`, pinned: service });
      expect(decision).not.toHaveProperty("migration");
    }
    expect(route("exe_1", rules({}), { service: "storage" })).toBeUndefined();
  });
});
