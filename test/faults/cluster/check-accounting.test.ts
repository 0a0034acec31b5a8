/**
 * The accounting of tasks is shown histories with one thing wrong each, and must say what; and one with everything that may happen, in which
 * nothing is wrong. What is counted and measured of them is tried on the same.
 */
import { describe, expect, test } from "vitest";
import type { Accounting, Step, ToldCommand } from "./check-accounting.ts";
import { judgeAccounting } from "./check-accounting.ts";
import type { EffectArrival } from "./ledger-lines.ts";
import { countOutcomes, countRepeats, longestGapMs, routedAroundMs, spreadOf, takeoversMs } from "./measure-faults.ts";

const claim = (processId: string, attempt: number, epoch = 1) => ({ processId, epoch, attempt });
const accepted = (atMs: number, more: Record<string, unknown> = {}): Step => ({
  type: "execution.accepted",
  atMs,
  data: {
    command: "ai.work",
    maxAttempts: 3,
    deadline: 100_000,
    route: { chosen: { service: "ai", processId: "a", epoch: 1 } },
    ...more,
  },
});
const step = (atMs: number, type: string, data: Record<string, unknown>): Step => ({
  type: `execution.${type}`,
  atMs,
  data,
});
const done = (pid: number, attempt: number, receipt: number, asked: readonly unknown[] = []) => ({
  result: { pid, attempt, receipt, asked },
});
const error = (code: string) => ({ error: { code, message: "It says why.", retryable: false } });

/** Process 1 is a, process 2 is b. */
function good() {
  const executions = new Map<string, Step[]>([
    ["one", [accepted(0), step(1, "claimed", claim("a", 1)), step(5, "completed", done(1, 1, 1))]],
    // Taken over in the middle, and its effect had been done by then.
    [
      "two",
      [
        accepted(10),
        step(11, "claimed", claim("a", 1)),
        step(30, "claimed", claim("b", 2, 2)),
        step(40, "completed", done(2, 2, 2, [{ executionId: "child", status: "completed" }])),
      ],
    ],
    [
      "child",
      [
        accepted(12, { parentId: "two" }),
        step(13, "claimed", claim("b", 1, 2)),
        step(14, "progressed", { percent: 50, message: "half" }),
        step(15, "completed", done(2, 1, 3)),
      ],
    ],
    ["three", [accepted(20), step(21, "claimed", claim("a", 1)), step(22, "failed", error("test.asked_to_fail"))]],
    ["four", [accepted(20), step(21, "cancelled", { by: "owner", reason: "asked to" })]],
    ["five", [accepted(20, { deadline: 400 }), step(400, "timed_out", { deadline: 400 })]],
    // Given back by who stopped in order: that attempt does not count.
    [
      "six",
      [
        accepted(50),
        step(51, "claimed", claim("a", 1)),
        step(52, "released", { processId: "a", reason: "its worker stops" }),
        step(53, "claimed", claim("b", 1, 2)),
        step(54, "completed", done(2, 1, 6)),
      ],
    ],
    [
      "seven",
      [
        accepted(60, { maxAttempts: 2 }),
        step(61, "claimed", claim("a", 1)),
        step(71, "claimed", claim("b", 2, 2)),
        step(81, "failed", error("swarm.attempts_exhausted")),
      ],
    ],
    ["eight", [accepted(70), step(71, "claimed", claim("a", 1)), step(72, "failed", error("log.unavailable"))]],
  ]);
  const arrival = (nr: number, execution: string, pid: number, attempt: number, receipt = nr): EffectArrival => ({
    nr,
    key: execution,
    execution,
    service: "ai",
    pid,
    attempt,
    atMs: nr * 10,
    outcome: receipt === nr ? "counted" : "absorbed",
    receipt,
  });
  const arrivals = [
    arrival(1, "one", 1, 1),
    arrival(2, "two", 1, 1),
    arrival(3, "child", 2, 1),
    arrival(4, "two", 2, 2, 2),
    // Who had been stopped goes on, and comes too late.
    arrival(5, "two", 1, 1, 2),
    arrival(6, "six", 2, 1),
  ];
  const told: ToldCommand[] = [
    ...["one", "two", "six"].map(
      (id): ToldCommand => ({
        key: `key ${id}`,
        command: "ai.work",
        wish: "complete",
        acknowledged: [id, id],
        status: "completed",
        result: executions.get(id)?.at(-1)?.data.result,
      }),
    ),
    { key: "key three", command: "ai.work", wish: "fail", acknowledged: ["three"], status: "failed" },
    {
      key: "key four",
      command: "ai.work",
      wish: "cancel",
      acknowledged: ["four"],
      status: "cancelled",
      cancelAcknowledged: true,
    },
    { key: "key five", command: "ai.work", wish: "time out", acknowledged: ["five"], status: "timed_out" },
    { key: "key seven", command: "ai.work", wish: "complete", acknowledged: ["seven"] },
    { key: "key eight", command: "ai.work", wish: "complete", acknowledged: ["eight"] },
  ];
  return { executions, arrivals, told };
}

