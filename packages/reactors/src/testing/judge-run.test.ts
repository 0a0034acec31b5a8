// That the judge of runs bites: what is right passes, and each rule finds what breaks it. The histories are made up here; those that come
// of real runs are judged in `reference.test.ts`.
import type { RunEvent, RunEventData, RunEventType } from "@viable/protocol";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "../definition.ts";
import { reactor } from "../reactor.ts";
import type { Circumstances } from "./judge-run.ts";
import { judgeRun } from "./judge-run.ts";
import type { Recorded } from "./record-runs.ts";
import type { Outside, ReferenceRun } from "./reference-run.ts";
import { referenceRun } from "./reference-run.ts";
import type { SeenCall } from "./simulate-processes.ts";

const input = z.unknown();

/** An event, and when it was written. */
type Made = { readonly event: RunEvent; readonly atMs: number };
const event = <T extends RunEventType>(type: T, data: RunEventData<T>, atMs = 0): Made => ({
  event: { type, data } as RunEvent,
  atMs,
});
const claim = (attempt: number) => ({ processId: `p${attempt}`, epoch: 1, attempt });
const error = { code: "internal", message: "no", retryable: false };
const started = (more: Partial<RunEventData<"run.started">> = {}) =>
  event("run.started", { reactor: "made-up", version: 1, hash: "h", input: 1, claim: claim(1), ...more });
const claimed = (attempt: number) => event("run.claimed", { ...claim(attempt), reason: "gone" });
const succeeded = (step: string, more: Partial<RunEventData<"step.succeeded">> = {}, atMs = 0) =>
  event("step.succeeded", { step, result: step, ...more }, atMs);
const failed = (step: string, attempt: number, more: Partial<RunEventData<"step.failed">> = {}) =>
  event("step.failed", { step, attempt, error, ...more });
const begun = (step: string, attempt = 1) => event("step.started", { step, attempt });
const waits = (step: string, wait: RunEventData<"step.waiting">["wait"]) => event("step.waiting", { step, wait });
const undone = (step: string, of: number) => event("step.undone", { step, of });
const undoFailed = (step: string, of: number, attempt: number) =>
  event("step.undo_failed", { step, of, attempt, error, retryAt: 1 });
const asked = (step: string, during: "run" | "compensate" | "undo", more: object = {}) =>
  event("run.needs_review", { step, during, reason: "who knows", ...more });
const reviewed = (step: string, decision: "retry" | "done" | "failed", more: object = {}) =>
  event("run.reviewed", { step, decision, by: "me", ...more });
const cancelRequested = event("run.cancel_requested", { by: "me", reason: "enough" });
const gaveUp = (atMs: number) => event("run.gave_up", { error }, atMs);
const because = (step: string) => ({ kind: "step_failed" as const, step });
const undoing = (step: string) => event("run.undoing", { cause: because(step) });
const completed = (result: string) => event("run.completed", { result });
const compensated = (step: string, ...kept: string[]) => event("run.compensated", { cause: because(step), kept });
const endsFailed = (...kept: string[]) => event("run.failed", { error, kept });
const cancelled = (...kept: string[]) => event("run.cancelled", { by: "me", reason: "enough", kept });

const call = (role: SeenCall["role"], step: string, durable: number, more: Partial<SeenCall> = {}): SeenCall => ({
  process: "p1",
  role,
  runId: "run",
  step,
  attempt: 1,
  fencingToken: 1,
  durable,
  atMs: 0,
  wasStopped: false,
  ...more,
});

/** All that is outside answers with the name of what it is asked for, but what fails. */
const outside = (...failing: string[]): Outside => {
  const answer = (path: string) => (failing.includes(path) ? undefined : { result: path });
  return {
    step: (_place, path) => answer(path),
    task: (_place, path) => answer(path),
    event: (_place, path) => answer(path),
    approval: (_place, path) =>
      failing.includes(path) ? undefined : { decision: "approved", by: "me", reason: "fine" },
    isStopped: () => false,
    review: () => "failed",
  };
};
const refer = (definition: ReactorDefinition, ...failing: string[]) => referenceRun(definition, 1, outside(...failing));

