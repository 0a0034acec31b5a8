import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "@viable/kernel";
import { isFull, seed } from "../log/result-file.ts";
import type { Accounting, Executions, Violation } from "./check-accounting.ts";
import { judgeAccounting, outcomeOf, processesOf } from "./check-accounting.ts";
import { Cluster, nodeNames, until } from "./cluster.ts";
import { describeExecution } from "./describe-execution.ts";
import type { Fault, FaultMarks } from "./faults.ts";
import { Load } from "./load.ts";
import { countOutcomes, countRepeats, longestGapMs, routedAroundMs, spreadOf, takeoversMs } from "./measure-faults.ts";
import { readArrivals, readExecutions } from "./read-accounting.ts";
import thirteen from "./thirteen/viable.config.ts";

/** Commands a second; what they ask of each other comes on top, a quarter as many. */
const perSecond = 12;
/** No more of them may be under way: many times what is where all goes well. */
const maxOpen = 400;
/** How long it goes on in peace between faults, in milliseconds. */
const peaceMs = 1_000;
/** Longer than a lease and what a task takes, in milliseconds: a command that took so long is told of. */
const slowMs = 8_000;
/** How many commands each node must complete after the last fault: a system that answers with one node of three has not healed. */
const minAfterwards = 3;

/** A fault as it was, on both clocks: that of this process, which never jumps, and the machine's, which the log goes by. */
interface Happened {
  readonly name: string;
  readonly marks: FaultMarks;
  readonly fromMs: number;
  readonly healedMs: number;
  /** When all was done that had waited by then. */
  readonly toMs: number;
  readonly untilMs: number;
}

/** What came of it. */
export interface Ending {
  readonly complaints: readonly string[];
  readonly violations: readonly Violation[];
  readonly accounting: Accounting;
  readonly outcomes: ReturnType<typeof countOutcomes>;
  readonly repeats: ReturnType<typeof countRepeats>;
  readonly maxBackMs: number;
  /** For the file of results. */
  readonly summary: Record<string, unknown>;
}

/** Lets a system live under load through some faults, each in its rounds, until all it has taken on has an outcome; and holds it all against each other. */
export async function tellStory(
  faults: readonly { readonly fault: Fault; readonly rounds: number }[],
  { hasNats }: { readonly hasNats: boolean },
): Promise<Ending> {
  const beganMs = performance.now();
  const random = seededRandom(seed);
  await using cluster = await Cluster.start({ random: seededRandom(seed + 1), isSeparate: isFull, hasNats });
  const load = new Load({ client: cluster.client(), random: seededRandom(seed + 2), perSecond, maxOpen });
  /** Where a client was answered what nobody should be, nothing more is waited for. */
  const orComplained = (holds: () => boolean | Promise<boolean>, otherwise: () => string) =>
    until(async () => load.complaints.length > 0 || (await holds()), otherwise);
  const settledBefore = (beforeMs: number) =>
    orComplained(
      () => load.isSettledBefore(beforeMs),
      () => `Not all that was sent has an outcome: ${load.open} are open; ${JSON.stringify(load.vain)}`,
    );
  const happened: Happened[] = [];
  try {
    await load.start();
    await orComplained(
      () => load.completedAtMs.length > 20,
      () => `Nothing is done: ${JSON.stringify(load.vain)}`,
    );
    for (const { fault, rounds } of faults)
      for (let round = 0; round < rounds && load.complaints.length === 0; round++) {
        await pause(peaceMs * (0.5 + random.next()));
        const fromMs = performance.now();
        const marks = await fault.befall({ cluster, random, round });
        const healedMs = performance.now();
        await settledBefore(healedMs);
        const toMs = performance.now();
        happened.push({ name: fault.name, marks, fromMs, healedMs, toMs, untilMs: Date.now() });
        const [tookMs, laterMs] = [healedMs - fromMs, toMs - healedMs].map(Math.round);
        console.log(
          `${fault.name}, round ${round + 1}: ${tookMs} ms, and ${laterMs} ms until all was done that had waited`,
        );
      }
    const sinceMs = performance.now();
    const doneBy = () => nodeNames.map((name) => load.completedBy(cluster.node(name).pid, sinceMs));
    await orComplained(
      () => doneBy().every((count) => count >= minAfterwards),
      () => `Too little is done after the last fault: ${doneBy().join(", ")}.`,
    );
    load.stop();
    await settledBefore(performance.now());
    // Tasks whose parent has ended are cancelled soon after.
    let log = await readExecutions(cluster.connectionString);
    await orComplained(
      async () => {
        log = await readExecutions(cluster.connectionString);
        return countOutcomes(log.executions).open === 0;
      },
      () => `Executions stay open: ${openOf(log.executions).join(", ")}`,
    );
    const accounting = { executions: log.executions, arrivals: readArrivals(cluster.ledgerFile), told: load.sent };
    const violations = judgeAccounting(accounting);
    const describe = (id: string) => console.log(describeExecution(id, log.executions, accounting.arrivals));
    for (const id of new Set(violations.flatMap(({ text }) => text.match(/exe_[0-9a-z]{26}/) ?? []).slice(0, 5)))
      describe(id);
    for (const { name, fromMs, healedMs } of happened) {
      const [slowest] = load.tookMs(fromMs, healedMs);
      if (slowest?.executionId === undefined || slowest.ms < slowMs) continue;
      console.log(`The slowest under "${name}", ${Math.round(slowest.ms)} ms:`);
      describe(slowest.executionId);
    }
    const outcomes = countOutcomes(log.executions);
    const repeats = countRepeats(log.executions, accounting.arrivals);
    const kinds = (kind: Violation["kind"]) => violations.filter((each) => each.kind === kind).length;
    return {
      complaints: [...load.complaints, ...cluster.errors()],
      violations,
      accounting,
      outcomes,
      repeats,
      maxBackMs: log.maxBackMs,
      summary: {
        store: "PostgreSQL, fsync on",
        bus: hasNats ? "three NATS servers" : "none",
        processes: "a gateway and three nodes with thirteen services each",
        hosts: isFull ? "a network namespace each" : "one machine",
        leaseMs: thirteen.limits.leaseMs,
        seconds: Math.round((performance.now() - beganMs) / 1_000),
        faults: happened.length,
        commandsAcknowledged: load.sent.filter(({ acknowledged }) => acknowledged.length > 0).length,
        answers: load.acknowledgedAtMs.length,
        ...outcomes,
        lost: kinds("lost") + kinds("missing"),
        twice: kinds("again"),
        superseded: kinds("superseded"),
        violations: violations.length,
        ...repeats,
        triesInVain: load.vain,
        serverRecoveries: cluster.database.recoveries,
        maxBackMs: Math.round(log.maxBackMs),
        events: log.events,
        byFault: measure(happened, load, log.executions),
      },
    };
  } finally {
    load.stop();
    if (load.complaints.length > 0)
      for (const name of nodeNames) console.log(name, cluster.node(name).said.slice(-3_000));
  }
}

