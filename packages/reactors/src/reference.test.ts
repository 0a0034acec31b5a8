// That a run ends wholly done or wholly undone, whatever its graph, wherever it fails, and whenever processes die or stop. Random graphs are
// carried out by several simulated processes, which are killed, or stopped past their lease, at appends and effects drawn at random, also
// while they compensate and undo; what came of it is held against a slow and obvious reference (`testing/reference-run.ts`).
//
// A case is one run of one graph with one step that fails, or none, and one set of faults. VIABLE_REACTOR_CASES=20000 plays that many;
// without it 300 are played. VIABLE_REACTOR_SEED repeats a round.
import type { Context } from "@viable/kernel";
import { canonicalJson, rootContext, seededRandom, sleep } from "@viable/kernel";
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition, StepNode } from "./definition.ts";
import { reactor } from "./reactor.ts";
import type { StepContext } from "./step-context.ts";
import { describeEvent } from "./testing/describe-event.ts";
import { judgeRun } from "./testing/judge-run.ts";
import type { Behave, Behaviour, ReferenceRun } from "./testing/reference-run.ts";
import { referenceRun } from "./testing/reference-run.ts";
import type { Fate, ProcessWorld, SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const cases = Number(process.env.VIABLE_REACTOR_CASES ?? 300);
const maxSteps = 10;

// Graphs

interface StepSpec {
  readonly kind: "step";
  readonly takes: readonly number[];
  readonly after: readonly number[];
  readonly undo: boolean;
  readonly compensate: "none" | "clears" | "answers";
  readonly where: boolean | undefined;
  readonly guard: boolean;
  /** How often it fails before it succeeds. */
  readonly failsFirst: number;
  readonly once: "no" | "asks" | "finds";
  readonly ms: number;
  readonly undoFails: boolean;
  readonly isPooled: boolean;
}
interface OuterSpec {
  readonly kind: "map" | "switch" | "group" | "repeat" | "compose";
  readonly takes: readonly number[];
  readonly after: readonly number[];
  /** Elements, turns, restarts, or which branch is taken. */
  readonly count: number;
  readonly maxConcurrency: number;
  /** Two ways of it: results or count, another branch or otherwise, hooks or none, reversible or not. */
  readonly either: boolean;
  readonly onFailure: "none" | "restart" | "answers";
  readonly inner: readonly Spec[];
  readonly other: readonly Spec[];
}
interface SleepSpec {
  readonly kind: "sleep";
  readonly takes: readonly number[];
  readonly after: readonly number[];
  readonly ms: number;
}
type Spec = StepSpec | OuterSpec | SleepSpec;

const often = <T>(usual: T, ...others: T[]) => fc.constantFrom(usual, usual, usual, ...others);
const wiring = { takes: fc.array(fc.nat(20), { maxLength: 2 }), after: fc.array(fc.nat(20), { maxLength: 1 }) };
const { node } = fc.letrec<{ node: Spec; nodes: readonly Spec[] }>((tie) => ({
  node: fc.oneof(
    { depthSize: "small", withCrossShrink: true, maxDepth: 3 },
    fc.record<StepSpec>({
      kind: fc.constant("step"),
      ...wiring,
      undo: fc.boolean(),
      compensate: often("none", "clears", "answers"),
      where: often<boolean | undefined>(undefined, true, false),
      guard: often(false, false, true),
      failsFirst: often(0, 0, 1, 2),
      once: often<StepSpec["once"]>("no", "no", "asks", "finds"),
      ms: fc.constantFrom(0, 0, 5, 50, 2_000),
      undoFails: often(false, true),
      isPooled: often(false, true),
    }),
    fc.record<OuterSpec>({
      kind: fc.constantFrom("map", "switch", "group", "repeat", "compose"),
      ...wiring,
      count: fc.nat(3),
      maxConcurrency: fc.integer({ min: 1, max: 3 }),
      either: fc.boolean(),
      onFailure: fc.constantFrom("none", "restart", "answers"),
      inner: tie("nodes") as fc.Arbitrary<readonly Spec[]>,
      other: tie("nodes") as fc.Arbitrary<readonly Spec[]>,
    }),
    fc.record<SleepSpec>({ kind: fc.constant("sleep"), ...wiring, ms: fc.constantFrom(0, 100, 20_000) }),
  ),
  nodes: fc.array(tie("node") as fc.Arbitrary<Spec>, { maxLength: 3 }),
}));
const sizeOf = (specs: readonly Spec[]): number =>
  specs.reduce((sum, spec) => sum + 1 + ("inner" in spec ? sizeOf(spec.inner) + sizeOf(spec.other) : 0), 0);
const graphs = fc
  .array(node as fc.Arbitrary<Spec>, { minLength: 1, maxLength: 6 })
  .filter((specs) => sizeOf(specs) <= maxSteps);

/** The builder without its types, which know nothing of graphs that are drawn. */
interface Untyped {
  step(name: string, settings: object): Untyped;
  map(name: string, settings: object, inner: (steps: Untyped) => unknown): Untyped;
  switch(name: string, settings: object): Untyped;
  group(name: string, settings: object, inner: (steps: Untyped) => unknown): Untyped;
  repeat(name: string, settings: object, inner: (steps: Untyped) => unknown, until: (last: never) => boolean): Untyped;
  compose(name: string, child: ReactorDefinition, settings: object): Untyped;
  sleep(name: string, settings: object): Untyped;
  returns(template: (from: From) => object): unknown;
}
interface From {
  readonly input: Record<string, unknown>;
  readonly results: Record<string, unknown>;
  readonly element?: unknown;
  readonly index?: unknown;
}

/** A graph made a reactor, and what its steps are by their names. */
class Drawn {
  readonly specs = new Map<string, StepSpec>();
  readonly root: ReactorDefinition;
  readonly #world: Outside;
  #count = 0;

  constructor(specs: readonly Spec[], world: Outside) {
    this.#world = world;
    this.root = this.#reactor(specs, false);
  }

  #reactor(specs: readonly Spec[], reversible: boolean): ReactorDefinition {
    const name = `r${++this.#count}`;
    const input = z.strictObject({ n: z.unknown() });
    return reactor(name, { input, reversible }, ((steps: Untyped) => this.#scope(steps, specs, [])) as never);
  }

  #scope(steps: Untyped, specs: readonly Spec[], around: readonly string[]): unknown {
    const beside: string[] = [];
    let said = steps;
    for (const spec of specs) {
      const name = `${spec.kind[0]}${++this.#count}`;
      const visible = [...around, ...beside];
      const takes = [...new Set(spec.takes.map((at) => visible[at % visible.length]))].filter(
        (each) => each !== undefined,
      );
      const after = spec.after.map((at) => beside[at % beside.length]).filter((each) => each !== undefined);
      said = this.#add(said, name, spec, takes, after, visible);
      beside.push(name);
    }
    return said.returns(({ results, index }) => ({
      ...(index !== undefined && { index }),
      ...Object.fromEntries(beside.map((name) => [name, results[name]])),
    }));
  }

  #add(
    steps: Untyped,
    name: string,
    spec: Spec,
    takes: readonly string[],
    after: readonly string[],
    visible: readonly string[],
  ): Untyped {
    const args = ({ input, results, element }: From) => ({
      n: input.n,
      ...(element !== undefined && { element }),
      ...Object.fromEntries(takes.map((each) => [each, results[each]])),
    });
    const inner = (specs: readonly Spec[]) => (each: Untyped) => this.#scope(each, specs, visible);
    switch (spec.kind) {
      case "step":
        this.specs.set(name, spec);
        return steps.step(name, { args, after, ...this.#world.functionsOf(name, spec) });
      case "sleep":
        return steps.sleep(name, {
          after: [...after, ...takes.filter((each) => !visible.includes(each))],
          args: () => ({ forMs: spec.ms }),
        });
      case "map":
        return steps.map(
          name,
          {
            after,
            over: (from: From) => Array.from({ length: spec.count }, (_, at) => ({ at, ...args(from) })),
            maxConcurrency: spec.maxConcurrency,
            ...(spec.either && { ordered: false, collect: "count" }),
          },
          inner(spec.inner),
        );
      case "switch":
        return steps.switch(name, {
          args,
          after,
          branches: {
            one: { when: () => spec.count === 1, steps: inner(spec.inner) },
            two: { when: () => spec.count > 1, steps: inner(spec.other) },
          },
          otherwise: (each: Untyped) => this.#scope(each, [], visible),
        });
      case "group": {
        const hook = (ctx: StepContext) => this.#world.hook(ctx);
        const hooks = spec.either ? { before: hook, afterAll: hook } : {};
        return steps.group(name, { after, ...hooks }, inner(spec.inner));
      }
      case "repeat":
        return steps.repeat(
          name,
          { after, maxTurns: 4 },
          inner(spec.inner),
          (last: { index: number }) => last.index >= spec.count,
        );
      case "compose": {
        const answers = { restart: "restart", answers: { result: { instead: name } }, none: "fail" };
        return steps.compose(name, this.#reactor(spec.inner, spec.either), {
          args: (from: From) => ({ n: args(from) }),
          after,
          maxRestarts: Math.min(spec.count, 2),
          ...(spec.onFailure !== "none" && { onFailure: () => answers[spec.onFailure] }),
        });
      }
    }
  }
}

// What is outside

/** A step that fails: always, or in the first of several runs that a step composes. */
interface FailAt {
  readonly where: string;
  readonly when: "always" | "first run";
}

const wordFor = (name: string, args: unknown): string => {
  let hash = 0x811c9dc5;
  for (const char of canonicalJson({ name, args } as never))
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return `${name}-${hash.toString(36)}`;
};
const fails = (place: string, path: string, failAt: FailAt | undefined): boolean =>
  failAt !== undefined &&
  `${place.replaceAll(/#[0-9]+>/g, ">")}${path}` === failAt.where &&
  (failAt.when === "always" || !/#[2-9]>/.test(place));

/** What steps do outside, by their keys: as whoever honours them, it does what was done once, and not what was undone. */
class Outside {
  readonly done = new Map<string, { state: "done" | "half" | "undone"; readonly result?: unknown }>();
  readonly wrong: string[] = [];
  failAt: FailAt | undefined;
  world: ProcessWorld | undefined;

  /** The paths of the steps that a run is composed by. */
  placeOf(runId: string): string {
    const first = this.world?.history(runId)[0]?.event;
    const parent = first?.type === "run.started" ? first.data.parent : undefined;
    if (parent === undefined) return "";
    for (const { event } of this.world?.history(parent.runId) ?? [])
      if (event.type === "step.waiting" && event.data.wait.for === "run" && event.data.wait.runId === runId)
        return `${this.placeOf(parent.runId)}${parent.step}#${event.data.wait.attempt}>`;
    throw new Error(`${runId} is composed by nobody`);
  }

  /** What a group does before and after its steps. */
  hook(ctx: StepContext): unknown {
    return this.#do(ctx.idempotencyKey, ctx.step.split("/").at(-1));
  }

  #do(key: string, result: unknown): unknown {
    const { state } = this.done.get(key) ?? {};
    if (state !== "undone") this.done.set(key, { state: "done", result });
    return result;
  }

  functionsOf(name: string, spec: StepSpec): object {
    const work = async ({ runtime, signal }: StepContext, ms: number) => {
      const ctx: Context = rootContext(runtime, { signal });
      if (ms > 0) await sleep(ctx, ms);
      signal.throwIfAborted();
    };
    const undo = async (ctx: StepContext, ms: number, isFailing: boolean) => {
      await work(ctx, ms);
      if (isFailing && ctx.attempt === 1) throw new Error(`${name} cannot be undone yet`);
      this.done.set(ctx.idempotencyKey, { state: "undone" });
    };
    return {
      run: async (ctx: StepContext, args: unknown) => {
        await work(ctx, spec.ms);
        if (ctx.attempt <= spec.failsFirst) throw new Error(`${name} fails at first`);
        if (fails(this.placeOf(ctx.runId), ctx.step, this.failAt)) {
          // It leaves something half done where it can put that right.
          if (spec.compensate !== "none" && this.done.get(ctx.idempotencyKey)?.state !== "undone")
            this.done.set(ctx.idempotencyKey, { state: "half" });
          throw new Error(`${name} fails`);
        }
        return this.#do(ctx.idempotencyKey, wordFor(name, args));
      },
      ...(spec.failsFirst > 0 && { retry: { maxAttempts: spec.failsFirst + 1, baseMs: 10, maxMs: 100 } }),
      ...(spec.where !== undefined && { where: () => spec.where }),
      ...(spec.guard && { guard: () => ({ result: `${name} by guard` }) }),
      ...(spec.compensate !== "none" && {
        compensate: async (ctx: StepContext) => {
          await undo(ctx, spec.ms, spec.undoFails);
          return spec.compensate === "answers" ? { result: `${name} instead` } : undefined;
        },
      }),
      ...(spec.undo && {
        undo: async (ctx: StepContext, { result, args }: { result: unknown; args: unknown }) => {
          if (result !== wordFor(name, args))
            this.wrong.push(`${ctx.step} is undone with ${JSON.stringify({ result, args })}`);
          await undo(ctx, spec.ms, spec.undoFails);
        },
      }),
      ...(spec.once !== "no" && { idempotent: false }),
      ...(spec.once === "finds" && {
        findOutcome: (ctx: StepContext) => {
          const found = this.done.get(ctx.idempotencyKey);
          return found?.state === "done" ? { result: found.result } : undefined;
        },
      }),
      ...(spec.isPooled && spec.once === "no" && { pool: "narrow" }),
    };
  }

  /** Whatever was done stands where it was recorded and kept, and nowhere else where something could have taken it back. */
  check(runId: string, reference: ReferenceRun): string[] {
    const history = this.world?.history(runId) ?? [];
    const isDone = history.at(-1)?.event.type === "run.completed";
    const wrong: string[] = [];
    for (const [path, { node }] of reference.outcomes) {
      if (node.kind !== "step") continue;
      const success = history.find(({ event }) => event.type === "step.succeeded" && event.data.step === path)?.event;
      const ran = success?.type === "step.succeeded" && (success.data.by === undefined || success.data.by === "review");
      const { state } = this.done.get(`${runId}/${path}`) ?? {};
      const mayStay = ran && (isDone || node.undo === undefined);
      if (mayStay && state !== "done") wrong.push(`${path} is ${state} outside, and succeeded`);
      if (!mayStay && (node.undo ?? node.compensate) !== undefined && (state === "done" || state === "half"))
        wrong.push(`${path} is ${state} outside, and should not be`);
    }
    for (const { event } of history)
      if (event.type === "step.waiting" && event.data.wait.for === "run") {
        const child = reference.children.get(event.data.step)?.[event.data.wait.attempt - 1];
        if (child !== undefined) wrong.push(...this.check(event.data.wait.runId, child));
      }
    return wrong.map((each) => `${reference.place}${each}`);
  }
}

/** What a step comes to, as the reference asks. */
const behaviourOf =
  (drawn: Drawn, failAt: FailAt | undefined): Behave =>
  (place: string, path: string, node: StepNode, args: unknown): Behaviour => {
    const spec = drawn.specs.get(node.name);
    if (spec === undefined) return { kind: "succeeds", result: node.name };
    if (spec.guard) return { kind: "succeeds", result: `${node.name} by guard`, by: "guard" };
    if (!fails(place, path, failAt)) return { kind: "succeeds", result: wordFor(node.name, args) };
    if (spec.compensate === "answers") return { kind: "succeeds", result: `${node.name} instead`, by: "compensation" };
    return { kind: "fails" };
  };

/** Steps that can be made to fail: those that are called. */
function* callable(drawn: Drawn, run: ReferenceRun): Generator<FailAt> {
  const place = run.place.replaceAll(/#[0-9]+>/g, ">");
  for (const [path, { kind, by, node }] of run.outcomes) {
    if (!drawn.specs.has(node.name) || kind !== "succeeded" || by !== undefined) continue;
    yield { where: place + path, when: "always" };
    if (place !== "") yield { where: place + path, when: "first run" };
  }
  for (const runs of run.children.values()) for (const each of runs) yield* callable(drawn, each);
}

// Playing

interface Play {
  readonly specs: readonly Spec[];
  readonly seed: number;
  readonly failAt: FailAt | undefined;
  /** What becomes of the process at which breakpoint. */
  readonly fates: ReadonlyMap<number, Fate>;
  readonly maxLatencyMs: number;
  readonly cancelAtMs: number | undefined;
}

async function play({ specs, seed, failAt, fates, maxLatencyMs, cancelAtMs }: Play) {
  const outside = new Outside();
  const drawn = new Drawn(specs, outside);
  outside.failAt = failAt;
  const reference = referenceRun(drawn.root, { n: 7 }, behaviourOf(drawn, failAt));
  const world = await simulateProcesses({
    seed,
    definitions: [drawn.root],
    pools: { narrow: 1 },
    maxLatencyMs,
    fate: ({ index }) => fates.get(index) ?? "go",
  });
  outside.world = world;
  let runId = "";
  if (cancelAtMs !== undefined)
    world.time.setTimer(() => {
      const [process] = world.running as readonly (SimulatedProcess | undefined)[];
      if (runId !== "") process?.reactors.cancel(process.ctx, runId, "enough").catch(() => undefined);
    }, cancelAtMs);
  runId = await world.begin(drawn.root.name, { n: 7 }, "k");
  const standing = () => world.runIds.find((each) => standsFor(world, each) !== undefined);
  const isEnded = () => world.isOver(runId) && standing() === undefined;
  let reviews = 0;
  const problems: string[] = [];
  try {
    for (;;) {
      await world.playUntil(() => isEnded() || standing() !== undefined, { maxMs: 3_600_000 });
      const asked = standing();
      if (asked === undefined) break;
      if (++reviews > 200) throw new Error("a person is asked again and again");
      await review(world, outside, asked);
    }
    // What a process that came back would still do wrong, it does now.
    await world.time.advance(fates.size > 0 || cancelAtMs !== undefined ? 25_000 : 6_000);
  } catch (error) {
    problems.push(String(error));
  }
  const wrong = [
    ...problems,
    ...judgeRun(world, runId, reference, { mayBeCancelled: cancelAtMs !== undefined, isUndone: false }),
    ...outside.check(runId, reference),
    ...outside.wrong,
    ...world.processes.flatMap(({ name, problems }) => problems.map((each) => `${name}: ${each}`)),
  ];
  return { wrong, world, runId, drawn, reference, reviews };
}

/** What a person is asked about a run, if anything. */
function standsFor(world: ProcessWorld, runId: string) {
  const last = world
    .history(runId)
    .findLast(({ event }) => event.type === "run.needs_review" || event.type === "run.reviewed");
  return last?.event.type === "run.needs_review" ? last.event.data : undefined;
}

/** A person looks at what is outside, and says so. */
async function review(world: ProcessWorld, outside: Outside, runId: string): Promise<void> {
  const asked = standsFor(world, runId);
  const process = world.running[0] ?? (await world.start());
  if (asked === undefined) return;
  const found = outside.done.get(`${runId}/${asked.step}`);
  const isDone = asked.during === "run" && found?.state === "done";
  const decision = isDone
    ? { decision: "done" as const, result: found?.result as never }
    : { decision: "retry" as const };
  await world.settledUnless(process.reactors.review(process.ctx, runId, decision), () => process.state !== "running");
}

/** A play as somebody reads it who looks for what went wrong. */
const tell = (played: Awaited<ReturnType<typeof play>>): string =>
  played.world.runIds
    .flatMap((runId) => [
      runId,
      ...played.world.history(runId).map(({ event, version }) => `  ${version} ${describeEvent(event)}`),
    ])
    .join("\n");

test("a run ends wholly done or wholly undone, wherever it fails and whenever processes die", {
  timeout: 24 * 3_600_000,
}, async () => {
  const counts = {
    graphs: 0,
    cases: 0,
    failures: 0,
    kills: 0,
    pauses: 0,
    cancels: 0,
    reviews: 0,
    completed: 0,
    events: 0,
  };
  const one = async (each: Play) => {
    const played = await play(each);
    counts.cases += 1;
    counts.failures += each.failAt === undefined ? 0 : 1;
    for (const fate of each.fates.values()) counts[fate === "kill" ? "kills" : "pauses"] += 1;
    counts.cancels += each.cancelAtMs === undefined ? 0 : 1;
    counts.reviews += played.reviews;
    counts.events += played.world.runIds.reduce((sum, runId) => sum + played.world.history(runId).length, 0);
    if (played.world.history(played.runId).at(-1)?.event.type === "run.completed") counts.completed += 1;
    const { specs: _, fates, ...rest } = each;
    if (played.wrong.length > 0)
      throw new Error(`${played.wrong.join("\n")}\n${JSON.stringify({ ...rest, fates: [...fates] })}\n${tell(played)}`);
    return played;
  };
  const property = fc.asyncProperty(graphs, fc.nat(), async (specs, seed) => {
    if (counts.cases >= cases) return;
    counts.graphs += 1;
    const random = seededRandom(seed + 1);
    const below = (max: number) => Math.floor(random.next() * max);
    const whole = await one({
      specs,
      seed,
      failAt: undefined,
      fates: new Map(),
      maxLatencyMs: 0,
      cancelAtMs: undefined,
    });
    for (const failAt of [undefined, ...callable(whole.drawn, whole.reference)]) {
      const quiet = {
        specs,
        seed,
        failAt,
        fates: new Map<number, Fate>(),
        maxLatencyMs: below(2) * 20,
        cancelAtMs: undefined,
      };
      const { world } = await one(quiet);
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
      await one({ ...quiet, fates: faults(below(2) === 0 ? "kill" : "pause", 2 + below(3)) });
      if (below(3) === 0)
        await one({ ...quiet, fates: below(2) === 0 ? new Map() : faults("kill", 1), cancelAtMs: below(4_000) });
    }
  });
  const given = process.env.VIABLE_REACTOR_SEED;
  await fc.assert(property, {
    numRuns: Math.max(100, cases),
    endOnFailure: true,
    ...(given !== undefined && { seed: Number(given) }),
  });
  if (process.env.VIABLE_REACTOR_CASES !== undefined) process.stdout.write(`${JSON.stringify(counts)}\n`);
  expect(counts.cases).toBeGreaterThanOrEqual(cases);
});