interface Seen {
  readonly runs?: { readonly [runId: string]: readonly Made[] };
  readonly calls?: readonly SeenCall[];
  readonly around?: Partial<Circumstances>;
}

function judge(reference: ReferenceRun, events: readonly Made[], { runs = {}, calls = [], around = {} }: Seen = {}) {
  const histories = new Map(Object.entries({ run: events, ...runs }));
  const history = (runId: string): Recorded[] =>
    (histories.get(runId) ?? []).map((each, index) => ({ ...each, version: index + 1 }));
  return judgeRun({ calls, history }, "run", reference, {
    cancelled: new Set(),
    isParentStopped: false,
    isUndone: false,
    ...around,
  });
}

const twice = { maxAttempts: 2, baseMs: 10, maxMs: 10, on: "any" } as const;
const nothing = () => {};
const order = reactor("order", { input, reversible: true }, (steps) =>
  steps
    .step("pay", { run: () => 1, undo: nothing })
    .step("note", { run: () => 1 })
    .step("ship", { after: ["pay", "note"], retry: twice, run: () => 1 })
    .returns(({ results }) => results.ship),
);
const goes = refer(order);
const fails = refer(order, "ship");
const good = [started(), succeeded("pay"), succeeded("note"), succeeded("ship"), completed("ship")];
const goodCalls = [call("run", "pay", 1), call("run", "note", 1), call("run", "ship", 3)];
const bad = [
  ...good.slice(0, 3),
  failed("ship", 1, { retryAt: 10 }),
  failed("ship", 2),
  undoing("ship"),
  undone("pay", 2),
  compensated("ship", "note"),
];
const badCalls = [...goodCalls, call("run", "ship", 4, { attempt: 2, atMs: 10 }), call("undo", "pay", 6)];
const insert = <T>(list: readonly T[], at: number, ...more: T[]): T[] => [
  ...list.slice(0, at),
  ...more,
  ...list.slice(at),
];
const replace = <T>(list: readonly T[], at: number, ...more: T[]): T[] => [
  ...list.slice(0, at),
  ...more,
  ...list.slice(at + 1),
];
const without = <T>(list: readonly T[], at: number): T[] => replace(list, at);

test("a run that completed, one that was undone because a step failed, and one that was undone later are right", () => {
  expect(judge(goes, good, { calls: goodCalls })).toEqual([]);
  expect(judge(fails, bad, { calls: badCalls })).toEqual([]);
  const later = [...good, undoing("none"), undone("pay", 2), compensated("none", "note", "ship")];
  const calls = [...goodCalls, call("undo", "pay", 6)];
  expect(judge(goes, later, { calls, around: { isUndone: true } })).toEqual([]);
});

test.each<[sentence: string, Made[], reference?: ReferenceRun]>([
  ['ship came to "sent", and "ship" is right', replace(good, 3, succeeded("ship", { result: "sent" }))],
  ["pay outcome stands there twice", insert(good, 2, succeeded("pay"))],
  ["ship was skipped", replace(good, 3, event("step.skipped", { step: "ship" }))],
  ["ship succeeded by guard", replace(good, 3, succeeded("ship", { by: "guard" }))],
  ["pay failed, and should not have", replace(good, 1, failed("pay", 1))],
  ["pay failed after it had succeeded", insert(bad, 3, failed("pay", 1)), fails],
  ["ship failed for good twice", insert(bad, 5, failed("ship", 3)), fails],
  ["ship succeeded, and failed is right", good, fails],
  ["other has an outcome, and cannot have begun", insert(good, 1, succeeded("other"))],
])("an outcome that is not the reference's is found: %s", (sentence, events, reference = goes) => {
  expect(judge(reference, events)).toContain(sentence);
});