const openOf = (executions: Executions): string[] =>
  [...executions].filter(([, steps]) => outcomeOf(steps) === undefined).map(([id]) => id);

/** What each kind of fault cost, median and worst of its rounds, in milliseconds. */
function measure(happened: readonly Happened[], load: Load, executions: Executions): Record<string, unknown> {
  const ids = processesOf(executions);
  return Object.fromEntries(
    [...new Set(happened.map(({ name }) => name))].map((name) => {
      const rounds = happened.filter((each) => each.name === name);
      const lost = rounds.flatMap(({ marks, untilMs }) => {
        const [processId] = marks.lost === undefined ? [] : (ids.get(marks.lost.pid) ?? []);
        return marks.lost === undefined || processId === undefined ? [] : [{ processId, untilMs, ...marks.lost }];
      });
      const own = new Set(rounds.flatMap(({ marks }) => Object.keys(marks.measuredMs ?? {})));
      const gaps = (answeredAtMs: readonly number[]) =>
        spreadOf(rounds.map(({ fromMs, toMs }) => longestGapMs(answeredAtMs, fromMs, toMs)));
      const measured = {
        unacknowledgedMs: gaps(load.acknowledgedAtMs),
        nothingCompletedMs: gaps(load.completedAtMs),
        slowestMs: spreadOf(rounds.map(({ fromMs, healedMs }) => load.tookMs(fromMs, healedMs)[0]?.ms ?? 0)),
        ...(lost.length > 0 && {
          routedAroundMs: spreadOf(
            lost.map(({ processId, atMs, backAtMs, untilMs }) =>
              routedAroundMs(executions, processId, atMs, backAtMs ?? untilMs),
            ),
          ),
          takenOverMs: spreadOf(lost.flatMap(({ processId, atMs }) => takeoversMs(executions, processId, atMs))),
        }),
        ...Object.fromEntries(
          [...own].map((what) => [what, spreadOf(rounds.flatMap(({ marks }) => marks.measuredMs?.[what] ?? []))]),
        ),
      };
      return [name, measured];
    }),
  );
}
