import type { Context, Part, Timer } from "@viable/kernel";
import { rootContext, TransientMap, toWire, waitFor } from "@viable/kernel";
import type { LogPage } from "@viable/log";
import { mayPass } from "@viable/log";
import type { Claim, RunEvent } from "@viable/protocol";
import type { DriverPorts, News } from "./driver/run-driver.ts";
import { RunDriver } from "./driver/run-driver.ts";
import type { OpenRun } from "./open-run.ts";
import type { OpenRuns } from "./open-runs.ts";
import { createOpenRuns } from "./open-runs.ts";
import type { Progress } from "./progress.ts";
import type { RunEnding } from "./read-run.ts";
import { RunLoader } from "./run-loader.ts";
import type { ProcessParts } from "./run-ports.ts";
import { createRunPorts } from "./run-ports.ts";
import type { TakenRun, TakePorts } from "./take-run.ts";
import { isFree, parkRun, takeRun } from "./take-run.ts";
import { WakeUps } from "./wake-ups.ts";

/** How many runs are carried on at the same time in one process: each holds its state in memory. Others wait for their turn. */
const maxActiveRuns = 10_000;
/** How many that rest are kept in memory, so that a short wait costs no reading. */
const maxResting = 1_000;
/** How often runs are looked through for those that nobody carries on, in milliseconds: word of a gone process may not have come. */
const sweepEveryMs = 5_000;
/** How many runs are looked at in one turn of the loop: some 2 ms. */
const seenAtOnce = 2_000;
/** Of how many runs it is told that they cannot be read here: after another release had the database it may be all of them. */
const maxToldUnreadable = 20;

export interface CarrierSettings extends ProcessParts {
  /** Whether runs are carried on here at all. */
  readonly takesRuns: boolean;
  /** A run has ended, here or elsewhere. */
  onEnded(runId: string, ending: RunEnding): void;
  onProblem(message: string): void;
}

/**
 * Takes runs that nobody carries on, and hands them to drivers.
 *
 * A run is taken here where its claim is this process's, or nobody's, or one's that is gone or has parked it, and something of it goes on, is
 * due or was heard of.
 *
 * States of an open run, here: let be (another's, or nothing of it is due) → waiting (to be read) → loading → driven ⇄ resting
 *                              resting → let be (forgotten: others need the room) · driven → ended | lost (the claim is another's)
 *                              loading, driven → unfit (it cannot be made sense of here: it is parked, and not tried again)
 */
export class RunCarrier implements Part {
  /** All runs without an outcome, of every process. */
  readonly open: OpenRuns;
  readonly #settings: CarrierSettings;
  readonly #ports: DriverPorts;
  readonly #takePorts: TakePorts;
  readonly #drivers = new TransientMap<string, RunDriver>();
  /** Of those, which nothing goes on in; the longest first. */
  readonly #resting = new Set<RunDriver>();
  readonly #loader: RunLoader;
  /** Open runs that this process could not make sense of, and why: it does not try again, but to park them. */
  readonly #unfit = new Map<string, string>();
  /** Open runs that this process had and gave up: what of them was under way has no outcome, and only a new claim tells it from what was not. */
  readonly #givenUp = new Set<string>();
  #toldUnreadable = 0;
  /** Begun by this process just now: their driver is made when the append is answered. */
  readonly #beginning = new Set<string>();
  readonly #wakeUps: WakeUps;
  #sweepTimer: Timer | undefined;
  #isSweeping = false;
  /** Somebody is gone since they began to be looked through, or it is time again. */
  #isSweepWanted = false;
  #stopGone: () => void = () => {};
  #state: "idle" | "running" | "stopped" = "idle";

