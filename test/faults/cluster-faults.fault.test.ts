/**
 * A system of several processes under faults, with constant load: a gateway and three nodes, each with all thirteen services of the reference
 * system, started by the documented command and sharing nothing but a PostgreSQL server with `fsync` on. Every agent does one thing in a
 * process outside, which writes each arrival down. The log, that ledger and what clients were answered are held against each other
 * (`cluster/check-accounting.ts`): what was acknowledged is there, what was accepted has one outcome with a reason, what was completed was done
 * outside once, and by whoever had the claim. At the end the same accounting must fail where one task is taken out of that log.
 * Short form: a kill, a stop past the lease and a restart of the server, all on this machine. The long form
 * (`npm run test:faults -- cluster-faults --full`) needs Linux and root: there each process has a network of its own, and partitions, losses,
 * delays, half-open connections, wrong clocks, leaving and joining come on top.
 */
import { setTimeout as pause } from "node:timers/promises";
import { seededRandom } from "@viable/kernel";
import { expect, test } from "vitest";
import type { Accounting, Violation } from "./cluster/check-accounting.ts";
import { judgeAccounting, outcomeOf, parentOf, processesOf } from "./cluster/check-accounting.ts";
import { Cluster, nodeNames, until } from "./cluster/cluster.ts";
import type { Fault, FaultMarks } from "./cluster/faults.ts";
import { faults } from "./cluster/faults.ts";
import { whyNoNamespaces } from "./cluster/host-network.ts";
import { Load } from "./cluster/load.ts";
import {
  countOutcomes,
  countRepeats,
  longestGapMs,
  routedAroundMs,
  spreadOf,
  takeoversMs,
} from "./cluster/measure-faults.ts";
import { hasFakeTime } from "./cluster/node-process.ts";
import { readArrivals, readExecutions } from "./cluster/read-accounting.ts";
import { isFull, keepResult, sayReplay, seed } from "./log/result-file.ts";

/** Commands a second; with what they ask of each other, half as many tasks more. */
const perSecond = 12;
/** How long it goes on in peace before and between faults, in milliseconds. */
const peaceMs = isFull ? 2_000 : 1_000;
/** How many commands each process must complete after the last fault. */
const minAfterwards = 3;
/** From how many milliseconds on an event that was handed in before one that stands before it shows a clock that is off. */
const maxBackMs = 60_000;

const story: readonly { readonly fault: Fault; readonly round: number }[] = faults
  .filter(({ name }) => process.env.G_ONLY === undefined || new RegExp(process.env.G_ONLY).test(name))
  .flatMap((fault) => {
    const rounds = isFull ? fault.rounds : fault.isShort ? 1 : 0;
    return Array.from({ length: rounds }, (_, round) => ({ fault, round }));
  });

/** A fault as it was, on both clocks: that of this process, which never jumps, and the machine's, which the log goes by. */
interface Happened {
  readonly name: string;
  readonly marks: FaultMarks;
  readonly fromMs: number;
  readonly toMs: number;
  readonly untilMs: number;
}

const some = (violations: readonly Violation[]): readonly string[] =>
  violations.slice(0, 20).map(({ kind, text }) => `${kind}: ${text}`);

