// That a run ends wholly done or wholly undone, whatever its graph, wherever it fails, and whenever processes die or stop. Random graphs of
// steps of all kinds are carried out by several simulated processes, which are killed, or stopped past their lease, at appends and effects
// drawn at random, also while they compensate and undo; runs are cancelled, undone once they have completed, and forked once they have
// ended. What came of it is held against a slow and obvious reference (`testing/reference-run.ts`), by rules (`testing/judge-run.ts`).
//
// A case is one run of one graph with one step that fails, or none, and one set of faults, and what it is forked into.
// VIABLE_REACTOR_CASES=20000 plays that many; without it 500 are played. VIABLE_REACTOR_SEED repeats a round.
import { isDeepStrictEqual } from "node:util";
import { seededRandom } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { describeEvent } from "./testing/describe-event.ts";
import type { GraphSpec } from "./testing/drawn-graph.ts";
import { DrawnGraph, graphs, maxPauses } from "./testing/drawn-graph.ts";
import { judgeRun } from "./testing/judge-run.ts";
import type { FailAt } from "./testing/outside-world.ts";
import { forkPlace, OutsideWorld, withoutRuns } from "./testing/outside-world.ts";
import type { ReferenceRun } from "./testing/reference-run.ts";
import { namesBefore, referenceRun } from "./testing/reference-run.ts";
import type { Fate, ProcessWorld } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const asked = process.env.VIABLE_REACTOR_CASES;
const cases = Number(asked ?? 500);
/** Long enough where both cores are at work: a case takes some thirty milliseconds. Who asks for a number of them waits for it. */
const maxMs = asked === undefined ? 120_000 + 300 * cases : 24 * 3_600_000;
/** Longer than any play lasts, in milliseconds of simulated time. */
const maxPlayMs = 2 * 3_600_000;
/** How often a person is asked in one play at most. */
const maxReviews = 200;

interface Play {
  readonly graph: GraphSpec;
  readonly seed: number;
  readonly failAt: FailAt | undefined;
  /** What becomes of the process at which breakpoint. */
  readonly fates: ReadonlyMap<number, Fate>;
  readonly maxLatencyMs: number;
  /** When somebody tells a run to end, and which of those that there are then. */
  readonly cancel: { readonly atMs: number; readonly which: number } | undefined;
  /** Whether it is undone once it has completed. */
  readonly isUndone: boolean;
  /** From which of its outermost steps it is forked once all that is over, and with which input: its own is 7. */
  readonly fork: { readonly which: number; readonly n: number } | undefined;
}

async function play({ graph, seed, failAt, fates, maxLatencyMs, cancel, isUndone, fork }: Play) {
  const outside = new OutsideWorld(failAt);
  const drawn = new DrawnGraph(graph, outside);
  const world = await simulateProcesses({
    seed,
    definitions: [drawn.root],
    pools: { narrow: 1 },
    doTask: outside.doTask,
    maxLatencyMs,
    fate: ({ index }) => fates.get(index) ?? "go",
    onRecorded: outside.onRecorded,
  });
  outside.graph = drawn;
  outside.world = world;
  const refer = () => referenceRun(drawn.root, { n: 7 }, outside);
  await world.settled(outside.sendBefore(refer()));
  if (cancel !== undefined)
    world.time.setTimer(() => {
      const runId = world.runIds[cancel.which % world.runIds.length];
      if (runId !== undefined) void outside.cancel(runId);
    }, cancel.atMs);
  const beganMs = world.time.now();
  const runId = await world.begin(drawn.root.name, { n: 7 }, "k");
  const problems: string[] = [];
  let reviews = 0;
  /** Until a run has ended and nobody is asked anything. */
  const untilEnded = async (runId: string) => {
    for (;;) {
      const asked = () => world.runIds.find((each) => outside.askedAbout(each) !== undefined);
      await world.playUntil(() => asked() !== undefined || world.isOver(runId), { maxMs: maxPlayMs });
      const about = asked();
      if (about === undefined) return;
      if (++reviews > maxReviews) throw new Error("a person is asked again and again");
      await outside.answer(about);
    }
  };
  let forked: { n: number; from: string; outcome: Outcome<string> } | undefined;
  let wasUndone = false;
  let lastedMs = 0;
  try {
    await untilEnded(runId);
    lastedMs = world.time.now() - beganMs;
    if (isUndone && graph.reversible && endOf(world, runId) === "run.completed") {
      wasUndone = true;
      await outside.undo(runId);
      await untilEnded(runId);
    }
    if (fork !== undefined && cameAsReferred(world, runId, refer())) {
      const { nodes } = drawn.root.graph;
      const from = nodes[fork.which % nodes.length]?.name as string;
      forked = {
        n: fork.n,
        from,
        outcome: await outcomeOf(world.fork(runId, { from, input: { n: fork.n }, key: "f" })),
      };
      if (forked.outcome.isOk) await untilEnded(forked.outcome.value);
    }
    // What a process that came back would still do wrong, it does now.
    await world.time.advance(fates.size > 0 || cancel !== undefined ? 25_000 : 6_000);
  } catch (error) {
    problems.push(String(error));
  }
  // Only now is it known what only time could decide.
  const reference = refer();
  const around = { cancelled: outside.cancelled, isParentStopped: false, isUndone: wasUndone };
  const runs = new Map([[runId, reference]]);
  if (forked !== undefined) {
    const { n, from, outcome } = forked;
    const before = namesBefore(drawn.root, from);
    problems.push(...judgeForkability(world, runId, reference, before, outcome));
    const takenOver = new Map(before.map((name) => [name, reference.outermost.get(name)]));
    if (outcome.isOk) runs.set(outcome.value, referenceRun(drawn.root, { n }, outside, forkPlace, takenOver));
  }
  const wrong = [
    ...problems,
    ...[...runs].flatMap(([each, refers]) =>
      judgeRun(world, each, refers, { ...around, isUndone: wasUndone && each === runId }),
    ),
    ...outside.check(runs),
    ...outside.wrong,
    ...(problems.length > 0 ? [] : leftOver(world)),
    ...world.processes.flatMap(({ name, problems }) => problems.map((each) => `${name}: ${each}`)),
  ];
  return { wrong, world, runId, drawn, references: [...runs.values()], reviews, lastedMs };
}

