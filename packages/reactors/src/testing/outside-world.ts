import type { Context, JsonValue, Runtime } from "@viable/kernel";
import { canonicalJson, rootContext, sleep, ViableError } from "@viable/kernel";
import type { ReviewDecision, RunEvent, RunEventData } from "@viable/protocol";
import type { NodeDefinition, StepNode } from "../definition.ts";
import type { TaskRequest } from "../do-task.ts";
import { isEnding } from "../read-run.ts";
import type { StepContext } from "../step-context.ts";
import type { ApprovalSpec, DrawnFunctions, DrawnGraph, EventSpec, Failing, StepSpec, Trouble } from "./drawn-graph.ts";
import { eventOf, sharedKeyOf, shortMs, triesOf } from "./drawn-graph.ts";
import type { Recorded } from "./record-runs.ts";
import type { Outside, ReferenceRun } from "./reference-run.ts";
import type { ProcessWorld, SimulatedProcess } from "./simulate-processes.ts";

/** A step that fails, in the first so many of the runs that are composed one after the other. */
export interface FailAt {
  readonly where: string;
  readonly inRuns: number;
}

/** What was done under a key: all of it, a part of it, or all of it and then the contrary. */
type State = "done" | "half" | "undone";

/** How often somebody outside asks again who gets no answer, and how long they wait in between, in milliseconds. */
const insistence = { times: 1_000, everyMs: 500 };

