import fc from "fast-check";
import { z } from "zod";
import type { ReactorDefinition } from "../definition.ts";
import { reactor } from "../reactor.ts";

const maxSteps = 10;

interface Wired {
  /** Steps before it whose results it takes, and one that it comes after though it takes nothing: numbers, taken round and round. */
  readonly takes: readonly number[];
  readonly after: readonly number[];
}

/** What a try comes to that does not succeed: it throws, leaves something half done and throws, never answers, or answers when its time is up. */
export type Trouble = "throws" | "leaves half" | "hangs" | "answers late";
/** The same of one that fails for good; `refuses` says that another try is futile. */
export type Failing = Exclude<Trouble, "answers late"> | "refuses";

export interface StepSpec extends Wired {
  readonly kind: "step";
  readonly undo: boolean;
  readonly compensate: "none" | "clears" | "answers";
  readonly where: boolean | undefined;
  readonly guard: boolean;
  /** What its first tries come to, before one succeeds. */
  readonly troubles: readonly Trouble[];
  /** What its tries come to where it is the step that fails. */
  readonly failing: Failing;
  readonly once: "no" | "asks" | "finds";
  readonly ms: number;
  /** It does at once what it does, and then takes its time to answer, whatever it is told meanwhile. */
  readonly isEffectFirst: boolean;
  /** How its undo and its compensation come off. */
  readonly clearing: "works" | "throws once" | "hangs once" | "works when retried" | "never";
  /** What a person says where it never does. */
  readonly person: "done" | "failed";
  readonly isPooled: boolean;
}
export interface TaskSpec extends Wired {
  readonly kind: "task";
  readonly troubles: readonly Trouble[];
  readonly failing: Failing;
  readonly ms: number;
}
export interface OuterSpec extends Wired {
  readonly kind: "map" | "switch" | "group" | "repeat" | "compose";
  /** Elements, turns, restarts, or which branch is taken. */
  readonly count: number;
  readonly maxConcurrency: number;
  /** Two ways of it: results or count, another branch or otherwise, hooks or none, reversible or not. */
  readonly either: boolean;
  /** A repeat has a turn too few, a switch no otherwise. */
  readonly isNarrow: boolean;
  readonly onFailure: "none" | "restart" | "answers" | "review";
  /** Of what is composed: how long it may take. */
  readonly timeoutMs: number | undefined;
  readonly inner: readonly Spec[];
  readonly other: readonly Spec[];
}
export interface SleepSpec extends Wired {
  readonly kind: "sleep";
  readonly ms: number;
}
export interface EventSpec extends Wired {
  readonly kind: "event";
  /** When what it waits for is sent; or that it has not the shape that was agreed on. */
  readonly comes: "before" | "during" | "never" | "about when its time is up" | "misshapen";
  /** One key for all runs and elements, or the run's id. */
  readonly isShared: boolean;
  readonly isLimited: boolean;
  readonly ms: number;
}
export interface ApprovalSpec extends Wired {
  readonly kind: "approval";
  readonly answer: "approved" | "rejected" | "never" | "about when its time is up";
  readonly goesOnRejected: boolean;
  readonly isLimited: boolean;
  readonly ms: number;
}
export type Spec = StepSpec | TaskSpec | OuterSpec | SleepSpec | EventSpec | ApprovalSpec;

/** A reactor that is drawn: its outermost steps, and what is said of it as a whole. */
export interface GraphSpec {
  readonly specs: readonly Spec[];
  readonly reversible: boolean;
  readonly timeoutMs: number | undefined;
  readonly maxConcurrency: number;
}

/** How long a step that may hang is waited for beyond what it takes, and how long is waited for what may not come. */
export const shortMs = 400;
/** What limits a wait whose end comes before that. */
const longMs = 3_600_000;

const often = <T>(usual: T, ...others: T[]) => fc.constantFrom(usual, usual, usual, ...others);
const wiring = { takes: fc.array(fc.nat(20), { maxLength: 2 }), after: fc.array(fc.nat(20), { maxLength: 1 }) };
const troubles = often<readonly Trouble[]>([], ["throws"], ["throws", "hangs"], ["answers late"], ["leaves half"]);
const failing = fc.constantFrom<Failing>("throws", "leaves half", "hangs", "refuses");
const runTimeoutMs = fc.constantFrom(...new Array<undefined>(6).fill(undefined), 700, 5_000);