test.each<[sentence: string, Made[], reference?: ReferenceRun]>([
  ["does not end: step.succeeded", good.slice(0, -1)],
  ["ends 2 times: run.completed, run.completed", [...good, completed("ship")]],
  ["goes on after its end", [...good, begun("pay")]],
  ["completed, and cannot", good, fails],
  ['came to "sent", and "ship" is right', replace(good, 4, completed("sent"))],
  ["completed without ship", without(good, 3)],
  ["ends run.failed, and nothing of it fails", replace(good, 4, endsFailed())],
  ["was undone because of note, which does not fail", [...bad.slice(0, 5), undoing("note"), ...bad.slice(6)], fails],
  ["ends run.failed, and run.compensated is right", replace(bad, 7, endsFailed("note")), fails],
  ["was cancelled by nobody", [...good.slice(0, 1), cancelRequested, cancelled()]],
  [
    "was cancelled, and ends run.failed",
    [started(), cancelRequested, event("run.undoing", { cause: { kind: "cancelled" } }), endsFailed()],
  ],
  ["gave up before its time was up", [started({ deadline: 500 }), gaveUp(499), endsFailed()]],
])("an end that is not the reference's is found: %s", (sentence, events, reference = goes) => {
  expect(judge(reference, events)).toContain(sentence);
});

test("a run that was to be undone later, and was not", () => {
  const again = [...good, completed("ship")];
  expect(judge(goes, again, { around: { isUndone: true } })).toContain("was undone, and ends run.completed");
});

test.each<[sentence: string, Made[], reference?: ReferenceRun]>([
  ["step.succeeded ship before note outcome was durable", [good[0], good[1], good[3], good[2], good[4]] as Made[]],
  [
    "step.succeeded ship though the run had stopped before note outcome",
    [...good.slice(0, 2), cancelRequested, ...good.slice(2)],
  ],
  [
    "ship begins, and the run had stopped",
    [...good.slice(0, 3), cancelRequested, begun("ship"), undone("pay", 2), cancelled("note")],
  ],
  ["other begins, and may not", insert(good, 1, waits("other", { for: "time", until: 5 }))],
])("what begins before it may is found: %s", (sentence, events, reference = goes) => {
  expect(judge(reference, events)).toContain(sentence);
});

test.each<[sentence: string, Made[]]>([
  ["undone were , and 2 is right", without(bad, 6)],
  [
    "note came to its outcome while the run was undone",
    [...bad.slice(0, 2), ...bad.slice(3, 6), succeeded("note"), ...bad.slice(6)],
  ],
  ["kept were , and note is right", replace(bad, 7, compensated("ship"))],
])("an undo that leaves something or comes too late is found: %s", (sentence, events) => {
  expect(judge(fails, events)).toContain(sentence);
});

test("what is undone in the order in which it was done is found", () => {
  const both = reactor("both", { input }, (steps) =>
    steps
      .step("a", { run: () => 1, undo: nothing })
      .step("b", { run: () => 1, undo: nothing })
      .step("c", { after: ["a", "b"], run: () => 1 })
      .returns(() => 1),
  );
  const before = [started(), succeeded("a"), succeeded("b"), failed("c", 1), undoing("c")];
  const reference = refer(both, "c");
  expect(judge(reference, [...before, undone("b", 3), undone("a", 2), compensated("c")])).toEqual([]);
  const wrongWay = [...before, undone("a", 2), undone("b", 3), compensated("c")];
  expect(judge(reference, wrongWay)).toContain("undone were 2, 3, and 3, 2 is right");
});

test.each<[sentence: string, Made[]]>([
  ["ship failed at attempt 3 after 1", replace(bad, 4, failed("ship", 3))],
  ["ship is tried again after attempt 2 of 2", insert(bad, 4, failed("ship", 2, { retryAt: 20 }))],
  ["ship is given up at attempt 1 of 2", without(replace(bad, 3, failed("ship", 1)), 4)],
])("what is tried too often, or too seldom, is found: %s", (sentence, events) => {
  expect(judge(fails, events)).toContain(sentence);
});

test("a person who is asked about an undo before it was tried five times is found, and one who is asked after is right", () => {
  const upTo = (failures: number) => [
    ...bad.slice(0, 6),
    ...Array.from({ length: failures }, (_, nr) => undoFailed("pay", 2, nr + 1)),
    asked("pay", "undo", { of: 2, error }),
    reviewed("pay", "done"),
    ...bad.slice(7),
  ];
  const calls = badCalls.slice(0, 4);
  const undoCalls = Array.from({ length: 5 }, (_, nr) => call("undo", "pay", 6 + nr));
  expect(judge(fails, upTo(4), { calls: [...calls, ...undoCalls] })).toEqual([]);
  expect(judge(fails, upTo(3), { calls: [...calls, ...undoCalls.slice(0, 4)] })).toContain(
    "a person is asked about the undo of pay after 4 calls",
  );
  const skips = [...bad.slice(0, 6), undoFailed("pay", 2, 2), ...bad.slice(6)];
  expect(judge(fails, skips)).toContain("the undo of pay failed at attempt 2 after 0");
});