type Outcome<T> = { readonly isOk: true; readonly value: T } | { readonly isOk: false; readonly error: unknown };
const outcomeOf = <T>(promise: Promise<T>): Promise<Outcome<T>> =>
  promise.then(
    (value) => ({ isOk: true, value }),
    (error: unknown) => ({ isOk: false, error }),
  );

/** Whether all outcomes are the reference's. Where a run has stopped others are right too, and only they are known of what is taken over then. */
const cameAsReferred = (world: ProcessWorld, runId: string, { outcomes }: ReferenceRun): boolean =>
  world.history(runId).every(({ event }) => {
    if (event.type === "step.skipped") return outcomes.get(event.data.step)?.kind === "skipped";
    if (event.type !== "step.succeeded") return true;
    return isDeepStrictEqual(event.data.result ?? null, outcomes.get(event.data.step)?.result ?? null);
  });

/** A run can be forked where all that is taken over has come to something and was not undone; where it has not completed, that may be missing. */
function judgeForkability(
  world: ProcessWorld,
  runId: string,
  { outermost }: ReferenceRun,
  before: readonly string[],
  outcome: Outcome<string>,
): string[] {
  if (!outcome.isOk && (outcome.error as { code?: string }).code !== "reactor.not_forkable")
    return [String(outcome.error)];
  const history = world.history(runId).map(({ event }) => event);
  let asked: string | undefined;
  const undone = history.flatMap((event) => {
    if (event.type === "run.needs_review") asked = event.data.during === "undo" ? event.data.step : undefined;
    if (event.type === "step.undone") return [event.data.step];
    return event.type === "run.reviewed" && event.data.decision === "done" && asked !== undefined ? [asked] : [];
  });
  const isGone = before.some((name) => undone.some((step) => new RegExp(`^${name}(\\W|$)`).test(step)));
  const isMissing = before.some((name) => !outermost.has(name));
  const mayMiss = !history.some(({ type }) => type === "run.completed");
  if (outcome.isOk && (isGone || isMissing)) return ["was forked, and what stands before cannot be taken over"];
  return outcome.isOk || isGone || isMissing || mayMiss ? [] : [`could not be forked: ${outcome.error}`];
}

const endOf = (world: ProcessWorld, runId: string) => world.history(runId).at(-1)?.event.type;

/** What processes still hold when all runs have ended. */
function leftOver(world: ProcessWorld): string[] {
  return world.running.flatMap(({ name, reactors }) => {
    const { active, resting, open, waiting, pools } = reactors.stats();
    const held = {
      active,
      resting,
      open,
      waiting,
      inPool: pools.narrow?.used ?? 0,
      beforePool: pools.narrow?.waiting ?? 0,
    };
    return Object.values(held).some((count) => count > 0) ? [`${name} still holds ${JSON.stringify(held)}`] : [];
  });
}

