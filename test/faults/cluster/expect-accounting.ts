import { expect } from "vitest";
import type { Accounting, Violation } from "./check-accounting.ts";
import { judgeAccounting, parentOf } from "./check-accounting.ts";
import type { Ending } from "./tell-story.ts";

/** From how many milliseconds on an event that was handed in before one that stands before it shows a clock that is off. */
const maxBackMs = 60_000;

/** All adds up, something was shown, and the same accounting fails where one thing is wrong in this run's own log or ledger. */
export function expectAccounting({ complaints, violations, outcomes, repeats, accounting, ...ending }: Ending): void {
  expect(complaints).toEqual([]);
  expect(violations.slice(0, 20).map(({ kind, text }) => `${kind}: ${text}`)).toEqual([]);
  expect(outcomes.accepted).toBe(outcomes.completed + outcomes.failed + outcomes.cancelled + outcomes.timedOut);
  expect(ending.maxBackMs, "an event was handed in by a clock that was off").toBeLessThan(maxBackMs);
  // What is counted in vain shows nothing.
  expect(outcomes.completed).toBeGreaterThan(100);
  expect(outcomes.delegated, "nothing was delegated").toBeGreaterThan(10);
  for (const each of ["failed", "cancelled", "timedOut"] as const) expect(outcomes[each], each).toBeGreaterThan(0);
  expect(repeats.takenOver + repeats.takenUp, "nobody took over anything").toBeGreaterThan(0);
  for (const { defect, planted, kind } of plantedIn(accounting))
    expect(
      judgeAccounting(planted).map((violation) => violation.kind),
      defect,
    ).toContain(kind);
}

interface Planted {
  readonly defect: string;
  readonly planted: Accounting;
  readonly kind: Violation["kind"];
}

function* plantedIn(accounting: Accounting): Generator<Planted> {
  const { executions, arrivals, told } = accounting;
  const first = (isChild: boolean) =>
    [...executions].find(([, steps]) => (parentOf(steps) !== undefined) === isChild)?.[0];
  const without = (id: string | undefined) => new Map([...executions].filter(([each]) => each !== id));
  const counted = arrivals.find(({ outcome }) => outcome === "counted");
  const again = counted === undefined ? [] : [{ ...counted, nr: arrivals.length + 1 }];
  const unanswered = told.slice(-1).map((command) => ({ ...command, key: "k0", acknowledged: ["exe_0"] }));
  const planted = (defect: string, kind: Violation["kind"], changes: Partial<Accounting>): Planted => ({
    defect,
    kind,
    planted: { ...accounting, ...changes },
  });
  yield planted("a task taken out of the log", "lost", { executions: without(first(false)) });
  yield planted("a delegated task taken out of the log", "lost", { executions: without(first(true)) });
  yield planted("an arrival taken out of the ledger", "missing", {
    arrivals: arrivals.filter((each) => each !== counted),
  });
  yield planted("an effect that counts twice", "again", { arrivals: [...arrivals, ...again] });
  yield planted("an acknowledged task that is nowhere", "lost", { told: [...told, ...unanswered] });
}