test.each<[sentence: string, SeenCall[], events?: Made[], reference?: ReferenceRun]>([
  ["run ship was called before note outcome was durable", [call("run", "ship", 2)]],
  ["run other was called, and it may not begin", [call("run", "other", 1)]],
  ["task other was called, and it may not begin", [call("task", "other", 1, { fencingToken: undefined })]],
  ["run ship was called, and what came of it was durable", [call("run", "ship", 4)]],
  ["p1 and p2 both call with the token 1", [call("run", "pay", 1), call("run", "note", 1, { process: "p2" })]],
  ["run pay was called by p1, and another had the run", [call("run", "pay", 2)], insert(good, 1, claimed(2))],
  ["run ship was called 3 times, 1 at most is right", [3, 3, 3].map((durable) => call("run", "ship", durable))],
  ["ship is tried again before it was to be", [call("run", "ship", 4, { atMs: 9 })], bad, fails],
  ["undo pay was called, and what came of it was durable", [call("undo", "pay", 7)], bad, fails],
  ["undo pay was called 2 times, 1 at most is right", [call("undo", "pay", 6), call("undo", "pay", 6)], bad, fails],
  [
    "run pay was called after the run's time was up",
    [call("run", "pay", 1, { atMs: 501 })],
    replace(good, 0, started({ deadline: 500 })),
  ],
  [
    "run note was called after the run's time was up",
    [call("run", "note", 2, { atMs: 501, fencingToken: 2 })],
    insert(replace(good, 0, started({ deadline: 500 })), 1, claimed(2)),
  ],
])("a call that may not be is found: %s", (sentence, calls, events = good, reference = goes) => {
  expect(judge(reference, events, { calls })).toContain(sentence);
});

test("a call of one that was stopped after its last look may be by somebody who has lost the run", () => {
  const events = insert(good, 1, claimed(2));
  const second = { process: "p2", fencingToken: 2 };
  const calls = [call("run", "pay", 2, second), call("run", "note", 2, second), call("run", "ship", 4, second)];
  expect(judge(goes, events, { calls: [...calls, call("run", "pay", 2, { wasStopped: true })] })).toEqual([]);
});

test("what a process may have left half done is done again though the run's time is up, where it can be undone", () => {
  const events = [
    started({ deadline: 500 }),
    claimed(2),
    gaveUp(501),
    succeeded("pay"),
    event("run.undoing", { cause: { kind: "gave_up", error } }),
    undone("pay", 4),
    event("run.compensated", { cause: { kind: "gave_up", error } }),
  ];
  const late = { atMs: 501, process: "p2", fencingToken: 2 };
  const calls = [call("run", "pay", 3, late), call("undo", "pay", 5, late)];
  expect(judge(goes, events, { calls })).toEqual([]);
  expect(judge(goes, events, { calls: [...calls, call("run", "note", 3, late)] })).toEqual([
    "run note was called after the run's time was up",
  ]);
});