test(`${story.length} faults of a system of four processes`, { timeout: 120_000 + story.length * 90_000 }, async () => {
  if (isFull) {
    expect(whyNoNamespaces()).toBeUndefined();
    expect(hasFakeTime(), "Debian: apt-get install faketime").toBe(true);
  }
  sayReplay("cluster-faults");
  const beganMs = performance.now();
  const random = seededRandom(seed);
  await using cluster = await Cluster.start({ random: seededRandom(seed + 1), isSeparate: isFull });
  const load = new Load({ client: cluster.client(), random: seededRandom(seed + 2), perSecond, maxOpen: 400 });
  await load.start();
  const settled = (beforeMs: number) =>
    until(
      () => load.complaints.length > 0 || load.isSettledBefore(beforeMs),
      () => `Not all that was sent has an outcome: ${load.open} are open; ${JSON.stringify(load.vain)}`,
    );
  const happened: Happened[] = [];
  try {
    await until(
      () => load.completedAtMs.length > 20,
      () => `Nothing is done: ${JSON.stringify(load.vain)}`,
    );
    for (const { fault, round } of story) {
      await pause(peaceMs * (0.5 + random.next()));
      const fromMs = performance.now();
      const marks = await fault.befall({ cluster, random, round });
      const healedMs = performance.now();
      await settled(healedMs);
      const toMs = performance.now();
      happened.push({ name: fault.name, marks, fromMs, toMs, untilMs: Date.now() });
      if (isFull)
        console.log(
          `${fault.name} ${round + 1}: ${Math.round(healedMs - fromMs)} ms, settled ${Math.round(toMs - healedMs)} ms later`,
        );
      if (load.complaints.length > 0) break;
    }
    const sinceMs = performance.now();
    const doneBy = () => nodeNames.map((name) => load.completedBy(cluster.node(name).pid, sinceMs));
    // A system that answers with one node of three has not healed.
    await until(
      () => load.complaints.length > 0 || doneBy().every((count) => count >= minAfterwards),
      () => `Too little is done after the last fault: ${doneBy().join(", ")}.`,
    );
    load.stop();
    await settled(performance.now());

    // Tasks whose parent has ended are cancelled soon after.
    let log = await readExecutions(cluster.connectionString);
    await until(
      async () => {
        log = await readExecutions(cluster.connectionString);
        return load.complaints.length > 0 || countOutcomes(log.executions).open === 0;
      },
      () =>
        `Executions stay open: ${[...log.executions].filter(([, steps]) => outcomeOf(steps) === undefined).map(([id]) => id)}`,
    );
    const { executions } = log;
    const arrivals = readArrivals(cluster.ledgerFile);
    const accounting: Accounting = { executions, arrivals, told: load.sent };
    const violations = judgeAccounting(accounting);
    const outcomes = countOutcomes(executions);
    const repeats = countRepeats(executions, arrivals);
    const kinds = (kind: Violation["kind"]) => violations.filter((each) => each.kind === kind).length;
    const byPid = processesOf(executions);
    const lostOf = ({ marks }: Happened) => {
      const [processId] = marks.lost === undefined ? [] : (byPid.get(marks.lost.pid) ?? []);
      return processId === undefined || marks.lost === undefined ? undefined : { processId, atMs: marks.lost.atMs };
    };
    const byFault = Object.fromEntries(
      [...new Set(happened.map(({ name }) => name))].map((name) => {
        const rounds = happened.filter((each) => each.name === name);
        const lost = rounds.flatMap((each) => {
          const found = lostOf(each);
          return found === undefined ? [] : [{ ...found, untilMs: each.untilMs }];
        });
        const takeovers = lost.flatMap(({ processId, atMs }) => takeoversMs(executions, processId, atMs));
        const measured = [...new Set(rounds.flatMap(({ marks }) => Object.keys(marks.measuredMs ?? {})))].map(
          (what) => [what, spreadOf(rounds.flatMap(({ marks }) => marks.measuredMs?.[what] ?? []))],
        );
        return [
          name,
          {
            unacknowledgedMs: spreadOf(
              rounds.map(({ fromMs, toMs }) => longestGapMs(load.acknowledgedAtMs, fromMs, toMs)),
            ),
            nothingCompletedMs: spreadOf(
              rounds.map(({ fromMs, toMs }) => longestGapMs(load.completedAtMs, fromMs, toMs)),
            ),
            slowestMs: spreadOf(rounds.map(({ fromMs, toMs }) => Math.max(0, ...load.tookMs(fromMs, toMs)))),
            ...(lost.length > 0 && {
              routedAroundMs: spreadOf(
                lost.map(({ processId, atMs, untilMs }) => routedAroundMs(executions, processId, atMs, untilMs)),
              ),
              takenOverMs: spreadOf(takeovers),
            }),
            ...Object.fromEntries(measured),
          },
        ];
      }),
    );
    keepResult("cluster-faults", {
      store: "PostgreSQL, fsync on",
      processes: "a gateway and three nodes with thirteen services each",
      hosts: isFull ? "a network namespace each" : "one machine",
      leaseMs: 10_000,
      seconds: Math.round((performance.now() - beganMs) / 1_000),
      commandsAcknowledged: load.sent.filter(({ acknowledged }) => acknowledged.length > 0).length,
      answers: load.acknowledgedAtMs.length,
      ...outcomes,
      lost: kinds("lost") + kinds("missing"),
      twice: kinds("again"),
      superseded: kinds("superseded"),
      violations: violations.length,
      ...repeats,
      triesInVain: load.vain,
      errorsSaid: cluster.errors().slice(0, 20),
      serverRecoveries: cluster.database.recoveries,
      maxBackMs: log.maxBackMs,
      events: log.events,
      byFault,
    });
    expect(load.complaints).toEqual([]);
    expect(some(violations)).toEqual([]);
    expect(outcomes.accepted).toBe(outcomes.completed + outcomes.failed + outcomes.cancelled + outcomes.timedOut);
    expect(log.maxBackMs, "an event was handed in by a clock that was off").toBeLessThan(maxBackMs);

    // Each fault left its mark, or nothing was shown.
    expect(outcomes.accepted).toBeGreaterThan(story.length * 20);
    expect(outcomes.delegated, "nothing was delegated").toBeGreaterThan(10);
    for (const each of ["failed", "cancelled", "timedOut"] as const) expect(outcomes[each], each).toBeGreaterThan(0);
    expect(repeats.takenOver + repeats.takenUp, "nobody took over anything").toBeGreaterThan(0);
    // The same, with what it must not let pass.
    for (const [what, changed, kind] of defectsOf(accounting))
      expect(
        judgeAccounting(changed).map((each) => each.kind),
        what,
      ).toContain(kind);
  } finally {
    load.stop();
    if (load.complaints.length > 0)
      for (const name of nodeNames) console.log(name, cluster.node(name).said.slice(-3_000));
  }
});

/** This run's own log and ledger, each with one thing wrong. */
function* defectsOf(accounting: Accounting): Generator<readonly [string, Accounting, Violation["kind"]]> {
  const { executions, arrivals } = accounting;
  const root = [...executions].find(([, steps]) => parentOf(steps) === undefined)?.[0] as string;
  const child = [...executions].find(([, steps]) => parentOf(steps) !== undefined)?.[0] as string;
  const without = (id: string) => new Map([...executions].filter(([each]) => each !== id));
  yield ["a task taken out of the log", { ...accounting, executions: without(root) }, "lost"];
  yield ["a delegated task taken out of the log", { ...accounting, executions: without(child) }, "lost"];
  const [first] = arrivals.filter(({ outcome }) => outcome === "counted");
  yield [
    "an arrival taken out of the ledger",
    { ...accounting, arrivals: arrivals.filter((each) => each !== first) },
    "missing",
  ];
  if (first !== undefined)
    yield [
      "an effect that counts twice",
      { ...accounting, arrivals: [...arrivals, { ...first, nr: arrivals.length + 1 }] },
      "again",
    ];
  const [last] = accounting.told.slice(-1);
  if (last !== undefined)
    yield [
      "an answer that names no task",
      { ...accounting, told: [...accounting.told, { ...last, key: "k0", acknowledged: ["exe_0"] }] },
      "lost",
    ];
}
