// Proves the states of a swarm that fails, by the clock alone: when it is left alone, for how long, when it is tried, and how it comes back.
import { describe, expect, test } from "vitest";
import { Outliers } from "./outliers.ts";

const address = "registry/work/prc_1";

function watching() {
  const outliers = new Outliers();
  let now = 1_000_000;
  let task = 0;
  const self = {
    outliers,
    wait: (ms: number) => {
      now += ms;
    },
    end: (...ends: readonly ("done" | "failed" | "timed_out" | "late")[]) => {
      for (const end of ends) outliers.record(address, `exe_${task++}`, end, now);
    },
    standing: (key = "exe_next") => outliers.standing(address, now, key),
    state: () => self.standing()?.state,
    fail: () => self.end("failed", "failed", "failed", "failed", "failed"),
    /** Has one task try it, which ends so. */
    probe: (end: "done" | "failed") => {
      outliers.beginProbe(address, "exe_probe", now);
      outliers.record(address, "exe_probe", end, now);
    },
  };
  return self;
}

describe("a swarm", () => {
  test("is left alone once half of at least five tasks were its fault, with what was counted", () => {
    const w = watching();
    w.end("failed", "failed", "failed", "failed");
    expect(w.state()).toBeUndefined();
    w.end("timed_out");
    expect(w.standing()).toMatchObject({
      state: "ejected",
      leftMs: 30_000,
      reason: "5 of 5 tasks in 30 s were its fault, the last timed out; left alone for 30 s",
    });
  });

  test("is not where fewer were, or where they were spread over more time", () => {
    const w = watching();
    w.end("failed", "failed", "failed", "failed", "done", "done", "done", "done", "done", "done", "done");
    expect(w.state()).toBeUndefined();
    for (let round = 0; round < 20; round++) {
      w.wait(10_000);
      w.end("failed");
    }
    expect(w.state()).toBeUndefined();
  });

  test("is not where thousands went well before its first fault, and is once they are older than the window", () => {
    const w = watching();
    w.end(...Array<"done">(10_000).fill("done"));
    w.fail();
    expect(w.state()).toBeUndefined();
    w.wait(30_000);
    w.fail();
    expect(w.standing()?.reason).toMatch(/^5 of 5 tasks in 30 s/);
  });

  test("is told with what went well before its first fault", () => {
    const w = watching();
    w.end("done", "done", "done");
    w.end("failed", "failed");
    expect(w.state()).toBeUndefined();
    w.end("failed");
    expect(w.standing()).toMatchObject({ faultShare: 0.5, reason: expect.stringMatching(/^3 of 6 tasks/) });
  });

  test("that is forgotten begins with nothing, also of what went well", () => {
    const w = watching();
    w.end(...Array<"done">(10).fill("done"));
    w.outliers.forget(address);
    w.fail();
    expect(w.standing()?.reason).toMatch(/^5 of 5/);
  });

  test("that is left alone is not for longer because of what it had been given before", () => {
    const w = watching();
    w.fail();
    w.wait(1_000);
    w.fail();
    expect(w.standing()).toMatchObject({ state: "ejected", leftMs: 29_000 });
  });

  test("counts a late process as a fault each time it is found so", () => {
    const w = watching();
    w.end("late", "late", "late", "late", "late");
    expect(w.standing()?.reason).toMatch(/^5 of 5 .* the last found its process late/);
  });

  test("is tried by one task at a time once its time is over", () => {
    const w = watching();
    w.fail();
    w.wait(29_999);
    expect(w.standing()).toMatchObject({ state: "ejected", mayProbe: false });
    w.wait(1);
    expect(w.standing()).toMatchObject({ state: "probing", mayProbe: true });
    w.outliers.beginProbe(address, "exe_probe", 1_030_000);
    expect(w.standing()).toMatchObject({ state: "probing", mayProbe: false });
    // Routed once more it is still the same.
    expect(w.standing("exe_probe")).toMatchObject({ mayProbe: true });
    w.end("done", "failed");
    expect(w.state(), "what was routed there before says nothing").toBe("probing");
    w.wait(60_000);
    expect(w.standing(), "the probe was not heard of").toMatchObject({ mayProbe: true });
  });

  test("comes back bit by bit after a probe that went well", () => {
    const w = watching();
    w.fail();
    w.wait(30_000);
    w.probe("done");
    expect(w.standing()).toMatchObject({ state: "recovering", share: 0.1 });
    w.wait(15_000);
    expect(w.standing()?.share).toBeCloseTo(0.55);
    w.wait(15_000);
    expect(w.standing()).toBeUndefined();
  });

  test("is left alone for twice as long each time in a row, up to five minutes", () => {
    const w = watching();
    w.fail();
    const times: number[] = [];
    for (let round = 0; round < 6; round++) {
      times.push(w.standing()?.leftMs ?? 0);
      w.wait(times.at(-1) ?? 0);
      w.probe("failed");
    }
    expect(times).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000]);
    expect(w.standing()?.reason).toMatch(/^the task that tried it failed/);
  });

  test("that fails again while it comes back is left alone again, for longer", () => {
    const w = watching();
    w.fail();
    w.wait(30_000);
    w.probe("done");
    w.wait(10_000);
    w.fail();
    expect(w.standing()).toMatchObject({ state: "ejected", leftMs: 60_000 });
  });

  test("that stays well for five minutes begins anew", () => {
    const w = watching();
    const again = (afterMs: number) => {
      w.fail();
      const { leftMs = 0 } = w.standing() ?? {};
      w.wait(leftMs);
      w.probe("done");
      w.wait(30_000 + afterMs);
      w.end("done");
      return leftMs;
    };
    expect([again(299_999), again(300_000), again(0)]).toEqual([30_000, 60_000, 30_000]);
  });
});