const { node } = fc.letrec<{ node: Spec; nodes: readonly Spec[] }>((tie) => {
  const nodes = tie("nodes") as fc.Arbitrary<readonly Spec[]>;
  return {
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true, maxDepth: 3 },
      {
        weight: 5,
        arbitrary: fc.record<StepSpec>({
          kind: fc.constant("step"),
          ...wiring,
          undo: fc.boolean(),
          compensate: often("none", "clears", "answers"),
          where: often<boolean | undefined>(undefined, true, false),
          guard: often(false, false, true),
          troubles,
          failing,
          once: often<StepSpec["once"]>("no", "no", "asks", "finds"),
          ms: fc.constantFrom(0, 0, 5, 50, 2_000),
          isEffectFirst: fc.boolean(),
          clearing: often<StepSpec["clearing"]>("works", "throws once", "hangs once", "works when retried", "never"),
          person: fc.constantFrom("done", "failed"),
          isPooled: often(false, true),
        }),
      },
      {
        weight: 5,
        arbitrary: fc.record<OuterSpec>({
          kind: fc.constantFrom("map", "switch", "group", "repeat", "compose"),
          ...wiring,
          count: fc.nat(3),
          maxConcurrency: fc.integer({ min: 1, max: 3 }),
          either: fc.boolean(),
          isNarrow: often(false, false, true),
          onFailure: fc.constantFrom("none", "restart", "answers", "review"),
          timeoutMs: runTimeoutMs,
          inner: nodes,
          other: nodes,
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record<SleepSpec>({
          kind: fc.constant("sleep"),
          ...wiring,
          ms: fc.constantFrom(0, 100, 20_000),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record<EventSpec>({
          kind: fc.constant("event"),
          ...wiring,
          comes: fc.constantFrom("before", "during", "during", "never", "about when its time is up", "misshapen"),
          isShared: fc.boolean(),
          isLimited: fc.boolean(),
          ms: fc.constantFrom(0, 50, 6_000),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record<ApprovalSpec>({
          kind: fc.constant("approval"),
          ...wiring,
          answer: fc.constantFrom("approved", "approved", "rejected", "never", "about when its time is up"),
          goesOnRejected: fc.boolean(),
          isLimited: fc.boolean(),
          ms: fc.constantFrom(0, 50, 6_000),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.record<TaskSpec>({
          kind: fc.constant("task"),
          ...wiring,
          troubles,
          failing,
          ms: fc.constantFrom(0, 50, 2_000),
        }),
      },
    ),
    nodes: fc.array(tie("node") as fc.Arbitrary<Spec>, { maxLength: 3 }),
  };
});
const sizeOf = (specs: readonly Spec[]): number =>
  specs.reduce((sum, spec) => sum + 1 + ("inner" in spec ? sizeOf(spec.inner) + sizeOf(spec.other) : 0), 0);

/** Graphs of up to ten steps, of all kinds, three deep. */
export const graphs: fc.Arbitrary<GraphSpec> = fc.record<GraphSpec>({
  specs: fc
    .array(node as fc.Arbitrary<Spec>, { minLength: 1, maxLength: 6 })
    .filter((specs) => sizeOf(specs) <= maxSteps),
  reversible: fc.boolean(),
  timeoutMs: runTimeoutMs,
  maxConcurrency: fc.constantFrom(1, 2, 100),
});

/** What steps of a graph that is drawn do: the functions they are given. */
export interface DrawnFunctions {
  ofStep(name: string, spec: StepSpec): object;
  /** Of a group, before and after its steps. */
  readonly hook: (...args: never[]) => unknown;
}

/** The builder without its types, which know nothing of graphs that are drawn. */
interface Untyped {
  step(name: string, settings: object): Untyped;
  task(name: string, settings: object): Untyped;
  map(name: string, settings: object, inner: (steps: Untyped) => unknown): Untyped;
  switch(name: string, settings: object): Untyped;
  group(name: string, settings: object, inner: (steps: Untyped) => unknown): Untyped;
  repeat(name: string, settings: object, inner: (steps: Untyped) => unknown, until: (last: never) => boolean): Untyped;
  compose(name: string, child: ReactorDefinition, settings: object): Untyped;
  sleep(name: string, settings: object): Untyped;
  waitFor(name: string, settings: object): Untyped;
  approval(name: string, settings: object): Untyped;
  returns(template: (from: From) => object): unknown;
}
interface From {
  readonly input: Record<string, unknown>;
  readonly results: Record<string, unknown>;
  readonly element?: unknown;
  readonly index?: unknown;
}

/** Under what a step's event is sent where it has a key for all. */
export const sharedKeyOf = (name: string): string => `of ${name}`;
export const eventOf = (name: string): string => `${name}.came`;

/** A graph made a reactor, and what its steps are by their names. */
export class DrawnGraph {
  readonly specs = new Map<string, Spec>();
  readonly root: ReactorDefinition;
  readonly #functions: DrawnFunctions;
  #count = 0;

  constructor({ specs, ...whole }: GraphSpec, functions: DrawnFunctions) {
    this.#functions = functions;
    this.root = this.#reactor(specs, whole);
  }

  #reactor(specs: readonly Spec[], whole: Omit<GraphSpec, "specs">): ReactorDefinition {
    const name = `r${++this.#count}`;
    const input = z.strictObject({ n: z.unknown() });
    return reactor(name, { input, ...whole } as never, ((steps: Untyped) => this.#scope(steps, specs, [])) as never);
  }

  #scope(steps: Untyped, specs: readonly Spec[], around: readonly string[]): unknown {
    const beside: string[] = [];
    let said = steps;
    for (const spec of specs) {
      const name = `${spec.kind[0]}${++this.#count}`;
      this.specs.set(name, spec);
      said = this.#add(said, name, spec, [...around, ...beside], beside);
      beside.push(name);
    }
    return said.returns(({ results, index }) => ({
      ...(index !== undefined && { index }),
      ...Object.fromEntries(beside.map((name) => [name, results[name]])),
    }));
  }

  #add(steps: Untyped, name: string, spec: Spec, visible: readonly string[], beside: readonly string[]): Untyped {
    const pick = (from: readonly string[], at: readonly number[]) => [
      ...new Set(at.flatMap((each) => from[each % from.length] ?? [])),
    ];
    const takes = pick(visible, spec.takes);
    const after = pick(beside, spec.after);
    // For those that take nothing.
    const afterAll = pick(beside, [...spec.after, ...spec.takes]);
    const args = ({ input, results, element }: From) => ({
      n: input.n,
      ...(element !== undefined && { element }),
      ...Object.fromEntries(takes.map((each) => [each, results[each]])),
    });
    const inner = (specs: readonly Spec[]) => (each: Untyped) => this.#scope(each, specs, visible);
    switch (spec.kind) {
      case "step":
        return steps.step(name, { args, after, ...this.#functions.ofStep(name, spec) });
      case "task":
        return steps.task(name, { args, after, capability: "drawn.task", ...triesOf(spec) });
      case "sleep":
        return steps.sleep(name, {
          after: afterAll,
          args: () => ({ forMs: spec.ms }),
        });
      case "event":
        return steps.waitFor(name, {
          after: afterAll,
          event: eventOf(name),
          payload: z.strictObject({ word: z.string() }),
          args: () => ({
            ...((spec.isShared || spec.comes === "before") && { key: sharedKeyOf(name) }),
            ...limitOf(spec.comes, spec.isLimited),
          }),
        });
      case "approval":
        return steps.approval(name, {
          after,
          title: `May ${name} go on?`,
          args: (from: From) => ({ details: args(from), ...limitOf(spec.answer, spec.isLimited) }),
          onRejected: spec.goesOnRejected ? "continue" : "fail",
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
          ...(!spec.isNarrow && { otherwise: (each: Untyped) => this.#scope(each, [], visible) }),
        });
      case "group": {
        const { hook } = this.#functions;
        return steps.group(
          name,
          { after: afterAll, ...(spec.either && { before: hook, afterAll: hook }) },
          inner(spec.inner),
        );
      }
      case "repeat":
        return steps.repeat(
          name,
          { after: afterAll, maxTurns: spec.isNarrow ? Math.max(1, spec.count) : 4 },
          inner(spec.inner),
          (last: { index: number }) => last.index >= spec.count,
        );
      case "compose": {
        const answers = { restart: "restart", answers: { result: { instead: name } }, review: "review", none: "fail" };
        const { timeoutMs, maxConcurrency, either: reversible } = spec;
        return steps.compose(name, this.#reactor(spec.inner, { reversible, timeoutMs, maxConcurrency }), {
          args: (from: From) => ({ n: args(from) }),
          after,
          maxRestarts: Math.min(spec.count, 2),
          ...(spec.onFailure !== "none" && { onFailure: () => answers[spec.onFailure] }),
        });
      }
    }
  }
}

const limitOf = (comes: string, isLimited: boolean): { timeoutMs?: number } => {
  if (comes === "never" || comes === "about when its time is up") return { timeoutMs: shortMs };
  return isLimited ? { timeoutMs: longMs } : {};
};

/** How often it is tried and how long waited for, so that its troubles come to an end: a try more for each time that its process may be stopped. */
export function triesOf(spec: StepSpec | TaskSpec): object {
  const { troubles, failing, ms } = spec;
  const mayHang =
    [...troubles, failing].some((each) => each === "hangs" || each === "answers late") ||
    (spec.kind === "step" && spec.clearing === "hangs once");
  return {
    ...(troubles.length > 0 && { retry: { maxAttempts: troubles.length + 1 + maxPauses, baseMs: 10, maxMs: 100 } }),
    ...(mayHang && { timeoutMs: ms + shortMs }),
  };
}

/** How often a process is stopped in one play at most: its timers find that their time is up meanwhile. */
export const maxPauses = 4;