describe("steps that wait for another, or are chosen", () => {
  const chosen = reactor("chosen", { input }, (steps) =>
    steps
      .switch("way", {
        args: () => ({}),
        branches: {
          taken: { when: () => true, steps: (inner) => inner.step("a", { run: () => 1 }).returns(() => null) },
          left: { when: () => false, steps: (inner) => inner.step("b", { run: () => 1 }).returns(() => null) },
        },
        otherwise: (inner) => inner.returns(() => null),
      })
      .step("last", { after: ["way"], run: () => 1 })
      .returns(() => "end"),
  );
  const events = [
    started(),
    event("step.branched", { step: "way", branch: "taken" }),
    succeeded("way:taken/a"),
    succeeded("last"),
    completed("end"),
  ];

  test("a step in a branch that is not taken is found as it is called", () => {
    const calls = [call("run", "way:taken/a", 2), call("run", "last", 3)];
    expect(judge(refer(chosen), events, { calls })).toEqual([]);
    expect(judge(refer(chosen), events, { calls: [...calls, call("run", "way:left/b", 2)] })).toEqual([
      "run way:left/b was called, and it may not begin",
    ]);
  });

  test("what waits for a step that fails is found as it is called", () => {
    const stops = [...events.slice(0, 2), failed("way:taken/a", 1), endsFailed()];
    const calls = [call("run", "way:taken/a", 2)];
    const reference = refer(chosen, "way:taken/a");
    expect(judge(reference, stops, { calls })).toEqual([]);
    expect(judge(reference, stops, { calls: [...calls, call("run", "last", 3)] })).toEqual([
      "run last was called, and it may not begin",
    ]);
  });

  test("a branch that is chosen twice is found, and a turn that begins twice", () => {
    expect(judge(refer(chosen), insert(events, 2, events[1] as Made))).toContain("way branch stands there twice");
    const again = reactor("again", { input }, (steps) =>
      steps
        .repeat(
          "turns",
          { maxTurns: 2 },
          (inner) => inner.step("a", { run: () => 1 }).returns(({ index }) => ({ index })),
          ({ index }) => index >= 1,
        )
        .returns(() => "end"),
    );
    const turn = event("step.repeated", { step: "turns", turn: 1 });
    const turns = [
      started(),
      succeeded("turns[0]/a"),
      turn,
      succeeded("turns[1]/a"),
      succeeded("turns", { result: { index: 1 } }),
      completed("end"),
    ];
    expect(judge(refer(again), turns)).toEqual([]);
    expect(judge(refer(again), insert(turns, 3, turn))).toContain("turns 1 stands there twice");
  });
});

describe("what must not be done twice", () => {
  const once = reactor("once", { input }, (steps) =>
    steps.step("wire", { idempotent: false, run: () => 1 }).returns(({ results }) => results.wire),
  );
  const events = [
    started(),
    begun("wire"),
    asked("wire", "run"),
    reviewed("wire", "retry"),
    succeeded("wire"),
    completed("wire"),
  ];
  const calls = [call("run", "wire", 2), call("run", "wire", 4)];

  test("is right where a person has it done again, and found where nobody has", () => {
    expect(judge(refer(once), events, { calls })).toEqual([]);
    const unasked = [...events.slice(0, 2), claimed(2), ...events.slice(4)];
    const again = [call("run", "wire", 2), call("run", "wire", 3, { process: "p2", fencingToken: 2 })];
    expect(judge(refer(once), unasked, { calls: again })).toEqual(["wire was done 2 times"]);
  });
});

describe("waits", () => {
  const patient = reactor("patient", { input }, (steps) =>
    steps
      .sleep("rest", { args: () => ({ forMs: 100 }) })
      .waitFor("first", { event: "paid", args: () => ({ key: "k", timeoutMs: 100 }) })
      .waitFor("second", { event: "paid", args: () => ({ key: "k" }) })
      .approval("word", { title: "May we?" })
      .returns(() => "end"),
  );
  const paid = { for: "event" as const, event: "paid", key: "k" };
  const decided = (decision: "approved" | "rejected") =>
    event("approval.decided", { approvalId: "apr", decision, by: "me", reason: "fine" });
  const before = [
    started(),
    waits("rest", { for: "time", until: 100 }),
    waits("first", { ...paid, until: 100 }),
    waits("second", paid),
    waits("word", { for: "approval", approvalId: "apr", title: "May we?" }),
  ];
  const came = (restedMs: number, consumed: number, decision: "approved" | "rejected" = "approved") => [
    ...before,
    succeeded("rest", { result: null }, restedMs),
    succeeded("first", { consumed: 1 }, restedMs),
    succeeded("second", { consumed }, restedMs),
    decided(decision),
    completed("end"),
  ];

  test("that end in their time, each with what was sent to it, are right", () => {
    expect(judge(refer(patient), came(100, 2))).toEqual([]);
  });

  test("that end before their time, or with what another has had, are found", () => {
    expect(judge(refer(patient), came(99, 2))).toEqual(["rest waited until 99, and 100 is right"]);
    expect(judge(refer(patient), came(100, 1))).toEqual(["second took paid k once more"]);
    const timedOut = event(
      "step.failed",
      { step: "first", attempt: 1, error: { ...error, code: "reactor.wait_timed_out" } },
      99,
    );
    expect(judge(refer(patient, "first"), [...before, timedOut, endsFailed()])).toEqual([
      "first waited until 99, and 100 is right",
    ]);
  });

  test("for a decision end with the decision that was made", () => {
    expect(judge(refer(patient), came(100, 2, "rejected"))).toContain("word was rejected");
  });
});