/** Steps that can be made to fail: those that are called. */
function* callable(run: ReferenceRun): Generator<string> {
  for (const [path, { kind, by, node }] of run.outcomes)
    if (
      (node.kind === "step" || node.kind === "task") &&
      kind === "succeeded" &&
      by === undefined &&
      !isHook(node.name)
    )
      yield withoutRuns(run.place) + path;
  for (const runs of run.children.values()) for (const each of runs) yield* callable(each);
}
const isHook = (name: string): boolean => name.includes("-");

/** A play as somebody reads it who looks for what went wrong. */
const tell = (world: ProcessWorld): string =>
  world.runIds
    .flatMap((runId) => [
      runId,
      ...world.history(runId).map(({ event, version }) => `  ${version} ${describeEvent(event)}`),
    ])
    .join("\n");

test("a run ends wholly done or wholly undone, wherever it fails and whenever processes die", {
  timeout: maxMs,
}, async () => {
  const counts = { graphs: 0, cases: 0, failures: 0, kills: 0, pauses: 0, cancels: 0, forks: 0, reviews: 0, events: 0 };
  const ends: { [type: string]: number } = {};
  const one = async (each: Play) => {
    const played = await play(each);
    counts.cases += 1;
    counts.failures += each.failAt === undefined ? 0 : 1;
    for (const fate of each.fates.values()) counts[fate === "kill" ? "kills" : "pauses"] += 1;
    counts.cancels += each.cancel === undefined ? 0 : 1;
    counts.forks += played.references.length - 1;
    counts.reviews += played.reviews;
    counts.events += played.world.runIds.reduce((sum, runId) => sum + played.world.history(runId).length, 0);
    const end = endOf(played.world, played.runId) ?? "none";
    ends[end] = (ends[end] ?? 0) + 1;
    const { fates, ...rest } = each;
    if (played.wrong.length > 0)
      throw new Error(
        `After ${counts.cases} cases: ${played.wrong.join("\n")}\n${JSON.stringify({ ...rest, fates: [...fates] })}\n${tell(played.world)}`,
      );
    return played;
  };
  const property = fc.asyncProperty(graphs, fc.nat(), async (graph, seed) => {
    if (counts.cases >= cases) return;
    counts.graphs += 1;
    const random = seededRandom(seed + 1);
    const below = (max: number) => Math.floor(random.next() * max);
    const drawFork = () => ({ which: below(10), n: 7 + below(2) });
    const bare = { graph, seed, fates: new Map<number, Fate>(), cancel: undefined, isUndone: false, fork: drawFork() };
    const whole = await one({ ...bare, failAt: undefined, maxLatencyMs: 0 });
    const steps = whole.references.flatMap((each) => [...callable(each)]);
    const failures = [...new Set(steps)].flatMap((where): FailAt[] =>
      where.includes(">")
        ? [
            { where, inRuns: Number.MAX_SAFE_INTEGER },
            { where, inRuns: 1 + below(2) },
          ]
        : [{ where, inRuns: 1 }],
    );
    for (const failAt of [undefined, ...failures]) {
      // Where it is a step of the fork that fails, there must be that fork.
      const fork = failAt?.where.startsWith(">") ? bare.fork : below(2) === 0 ? drawFork() : undefined;
      const quiet = { ...bare, fork, failAt, maxLatencyMs: below(2) * 20, isUndone: below(2) === 0 };
      const { world, lastedMs } = await one(quiet);
      const points = world.points.length;
      const faults = (first: Fate, count: number) => {
        let at = below(points);
        const fates = new Map<number, Fate>([[at, first]]);
        for (let more = 1; more < count; more++) {
          at += 1 + below(Math.max(4, points / 2));
          fates.set(at, below(2) === 0 ? "kill" : "pause");
        }
        return fates;
      };
      await one({ ...quiet, fates: faults("kill", 1) });
      await one({ ...quiet, fates: faults("pause", 1) });
      await one({ ...quiet, fates: faults(below(2) === 0 ? "kill" : "pause", 2 + below(maxPauses - 1)) });
      if (below(2) === 0) {
        const cancel = { atMs: below(Math.ceil(1.2 * lastedMs) + 100), which: below(4) === 0 ? below(5) : 0 };
        await one({ ...quiet, fates: below(2) === 0 ? new Map() : faults("kill", 1), cancel });
      }
    }
  });
  const given = process.env.VIABLE_REACTOR_SEED;
  await fc.assert(property, {
    numRuns: Math.max(100, cases),
    endOnFailure: true,
    ...(given !== undefined && { seed: Number(given) }),
  });
  if (asked !== undefined) process.stdout.write(`${JSON.stringify({ ...counts, ...ends })}\n`);
  expect(counts.cases).toBeGreaterThanOrEqual(cases);
});