  constructor(settings: CarrierSettings) {
    this.#settings = settings;
    this.open = createOpenRuns(settings.log, {
      changed: (run, event) => this.#changed(run, event),
      ended: (run, ending) => this.#ended(run, ending),
      unreadable: (run, isOver) => this.#unreadable(run, isOver),
      received: (tenant, event, key) => {
        for (const run of this.open.awaiting(tenant, event, key)) this.#tell(run, { event, key });
      },
      problem: (message) => settings.onProblem(message),
    });
    this.#wakeUps = new WakeUps(settings.runtime, (runId) => this.#due(runId));
    this.#loader = new RunLoader({
      ...settings,
      get: (runId) => this.open.get(runId),
      room: () => maxActiveRuns - this.#active,
      load: (run, first) => this.#take(run, first).catch((error: unknown) => this.#cannotGoOn(run, error)),
      changed: (run) => this.#hearAgain(run),
    });
    this.#ports = {
      ...createRunPorts(settings, (attempt) => this.claim(attempt)),
      wakeAt: (runId, atMs) => this.#schedule(runId, atMs),
      rest: (driver) => this.#rest(driver),
      leave: (driver, how) => this.#leave(driver, how),
      failed: (driver, error) => this.#failed(driver, error),
    };
    this.#takePorts = { ...settings, claim: (attempt) => this.claim(attempt) };
  }

  async start(ctx: Context): Promise<void> {
    this.#state = "running";
    this.#stopGone = this.#settings.membership.onGone(() => void this.#sweep());
    await this.open.start(ctx);
    void this.#sweep();
    this.#sweepAgain();
  }

  /** Begins no step more, waits for those that run within the context, and ends them where they take longer. */
  async stop(ctx: Context): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "stopped";
    this.#stopGone();
    this.#sweepTimer?.cancel();
    this.#wakeUps.stop();
    this.#loader.stop();
    const drivers = [...this.#drivers.values()];
    const halted = Promise.all(drivers.map((driver) => driver.halt()));
    await waitFor(ctx, halted).catch(() => undefined);
    for (const driver of drivers) driver.abandon("this process stops");
    this.#drivers.clear();
    await this.open.stop(ctx);
  }

  /** Runs that are carried on here, that rest here, and that wait to be read. */
  stats(): { readonly active: number; readonly resting: number; readonly waiting: number } {
    return { active: this.#active, resting: this.#resting.size, waiting: this.#loader.waiting };
  }

  /** Whether a run of this context's tenant is carried on here. */
  isCarried(ctx: Context, runId: string): boolean {
    return this.#drivers.get(runId)?.ctx.tenant === ctx.tenant;
  }

  /** A run of this context's tenant that rests here, as the log has it unless somebody else has just written. */
  restingHere(ctx: Context, runId: string): Progress | undefined {
    const driver = this.#drivers.get(runId);
    if (driver === undefined || driver.ctx.tenant !== ctx.tenant) return undefined;
    return this.#resting.has(driver) ? driver.progress : undefined;
  }

  // Runs that begin here

  /** This process's claim, where it can take more. */
  claim(attempt: number): Claim | undefined {
    const { processId, epoch, canClaim } = this.#settings.membership;
    if (!canClaim || this.#active >= maxActiveRuns || !this.#takesRuns) return undefined;
    return { processId, epoch, attempt };
  }

  /** While a run's first events are appended, it is nobody's to take here that hears of it. */
  async whileBeginning<T>(runId: string, append: () => Promise<T>): Promise<T> {
    this.#beginning.add(runId);
    try {
      return await append();
    } finally {
      this.#beginning.delete(runId);
    }
  }

  /** Carries a run on that has begun under this claim, for as long as that holds. */
  driveBegun({ runtime, tenant, principal, traceparent }: Context, progress: Progress, claim: Claim): void {
    if (this.#state !== "running") return;
    const ctx = rootContext(runtime, { tenant, principal, traceparent });
    this.#drive({ ctx, progress, claim, leftBehind: new Set() });
  }

  // What is heard of

  #changed(run: OpenRun, event: RunEvent): void {
    if (this.#beginning.has(run.runId)) return;
    const driver = this.#drivers.get(run.runId);
    if (driver !== undefined) this.#tellNews(driver, run);
    // Somebody else carries it on, or will: its claim says who.
    else if (event.type !== "run.claimed") this.#consider(run);
  }

  #ended(run: OpenRun, ending: RunEnding): void {
    this.#close(run.runId);
    this.#drivers.get(run.runId)?.news(run.version);
    this.#settings.onEnded(run.runId, ending);
    this.#tellParent(run);
  }

  /** Whoever drives it finds out as soon as it reads the run anew, and gives it up. */
  #unreadable(run: OpenRun, isOver: boolean): void {
    const { runId, version, unreadable } = run;
    this.#toldUnreadable += 1;
    if (this.#toldUnreadable <= maxToldUnreadable)
      this.#settings.onProblem(`${runId}: It is left alone here, since ${unreadable?.reason}.`);
    else if (this.#toldUnreadable === maxToldUnreadable + 1)
      this.#settings.onProblem("There are more runs that cannot be read here; where runs are listed, each says why.");
    this.#drivers.get(runId)?.news(version);
    if (!isOver) return;
    this.#close(runId);
    this.#tellParent(run);
  }

  /** It is open no more: nothing is kept of it. */
  #close(runId: string): void {
    this.#unfit.delete(runId);
    this.#givenUp.delete(runId);
    this.#wakeUps.remove(runId);
  }

  #tellParent({ runId, parentId }: OpenRun): void {
    const parent = parentId === undefined ? undefined : this.open.get(parentId);
    if (parent !== undefined) this.#tell(parent, { runId });
  }

  /** What a run waits for has happened. */
  #tell(run: OpenRun, news: News): void {
    const driver = this.#drivers.get(run.runId);
    this.open.disturb(run);
    if (driver === undefined) {
      this.#consider(run);
      return;
    }
    this.#resting.delete(driver);
    this.#moveOn(driver, () => driver.heardOf(news));
  }

  #tellNews(driver: RunDriver, run: OpenRun): void {
    if (driver.news(run.version)) this.#resting.delete(driver);
  }

  /** What came while it was loaded may have been missed. */
  #hearAgain(run: OpenRun): void {
    const driver = this.#drivers.get(run.runId);
    if (driver === undefined) this.#consider(run);
    else this.#tellNews(driver, run);
  }

  // What falls due

  #schedule(runId: string, atMs: number): void {
    const nextMs = this.#wakeUps.add(runId, atMs);
    const run = this.open.get(runId);
    if (run !== undefined) run.scheduledMs = nextMs;
  }

  #due(runId: string): void {
    const run = this.open.get(runId);
    if (run !== undefined) run.scheduledMs = undefined;
    const driver = this.#drivers.get(runId);
    if (driver !== undefined) {
      this.#resting.delete(driver);
      this.#moveOn(driver, () => driver.due());
      const { idleUntilMs } = driver;
      if (this.#drivers.has(runId) && idleUntilMs !== null) this.#schedule(runId, idleUntilMs);
    } else if (run !== undefined) {
      const reason = this.#unfit.get(runId);
      if (reason === undefined) this.#consider(run);
      else void this.#park(run, reason);
    }
  }

  /** Looks for runs that nobody carries on; where that is under way, once more when it is over. */
  async #sweep(): Promise<void> {
    const { membership } = this.#settings;
    for (const driver of [...this.#drivers.values()])
      if (!membership.canClaim || membership.epoch !== driver.epoch) driver.lose("its process was held for gone");
    this.#isSweepWanted = true;
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      while (this.#isSweepWanted) {
        this.#isSweepWanted = false;
        await this.#lookThrough();
      }
    } finally {
      this.#isSweeping = false;
    }
  }

  /** Some in each turn of the loop: to look at 100,000 takes a tenth of a second, which nothing that wakes meanwhile is to wait for. */
  async #lookThrough(): Promise<void> {
    const { membership, runtime } = this.#settings;
    let seen = 0;
    for (const run of this.open.all()) {
      if (!this.#takesRuns || !membership.canClaim) return;
      this.#look(run, runtime.clock.now());
      seen += 1;
      if (seen % seenAtOnce === 0) await runtime.clock.nextTurn();
    }
  }

  /** Has a run carried on, or looked at again when something of it is due. */
  #look(run: OpenRun, now: number): void {
    const { runId, idle, standing } = run;
    const isForNobody = !this.#isDefined(run) && this.#isAlone;
    // First, since nearly all of many are asleep: the rest takes a hundred times as long.
    if (isAsleep(run, now) && !isForNobody) return;
    if (this.#drivers.has(runId) || this.#beginning.has(runId) || this.#loader.isWaiting(runId)) return;
    if (standing === "needs_review" || !isFree(this.#settings.membership, run)) return;
    const isDue = idle === undefined || standing === "parked" || (idle !== null && idle <= now);
    // Where nobody could do it once something is due, that is said now.
    if (isDue || isForNobody) this.#consider(run);
    else if (idle !== null) this.#schedule(runId, idle);
  }

  #sweepAgain(): void {
    const again = () => void this.#sweep().then(() => this.#sweepAgain());
    if (this.#state === "running")
      this.#sweepTimer = this.#settings.runtime.clock.setTimer(again, sweepEveryMs, { background: true });
  }

  // Which runs are carried on here

  get #takesRuns(): boolean {
    return this.#state === "running" && this.#settings.takesRuns;
  }

  get #active(): number {
    return this.#drivers.size - this.#resting.size;
  }

  /** Reads a run and carries it on, where that is this process's to do and it does not do it. */
  #consider(run: OpenRun): void {
    const { membership } = this.#settings;
    if (!this.#takesRuns || this.#drivers.has(run.runId)) return;
    if (!isFree(membership, run) || run.standing === "needs_review") return;
    if (run.unreadable !== undefined || this.#unfit.has(run.runId)) return;
    if (run.standing === "parked" && !this.#isDefined(run)) return;
    this.#loader.add(run.runId);
  }

  /** Whether no other process is alive that may have what is not here. */
  get #isAlone(): boolean {
    const { membership } = this.#settings;
    return membership.members().every(({ id }) => id === membership.processId);
  }

  /** Whether the definition that it began with is here. */
  #isDefined({ reactor, hash }: OpenRun): boolean {
    return this.#settings.definitions.byHash(reactor, hash) !== undefined;
  }

  async #take(run: OpenRun, first: LogPage): Promise<void> {
    const { runId, tenant } = run;
    const { runtime } = this.#settings;
    const taken = await takeRun(this.#takePorts, run, first, this.#givenUp.has(runId));
    if (taken.kind === "taken" || taken.kind === "left") this.#givenUp.delete(runId);
    switch (taken.kind) {
      case "taken":
        if (this.#state === "running" && !this.#drivers.has(runId)) this.#drive(taken);
        return;
      case "ended":
        this.open.heard(taken.last);
        return;
      case "later":
        this.#schedule(runId, runtime.clock.now() + (taken.afterMs ?? sweepEveryMs));
        return;
      case "held_back":
        // So that it is not read at each sweep until then.
        run.idle = taken.untilMs;
        this.#schedule(runId, taken.untilMs);
        return;
      case "unknown_definition":
        await parkRun(rootContext(runtime, { tenant }), this.#settings, run, taken.reason);
        return;
    }
  }

  /** Under the epoch of its claim: where the process has another by now, the driver loses the run at once. */
  #drive({ ctx, progress, claim, leftBehind }: TakenRun): void {
    const driver = new RunDriver(ctx, this.#ports, progress, { epoch: claim.epoch, leftBehind });
    this.#drivers.set(progress.runId, driver);
    this.#moveOn(driver, () => driver.start());
  }

  /** Has a driver go on. What that throws costs its run, and nobody who told of what it goes on for. */
  #moveOn(driver: RunDriver, move: () => void): void {
    try {
      move();
    } catch (error) {
      this.#failed(driver, error);
    }
  }

  /** A run that could not be read, or whose driver gave up: it is looked at again where that may pass, and parked where it does not. */
  async #cannotGoOn(run: OpenRun, error: unknown): Promise<void> {
    const { runtime, onProblem } = this.#settings;
    // It may have ended meanwhile.
    if (this.#state !== "running" || this.open.get(run.runId) !== run) return;
    if (mayPass(error)) {
      this.#schedule(run.runId, runtime.clock.now() + sweepEveryMs);
      return;
    }
    // That was told when it was met, and parking it would need what cannot be read.
    if (run.unreadable !== undefined) return;
    const reason = `It cannot be carried on: ${toWire(error).message}`;
    this.#unfit.set(run.runId, reason);
    onProblem(`${run.runId}: ${reason}`);
    const failure = await this.#park(run, reason);
    if (failure !== undefined)
      onProblem(`${run.runId}: Nor could it be parked, so that lists show it as running: ${toWire(failure).message}`);
  }

  /** Answers what kept it from being parked; where that may pass, it is tried again. */
  async #park(run: OpenRun, reason: string): Promise<unknown> {
    if (this.#state !== "running") return undefined;
    const { runtime } = this.#settings;
    try {
      await parkRun(rootContext(runtime, { tenant: run.tenant }), this.#settings, run, reason);
      return undefined;
    } catch (failure) {
      if (mayPass(failure)) this.#schedule(run.runId, runtime.clock.now() + sweepEveryMs);
      return failure;
    }
  }

  // What drivers tell

  #rest(driver: RunDriver): void {
    this.#resting.delete(driver);
    this.#resting.add(driver);
    // So that nobody looks after it: the log said so only where it was known when it was written.
    const run = this.open.get(driver.runId);
    if (run !== undefined) run.idle = driver.idleUntilMs;
    if (this.#resting.size > maxResting) {
      const [longest = driver] = this.#resting;
      longest.forget();
      this.#forget(longest);
    }
    this.#loader.loadNext();
  }

  #leave(driver: RunDriver, how: "ended" | "lost"): void {
    const { runId, progress } = driver;
    this.#forget(driver);
    this.#wakeUps.remove(runId);
    const run = this.open.get(runId);
    if (run !== undefined) run.scheduledMs = undefined;
    if (how === "ended" && progress.ended !== undefined) this.#settings.onEnded(runId, progress.ended);
    this.#loader.loadNext();
  }

  #failed(driver: RunDriver, error: unknown): void {
    const { runId } = driver;
    driver.abandon("it cannot go on");
    this.#forget(driver);
    const run = this.open.get(runId);
    // Else it is over.
    if (run !== undefined || this.#beginning.has(runId)) this.#givenUp.add(runId);
    if (run !== undefined) void this.#cannotGoOn(run, error);
    this.#loader.loadNext();
  }

  #forget(driver: RunDriver): void {
    this.#resting.delete(driver);
    if (this.#drivers.get(driver.runId) === driver) this.#drivers.delete(driver.runId);
  }
}

/** Whether nothing of a run is due before it is told of here, or heard of. */
const isAsleep = ({ idle, standing, scheduledMs }: OpenRun, now: number): boolean =>
  standing === undefined &&
  idle !== undefined &&
  (idle === null || (idle > now && scheduledMs !== undefined && scheduledMs <= idle));