test("a history in which nothing is wrong, with all that may happen", () => {
  expect(judgeAccounting(good())).toEqual([]);
});

type Good = ReturnType<typeof good>;
const replaceAt = <T>(list: T[], index: number, change: (item: T) => T) => {
  list[index] = change(list[index] as T);
};
const changeOutcome = ({ executions }: Good, id: string, data: Record<string, unknown>) => {
  const steps = executions.get(id) as Step[];
  replaceAt(steps, steps.length - 1, (last) => ({ ...last, data }));
};

describe("planted", () => {
  const planted: {
    defect: string;
    kind: string;
    says?: string;
    plant(history: Good): Partial<Accounting> | undefined;
  }[] = [
    { defect: "a task taken out of the log", kind: "lost", plant: ({ executions }) => void executions.delete("one") },
    {
      defect: "a delegated task taken out of the log",
      kind: "lost",
      plant: ({ executions }) => void executions.delete("child"),
    },
    {
      defect: "a parent taken out of the log",
      kind: "lost",
      says: "two, which had asked for child",
      plant: ({ executions }) => void executions.delete("two"),
    },
    {
      defect: "an acceptance taken out of the log",
      kind: "lost",
      says: "one has no acceptance",
      plant: ({ executions }) => void executions.get("one")?.shift(),
    },
    {
      defect: "another command in the log than was sent",
      kind: "lost",
      plant: ({ executions }) =>
        void executions.set("one", [
          accepted(0, { command: "ml.work" }),
          ...(executions.get("one") as Step[]).slice(1),
        ]),
    },
    {
      defect: "an outcome taken out of the log",
      kind: "open",
      plant: ({ executions }) => void executions.get("seven")?.pop(),
    },
    {
      defect: "an outcome that was answered and is not there",
      kind: "lost",
      says: "one was answered as completed, and the log says nothing",
      plant: ({ executions }) => void executions.get("one")?.pop(),
    },
    {
      defect: "another result than was answered",
      kind: "lost",
      plant: (history) => void changeOutcome(history, "one", done(1, 1, 1, [{ status: "refused" }])),
    },
    {
      defect: "an order to cancel that was acknowledged, and had no effect",
      kind: "lost",
      says: "four was ordered to be cancelled, and goes on",
      plant: ({ executions }) => void executions.get("four")?.pop(),
    },
    {
      defect: "a command that was never answered",
      kind: "lost",
      plant: ({ told }) => ({ told: [...told, { key: "k", command: "ai.work", wish: "complete", acknowledged: [] }] }),
    },
    {
      defect: "one key, two executions",
      kind: "again",
      plant: ({ told }) => void replaceAt(told, 0, (each) => ({ ...each, acknowledged: ["one", "six"] })),
    },
    {
      defect: "two keys, one execution",
      kind: "again",
      plant: ({ told }) => ({ told: [...told, { ...(told[0] as ToldCommand), key: "another" }] }),
    },
    {
      defect: "an execution that nobody asked for",
      kind: "unasked",
      plant: ({ executions }) =>
        void executions.set("nine", [accepted(1), step(2, "failed", error("test.asked_to_fail"))]),
    },
    {
      defect: "a failure without a reason",
      kind: "unexplained",
      plant: (history) => void changeOutcome(history, "three", { error: { code: "", message: "" } }),
    },
    {
      defect: "a failure that nobody asked for",
      kind: "unexplained",
      plant: (history) => void changeOutcome(history, "seven", error("internal")),
    },
    {
      defect: "attempts that are said to be used up, and are not",
      kind: "unexplained",
      plant: ({ executions }) => void executions.get("seven")?.splice(2, 1),
    },
    {
      defect: "a second outcome",
      kind: "again",
      plant: ({ executions }) => void executions.get("three")?.push(step(23, "completed", done(1, 1, 1))),
    },
    {
      defect: "a claim after the outcome",
      kind: "again",
      plant: ({ executions }) => void executions.get("three")?.push(step(23, "claimed", claim("b", 2))),
    },
    {
      defect: "a task that timed out before its deadline",
      kind: "early",
      plant: ({ executions }) => void executions.get("five")?.splice(1, 1, step(399, "timed_out", { deadline: 400 })),
    },
    {
      defect: "an outcome by a superseded claim",
      kind: "superseded",
      plant: (history) => void changeOutcome(history, "two", done(1, 1, 2)),
    },
    {
      defect: "an outcome by a process that another's claim was of",
      kind: "superseded",
      plant: (history) => void changeOutcome(history, "two", done(1, 2, 2)),
    },
    {
      defect: "an outcome after the claim was given back",
      kind: "superseded",
      says: "six was completed by attempt 1, and nobody had it",
      plant: ({ executions }) => void executions.get("six")?.splice(3, 1),
    },
    {
      defect: "an effect that counts twice",
      kind: "again",
      plant: ({ arrivals }) =>
        void replaceAt(arrivals, 3, (each): EffectArrival => ({ ...each, outcome: "counted", receipt: 4 })),
    },
    {
      defect: "an effect of a superseded attempt that counts after the later one",
      kind: "superseded",
      plant: ({ arrivals }) => {
        const [first, ...rest] = arrivals.filter(({ execution }) => execution !== "two");
        const two = arrivals.filter(({ execution }) => execution === "two");
        const late = { ...(two[2] as EffectArrival), outcome: "counted" as const, receipt: 5 };
        return {
          arrivals: [first as EffectArrival, { ...(two[1] as EffectArrival), key: "two", receipt: 2 }, ...rest, late],
        };
      },
    },
    {
      defect: "an effect of an attempt that nobody claimed",
      kind: "superseded",
      plant: ({ arrivals }) => void replaceAt(arrivals, 4, (each) => ({ ...each, attempt: 3 })),
    },
    {
      defect: "an effect by a process that had not that attempt",
      kind: "superseded",
      plant: ({ arrivals }) => void replaceAt(arrivals, 2, (each) => ({ ...each, pid: 1 })),
    },
    {
      defect: "an effect of a task that is not in the log",
      kind: "unasked",
      plant: ({ arrivals }) => void replaceAt(arrivals, 0, (each) => ({ ...each, execution: "none" })),
    },
    {
      defect: "an arrival taken out of the ledger",
      kind: "missing",
      plant: ({ arrivals }) => void arrivals.splice(2, 1),
    },
    {
      defect: "a result that names another arrival",
      kind: "missing",
      plant: (history) => void changeOutcome(history, "child", done(2, 1, 4)),
    },
    {
      defect: "an arrival that was absorbed by none",
      kind: "again",
      plant: ({ arrivals }) => void replaceAt(arrivals, 4, (each) => ({ ...each, receipt: 4 })),
    },
    {
      defect: "a parent that was told otherwise of its child",
      kind: "lost",
      says: "two was told that child had ended as failed",
      plant: (history) =>
        void changeOutcome(history, "two", done(2, 2, 2, [{ executionId: "child", status: "failed" }])),
    },
  ];
  test.each(planted)("$defect is found", ({ kind, says = "", plant }) => {
    const history = good();
    const changed = { ...history, ...plant(history) };
    const found = judgeAccounting(changed).filter((violation) => violation.kind === kind);
    expect(found.map(({ text }) => text).join("\n")).toContain(says);
    expect(found).not.toEqual([]);
  });
});