const wordFor = (name: string, args: unknown): string => {
  let hash = 0x811c9dc5;
  for (const char of canonicalJson({ name, args } as never))
    hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  return `${name}-${hash.toString(36)}`;
};
const isAnswer = (trouble: Trouble | Failing): boolean => trouble !== "hangs" && trouble !== "answers late";
const nameOf = (path: string): string => path.slice(path.lastIndexOf("/") + 1);
/** Where a fork stands: it is the second run of the outermost reactor. */
export const forkPlace = "#2>";
export const withoutRuns = (place: string): string => place.replaceAll(/#[0-9]+>/g, ">");

/**
 * What is outside of the runs of a drawn graph: where its steps have their effects, who has its tasks done, who sends what it waits
 * for, decides what it asks for, and looks where it needs a person. It knows its effects by their keys: as whoever honours them, it does what
 * was done once, and not what was undone.
 */
export class OutsideWorld implements Outside, DrawnFunctions {
  readonly wrong: string[] = [];
  readonly failAt: FailAt | undefined;
  graph!: DrawnGraph;
  world!: ProcessWorld;
  readonly #effects = new Map<string, { readonly state: State; readonly result?: JsonValue }>();
  /** The highest token that was seen with a key: whoever comes with a lower one was stopped, and does not know it. */
  readonly #tokens = new Map<string, number>();
  /** Effects that a person has left as they were. */
  readonly #left = new Set<string>();
  /** Steps that a person has had done again, by their keys. */
  readonly #retried = new Set<string>();
  /** How often what must not be done twice was begun, by its key. */
  readonly #begun = new Map<string, number>();
  /** Calls of what must not be done twice that have not answered, nor was anybody asked about them since; and whose they are. */
  readonly #unanswered = new Map<string, number>();
  /** What tasks came to, or will, by their keys. */
  readonly #tasks = new Map<string, Promise<JsonValue>>();
  /** Steps in their pool at this moment, by their process's runtime. */
  readonly #inPool = new Map<Runtime, number>();
  /** How many events were sent before any run waited for them, by the step they are for. */
  readonly #sentBefore = new Map<string, number>();
  /** Runs that somebody outside has told to end. */
  readonly cancelled = new Set<string>();

  constructor(failAt: FailAt | undefined) {
    this.failAt = failAt;
  }

  // Where runs stand among each other

  /** The paths of the steps that a run is composed by, each with the number of its run. */
  placeOf(runId: string): string {
    const first = this.world.history(runId)[0]?.event;
    const { parent, forkedFrom } = first?.type === "run.started" ? first.data : {};
    if (parent === undefined) return forkedFrom === undefined ? "" : forkPlace;
    return `${this.placeOf(parent.runId)}${parent.step}#${this.#numberOf(runId, parent.runId)}>`;
  }

  #numberOf(runId: string, parentId: string): number {
    for (const { event } of this.world.history(parentId))
      if (event.type === "step.waiting" && event.data.wait.for === "run" && event.data.wait.runId === runId)
        return event.data.wait.attempt;
    throw new Error(`${runId} is composed by nobody`);
  }

  #runAt(place: string): string | undefined {
    return this.world.runIds.find((runId) => this.placeOf(runId) === place);
  }

  #fails(place: string, path: string): boolean {
    const { failAt } = this;
    if (failAt === undefined || withoutRuns(place) + path !== failAt.where) return false;
    return [...place.matchAll(/#([0-9]+)>/g)].every(([, number]) => Number(number) <= failAt.inRuns);
  }

  // What the reference asks

  step(place: string, path: string, { name }: StepNode, args: unknown): ReturnType<Outside["step"]> {
    const spec = this.graph.specs.get(name);
    if (spec?.kind !== "step") return { result: name };
    if (spec.guard) return { result: `${name} by guard`, by: "guard" };
    if (!this.#fails(place, path)) return { result: wordFor(name, args) };
    const isSaved = spec.compensate === "answers" && spec.clearing !== "never";
    return isSaved ? { result: `${name} instead`, by: "compensation" } : undefined;
  }

  task(place: string, path: string, name: string, args: unknown): { result: unknown } | undefined {
    return this.#fails(place, path) ? undefined : { result: wordFor(name, args) };
  }

  event(place: string, path: string, name: string): { result: unknown } | undefined {
    const { comes } = this.graph.specs.get(name) as EventSpec;
    const result = { word: name };
    if (comes !== "about when its time is up") return comes === "before" || comes === "during" ? { result } : undefined;
    return this.#outcomeAt(place, path)?.type === "step.succeeded" ? { result } : undefined;
  }

  approval(place: string, path: string, name: string): ReturnType<Outside["approval"]> {
    const { answer } = this.graph.specs.get(name) as ApprovalSpec;
    const by = "system";
    if (answer === "approved" || answer === "rejected") return { decision: answer, by, reason: name };
    const isDecided = answer !== "never" && this.#outcomeAt(place, path)?.type === "approval.decided";
    return isDecided ? { decision: "approved", by, reason: name } : undefined;
  }

  /** What only time could decide, as it was recorded. */
  #outcomeAt(place: string, path: string): RunEvent | undefined {
    const history = this.world.history(this.#runAt(place) ?? "");
    const asked = history.find(({ event }) => event.type === "step.waiting" && event.data.step === path)?.event;
    const wait = asked?.type === "step.waiting" ? asked.data.wait : undefined;
    return history.find(
      ({ event }) =>
        (event.type === "step.succeeded" && event.data.step === path) ||
        (event.type === "approval.decided" && wait?.for === "approval" && wait.approvalId === event.data.approvalId),
    )?.event;
  }

  isStopped(place: string): boolean {
    const runId = this.#runAt(place);
    if (runId === undefined) return false;
    return this.world
      .history(runId)
      .some(
        ({ event }) =>
          event.type === "run.gave_up" || (event.type === "run.cancel_requested" && event.data.reason === "enough"),
      );
  }

  review(path: string, number: number): ReturnType<Outside["review"]> {
    const spec = this.graph.specs.get(nameOf(path));
    if (number === 1) return "retry";
    return spec?.kind === "compose" && spec.isNarrow ? "failed" : { result: { reviewed: nameOf(path) } };
  }

  // What steps do

  /** What a group does before and after its steps. */
  readonly hook = (ctx: StepContext): unknown => this.#do(ctx, nameOf(ctx.step));

  #do(ctx: StepContext, result: JsonValue): JsonValue {
    if (this.#admit(ctx)?.state !== "undone") this.#effects.set(ctx.idempotencyKey, { state: "done", result });
    return result;
  }

  /** What there is under a key, for whoever has not been overtaken. */
  #admit({
    idempotencyKey,
    fencingToken,
  }: StepContext): { readonly state: State; readonly result?: JsonValue } | undefined {
    const seen = this.#tokens.get(idempotencyKey) ?? 0;
    if (fencingToken < seen)
      throw new Error(`${idempotencyKey} is asked for with the token ${fencingToken} after ${seen}`);
    this.#tokens.set(idempotencyKey, fencingToken);
    return this.#effects.get(idempotencyKey);
  }

  ofStep(name: string, spec: StepSpec): object {
    const { compensate, undo, once, guard, where } = spec;
    return {
      ...triesOf(spec),
      run: (ctx: StepContext, args: unknown) => this.#watched("run", ctx, spec, () => this.#run(ctx, name, spec, args)),
      ...(where !== undefined && { where: () => where }),
      ...(guard && { guard: () => ({ result: `${name} by guard` }) }),
      ...(compensate !== "none" && {
        compensate: async (ctx: StepContext) => {
          await this.#watched("compensate", ctx, spec, () => this.#clear("compensate", ctx, spec));
          return compensate === "answers" ? { result: `${name} instead` } : undefined;
        },
      }),
      ...(undo && {
        undo: async (ctx: StepContext, { result, args }: { result: unknown; args: unknown }) => {
          // What its guard found may have been done before a crash.
          const isFound = guard && result === `${name} by guard`;
          if (result !== wordFor(name, args) && !isFound)
            this.wrong.push(`${ctx.step} is undone with ${JSON.stringify({ result, args })}`);
          await this.#watched("undo", ctx, spec, () => this.#clear("undo", ctx, spec));
        },
      }),
      ...(once !== "no" && { idempotent: false }),
      ...(once === "finds" && {
        findOutcome: (ctx: StepContext) => {
          this.#unanswered.delete(`run ${ctx.idempotencyKey}`);
          const found = this.#admit(ctx);
          if (found?.state === "half") throw new Error(`${name} is half done`);
          return found?.state === "done" ? { result: found.result } : undefined;
        },
      }),
      ...(spec.isPooled && { pool: "narrow" }),
    };
  }

  /** Notes where what must not be done twice is begun while nobody knows what came of it before, and where a pool has too many in it. */
  async #watched<T>(role: string, ctx: StepContext, spec: StepSpec, run: () => Promise<T>): Promise<T> {
    const call = `${role} ${ctx.idempotencyKey}`;
    if (spec.once !== "no") {
      // What another process has begun it found out after, or the other one was stopped, and begins it when it may not any more.
      if (this.#unanswered.get(call) === ctx.fencingToken)
        this.wrong.push(`${call} was begun, and what came of it before is not known`);
      this.#unanswered.set(call, ctx.fencingToken);
      this.#begun.set(call, (this.#begun.get(call) ?? 0) + 1);
    }
    // One that may still go on when its time is up has left its place by then.
    const isInTime = role === "run" ? [...spec.troubles, spec.failing].every(isAnswer) : spec.clearing !== "hangs once";
    const isCounted = spec.isPooled && isInTime;
    const inside = (this.#inPool.get(ctx.runtime) ?? 0) + 1;
    if (isCounted) this.#inPool.set(ctx.runtime, inside);
    if (isCounted && inside > 1) this.wrong.push(`${call} is one of ${inside} in a pool for one`);
    try {
      return await run();
    } finally {
      this.#unanswered.delete(call);
      if (isCounted) this.#inPool.set(ctx.runtime, (this.#inPool.get(ctx.runtime) ?? 1) - 1);
    }
  }

  async #run(ctx: StepContext, name: string, spec: StepSpec, args: unknown): Promise<unknown> {
    const key = ctx.idempotencyKey;
    const tries = spec.once === "no" ? ctx.attempt : (this.#begun.get(`run ${key}`) ?? 1);
    const isFailing = this.#fails(this.placeOf(ctx.runId), ctx.step);
    const trouble = isFailing ? spec.failing : spec.troubles[tries - 1];
    // What is told is heard at the end of a wait, and what was done first is not taken back by it.
    const listening: Context = rootContext(ctx.runtime, { signal: ctx.signal });
    const deaf: Context = rootContext(ctx.runtime);
    if (trouble === undefined && spec.isEffectFirst) {
      const result = this.#do(ctx, wordFor(name, args));
      await sleep(deaf, spec.ms);
      return result;
    }
    await sleep(listening, spec.ms);
    if (trouble === undefined) return this.#do(ctx, wordFor(name, args));
    // Whoever cannot put it right leaves nothing half done.
    const mayLeave = trouble === "leaves half" && spec.compensate !== "none";
    if (mayLeave && this.#admit(ctx) === undefined) this.#effects.set(key, { state: "half" });
    return await this.#comeTo(trouble, deaf, name);
  }

  async #comeTo(trouble: Trouble | Failing, ctx: Context, name: string): Promise<string> {
    if (trouble === "hangs") return await new Promise<never>(() => {});
    if (trouble === "answers late") {
      await sleep(ctx, 2 * shortMs);
      return "too late";
    }
    if (trouble === "refuses") throw new ViableError("drawn.refused", `${name} fails, and would again.`);
    throw new Error(`${name} fails`);
  }

  /** Takes back what was done, wholly or in part. */
  async #clear(role: "compensate" | "undo", ctx: StepContext, spec: StepSpec): Promise<void> {
    const key = ctx.idempotencyKey;
    const { clearing } = spec;
    await sleep(rootContext(ctx.runtime, { signal: ctx.signal }), spec.ms);
    if (clearing === "hangs once" && ctx.attempt === 1 && !this.#retried.has(`${role} ${key}`))
      await new Promise<never>(() => {});
    const isFailing =
      clearing === "never" ||
      (clearing === "throws once" && ctx.attempt === 1) ||
      (clearing === "works when retried" && !this.#retried.has(`${role} ${key}`));
    this.#admit(ctx);
    if (isFailing) throw new Error(`${ctx.step} cannot be cleared up after`);
    this.#effects.set(key, { state: "undone" });
  }

  // Who has tasks done

  /** An agent does a task once for each key, wherever the process is that asked for it. */
  readonly doTask = (_ctx: Context, { runId, step, attempt, key, args }: TaskRequest): Promise<unknown> => {
    const name = nameOf(step);
    const spec = this.graph.specs.get(name);
    if (spec?.kind !== "task") throw new Error(`${step} is no task`);
    const isFailing = this.#fails(this.placeOf(runId), step);
    const trouble = isFailing ? spec.failing : spec.troubles[attempt - 1];
    const work = async (): Promise<JsonValue> => {
      await this.#rest(spec.ms);
      if (trouble === "hangs" || trouble === "answers late") return await new Promise<never>(() => {});
      if (trouble === "refuses") throw new ViableError("drawn.refused", `${name} fails, and would again.`);
      if (trouble !== undefined) throw new Error(`${name} fails`);
      return wordFor(name, args);
    };
    const done = this.#tasks.get(key) ?? work();
    this.#tasks.set(key, done);
    done.catch(() => undefined);
    return done;
  };

  #rest(ms: number): Promise<void> {
    return new Promise((resolve) => void this.world.time.setTimer(resolve, ms));
  }

  // Who sends, and who decides

  /** What is sent before any run waits for it: as often as the reference says that a run takes it. */
  async sendBefore(reference: ReferenceRun): Promise<void> {
    for (const [name, spec] of this.graph.specs) {
      if (spec.kind !== "event" || spec.comes !== "before") continue;
      const most = mostOf(reference, name);
      this.#sentBefore.set(name, most);
      for (let number = 1; number <= most; number++) await this.#send(name, sharedKeyOf(name), number);
    }
  }

  async #send(name: string, key: string, number: number | string, runId?: string): Promise<void> {
    const { comes } = this.graph.specs.get(name) as EventSpec;
    const payload = comes === "misshapen" ? { word: 5 } : { word: name };
    const id = `${name} ${key} ${number}`;
    await this.#insist(runId, async ({ reactors, ctx }) => {
      await reactors.send(ctx, eventOf(name), key, payload, { id });
      return true;
    });
  }

  /** Something became durable: whoever it concerns outside answers it in their time. */
  readonly onRecorded = (runId: string, { event, version }: Recorded): void => {
    if (event.type !== "step.waiting") return;
    const { step, wait } = event.data;
    const name = nameOf(step);
    const spec = this.graph.specs.get(name);
    if (spec?.kind === "event" && wait.for === "event") {
      const isThere = spec.comes === "before" && this.#waitsOf(runId, name) <= (this.#sentBefore.get(name) ?? 0);
      if (spec.comes === "never" || isThere) return;
      const inMs = spec.comes === "about when its time is up" ? this.#about(shortMs) : spec.ms;
      void this.#rest(inMs).then(() => this.#send(name, wait.key, `${runId} ${version}`, runId));
    }
    if (spec?.kind === "approval" && wait.for === "approval" && spec.answer !== "never") {
      const inMs = spec.answer === "about when its time is up" ? this.#about(shortMs) : spec.ms;
      const decision = spec.answer === "rejected" ? "rejected" : "approved";
      const decide = ({ reactors, ctx }: SimulatedProcess) =>
        reactors.decide(ctx, wait.approvalId, { decision, reason: name }).then(({ ok }) => ok);
      const isOver = (each: RunEvent) =>
        (each.type === "approval.decided" && each.data.approvalId === wait.approvalId) ||
        (each.type === "step.failed" && each.data.step === step);
      void this.#rest(inMs).then(() => this.#insist(runId, decide, isOver));
    }
  };

  /** How often a run has begun to wait for what is sent to the steps of that name. */
  #waitsOf(runId: string, name: string): number {
    return this.world
      .history(runId)
      .filter(({ event }) => event.type === "step.waiting" && nameOf(event.data.step) === name).length;
  }

  /** A little before or after, as chance has it. */
  #about(ms: number): number {
    return ms - 60 + (this.world.points.length % 13) * 10;
  }

  /** Tells a run to end. */
  async cancel(runId: string): Promise<void> {
    this.cancelled.add(runId);
    await this.#insist(runId, ({ reactors, ctx }) => reactors.cancel(ctx, runId, "enough").then(() => true));
  }

  /** Has a run undone that has completed. */
  async undo(runId: string): Promise<void> {
    await this.#persist(({ reactors, ctx }) => reactors.undo(ctx, runId, "enough"));
  }

  /** Asks one process after the other until one answers, and moves time on meanwhile. */
  async #persist(ask: (process: SimulatedProcess) => Promise<unknown>): Promise<void> {
    for (;;) {
      const process = this.world.running[0] ?? (await this.world.start());
      const answer = await this.world.settledUnless(ask(process), () => process.state !== "running");
      if (answer !== undefined) return;
    }
  }

  /** The same while time is moved on by others, until one answers that it is done or it matters to nobody any more. */
  async #insist(
    runId: string | undefined,
    ask: (process: SimulatedProcess) => Promise<boolean>,
    isOver: (event: RunEvent) => boolean = () => false,
  ): Promise<void> {
    const history = this.world.history(runId ?? "");
    const from = history.length;
    const isDone = () => history.slice(from).some(({ event }) => isOver(event) || isEnding(event));
    for (let times = 0; times < insistence.times && !isDone(); times++) {
      const process = this.world.running[times % Math.max(1, this.world.running.length)];
      if (process === undefined) {
        await this.#rest(insistence.everyMs);
        continue;
      }
      let answer: boolean | undefined;
      ask(process).then(
        (done) => {
          answer = done;
        },
        () => {
          answer = false;
        },
      );
      while (answer === undefined && process.state === "running") await this.#rest(insistence.everyMs / 10);
      if (answer === true) return;
      await this.#rest(insistence.everyMs);
    }
  }

  // The person who is asked

  /** What a person is asked about a run, if anything. */
  askedAbout(runId: string): RunEventData<"run.needs_review"> | undefined {
    const last = this.world
      .history(runId)
      .findLast(({ event }) => event.type === "run.needs_review" || event.type === "run.reviewed");
    return last?.event.type === "run.needs_review" ? last.event.data : undefined;
  }

  /** A person looks at what is outside, and says how the run goes on. */
  async answer(runId: string): Promise<void> {
    const asked = this.askedAbout(runId);
    if (asked === undefined) return;
    const { during, step } = asked;
    const key = `${runId}/${step}`;
    const decision = this.#decide(runId, asked);
    this.#unanswered.delete(`${during} ${key}`);
    if (decision.decision === "retry") this.#retried.add(`${during} ${key}`);
    else if (during !== "run" && decision.decision === "done") this.#effects.set(key, { state: "undone" });
    else if (during !== "run") this.#left.add(key);
    await this.#persist(({ reactors, ctx }) => reactors.review(ctx, runId, decision));
  }

  #decide(
    runId: string,
    { step, during }: RunEventData<"run.needs_review">,
  ): { decision: ReviewDecision; result?: JsonValue } {
    const key = `${runId}/${step}`;
    const found = this.#effects.get(key);
    const spec = this.graph.specs.get(nameOf(step));
    if (spec?.kind === "compose") {
      const answer = this.review(step, this.#runsOf(runId, step));
      return typeof answer === "string"
        ? { decision: answer }
        : { decision: "done", result: answer.result as JsonValue };
    }
    if (during === "run") {
      if (found?.state === "done") return { decision: "done", result: found.result as JsonValue };
      const isFutile = this.#retried.has(`run ${key}`) && this.#fails(this.placeOf(runId), step);
      return { decision: isFutile ? "failed" : "retry" };
    }
    if (during === "undo" && found?.state === "undone") return { decision: "done" };
    if (spec?.kind === "step" && spec.clearing === "never") return { decision: spec.person };
    return { decision: "retry" };
  }

  /** How many runs a step has composed. */
  #runsOf(runId: string, step: string): number {
    return this.world
      .history(runId)
      .filter(({ event }) => event.type === "step.waiting" && event.data.step === step && event.data.wait.for === "run")
      .length;
  }

  // What is left

  /**
   * Whatever was done stands where it was recorded and kept, and nowhere else where something could have taken it back. What the references
   * of all outermost runs know nothing of was never done, nor again what was taken over.
   */
  check(runs: ReadonlyMap<string, ReferenceRun>): string[] {
    const known = new Set<string>();
    const wrong = [...runs].flatMap(([runId, reference]) => this.#checkRun(runId, reference, known));
    for (const [key, { state }] of this.#effects)
      if (!known.has(key)) wrong.push(`${key} is ${state} outside, and may not have begun`);
    return wrong;
  }

  /** Adds the keys of all that may have begun. */
  #checkRun(runId: string, reference: ReferenceRun, known: Set<string>): string[] {
    const history = this.world.history(runId);
    const isDone = history.at(-1)?.event.type === "run.completed";
    const wrong: string[] = [];
    for (const [path, { node, by }] of reference.outcomes) {
      if (node.kind !== "step" || by === "fork") continue;
      const key = `${runId}/${path}`;
      known.add(key);
      const success = history.find(({ event }) => event.type === "step.succeeded" && event.data.step === path)?.event;
      const ran = success?.type === "step.succeeded" && (success.data.by === undefined || success.data.by === "review");
      const { state } = this.#effects.get(key) ?? {};
      const mayStay = ran && (isDone || node.undo === undefined || this.#left.has(key));
      if (mayStay && state !== "done") wrong.push(`${path} is ${state} outside, and succeeded`);
      if (mayStay || this.#left.has(key)) continue;
      if (canClear(node) && (state === "done" || state === "half"))
        wrong.push(`${path} is ${state} outside, and should not be`);
    }
    const inPlace = wrong.map((each) => `${reference.place}${each}`);
    for (const { event } of history)
      if (event.type === "step.waiting" && event.data.wait.for === "run") {
        const child = reference.children.get(event.data.step)?.[event.data.wait.attempt - 1];
        if (child !== undefined) inPlace.push(...this.#checkRun(event.data.wait.runId, child, known));
      }
    return inPlace;
  }
}

const canClear = (node: NodeDefinition): boolean =>
  node.kind === "step" && (node.undo ?? node.compensate) !== undefined;

/** How many steps of that name the run has that has most of them. */
function mostOf(run: ReferenceRun, name: string): number {
  const own = [...run.outcomes.values()].filter(({ node }) => node.name === name).length;
  const others = [...run.children.values()].flat().map((child) => mostOf(child, name));
  return Math.max(own, ...others);
}