describe("what is composed", () => {
  const child = reactor("child", { input, reversible: true }, (steps) =>
    steps.step("c", { run: () => 1, undo: nothing }).returns(({ results }) => results.c),
  );
  const parent = reactor("parent", { input }, (steps) =>
    steps
      .compose("kid", child, { args: () => 1 })
      .step("last", { after: ["kid"], run: () => 1 })
      .returns(({ results }) => results.last),
  );
  const kid = [started({ parent: { runId: "run", step: "kid" } }), succeeded("c"), completed("c")];
  const kidUndone = [...kid, undoing("last"), undone("c", 2), compensated("last")];
  const composes = waits("kid", { for: "run", runId: "inner", attempt: 1 });
  const stands = succeeded("kid", { result: "c", runId: "inner" });
  const whole = [started(), composes, stands, succeeded("last"), completed("last")];
  const takenBack = [
    started(),
    composes,
    stands,
    failed("last", 1),
    undoing("last"),
    undone("kid", 3),
    compensated("last"),
  ];

  test("is right where it stands with the run around it, and where both are undone", () => {
    expect(judge(refer(parent), whole, { runs: { inner: kid } })).toEqual([]);
    expect(judge(refer(parent, "last"), takenBack, { runs: { inner: kidUndone } })).toEqual([]);
  });

  test("is found where it is left standing, is taken back alone, or is not what it was to be", () => {
    expect(judge(refer(parent, "last"), takenBack, { runs: { inner: kid } })).toContain(
      "kid#1>ends 1 times: run.completed",
    );
    expect(judge(refer(parent), whole, { runs: { inner: kidUndone } })).toContain(
      "kid#1>ends 2 times: run.completed, run.compensated",
    );
    expect(judge(refer(parent), whole, { runs: { inner: without(kid, 1) } })).toContain("kid#1>completed without c");
  });

  test("is found where it is begun once more than it is to be", () => {
    const again = insert(whole, 2, waits("kid", { for: "run", runId: "inner", attempt: 2 }));
    expect(judge(refer(parent), again, { runs: { inner: kid } })).toContain(
      "kid composes a run for the 2. time, and should not",
    );
  });
});

describe("forks", () => {
  const takenOver = new Map([
    ["pay", "paid"],
    ["note", "note"],
  ]);
  const fork = referenceRun(order, 1, outside(), "", takenOver);
  const took = { event: "e", key: "k", version: 2 };
  const events = [
    started(),
    succeeded("pay", { result: "paid", by: "fork", took: [took] }),
    succeeded("note", { by: "fork" }),
    succeeded("ship"),
    completed("ship"),
  ];
  const calls = [call("run", "ship", 3)];

  test("one that takes over what it is to, and does the rest, is right", () => {
    expect(judge(fork, events, { calls })).toEqual([]);
  });

  test.each<[sentence: string, Made[], SeenCall[]?]>([
    ['pay came to "pay", and "paid" is right', replace(events, 1, succeeded("pay", { by: "fork" }))],
    ["note succeeded by undefined", replace(events, 2, succeeded("note"))],
    ["ship succeeded by fork", replace(events, 3, succeeded("ship", { by: "fork" }))],
    ["run pay was called, and it may not begin", events, [call("run", "pay", 1)]],
    [
      "ship took e k once more",
      replace(events, 3, waits("ship", { for: "event", event: "e", key: "k" }), succeeded("ship", { consumed: 2 })),
    ],
  ])("one that does not is found: %s", (sentence, events, calls = []) => {
    expect(judge(fork, events, { calls })).toContain(sentence);
  });
});