describe("numbers", () => {
  test("outcomes add up to what was accepted", () => {
    expect(countOutcomes(good().executions)).toEqual({
      accepted: 9,
      delegated: 1,
      completed: 4,
      failed: 3,
      cancelled: 1,
      timedOut: 1,
      open: 0,
      failedBy: { "test.asked_to_fail": 1, "swarm.attempts_exhausted": 1, "log.unavailable": 1 },
    });
  });

  test("what went from one process to another, and what came to the ledger again", () => {
    const { executions, arrivals } = good();
    expect(countRepeats(executions, arrivals)).toEqual({
      takenOver: 3,
      // The child was sent to a, and b took it.
      takenUp: 1,
      givenBack: 1,
      wentOn: 0,
      effects: 4,
      arrivals: 6,
      absorbed: 2,
      // Arrival 5 came when attempt 2 had been claimed.
      supersededAbsorbed: 1,
      supersededCounted: 0,
    });
  });

  test("how long a lost process's tasks waited, and how long others were still sent there", () => {
    const { executions } = good();
    // Of what it had at 20: two, taken over at 30.
    expect(takeoversMs(executions, "a", 20)).toEqual([10]);
    expect(routedAroundMs(executions, "a", 20, 55)).toBe(30);
    expect(routedAroundMs(executions, "b", 20, 55)).toBe(0);
  });

  test("gaps count from the beginning to the end", () => {
    expect(longestGapMs([5, 10, 40, 200], 0, 100)).toBe(60);
    expect(longestGapMs([80, 90], 0, 100)).toBe(80);
    expect(longestGapMs([], 0, 100)).toBe(100);
    expect(spreadOf([30, 10, 20, 40])).toEqual({ rounds: 4, median: 20, worst: 40 });
    expect(spreadOf([])).toBeUndefined();
  });
});
