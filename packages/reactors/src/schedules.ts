import type { Membership } from "@viable/cluster";
import type { Context, ErrorOnTheWire, Part, Runtime } from "@viable/kernel";
import {
  backoffMs,
  codeOf,
  rootContext,
  toRecordableError,
  toWire,
  untilSettled,
  ViableError,
  waitFor,
  withContext,
} from "@viable/kernel";
import type { Log, NewEvent } from "@viable/log";
import { mayPass } from "@viable/log";
import { z } from "zod";
import { decideDue } from "./decide-due.ts";
import { keyTaken } from "./errors.ts";
import type { Reactors } from "./reactors.ts";
import { endsRun } from "./read-run.ts";
import { requireNewest } from "./require-newest.ts";
import { runStream } from "./run-journal.ts";
import type { Schedule } from "./schedule.ts";
import { inputFor, invalidSchedule, keyFor } from "./schedule.ts";
import type { Skipped } from "./schedule-events.ts";
import { scheduleStream, skipped } from "./schedule-events.ts";
import { timeAfter } from "./timetable.ts";

const prefix = "reactors/schedule/";
/** How long a process sleeps at most before it looks at the clock, in milliseconds: wall time may jump, as over a machine's sleep. */
const lookMs = 60_000;
/**
 * How long a schedule whose keeper is gone is left to processes that keep it to the same times, in milliseconds, before one with other times
 * takes it.
 */
const leaveMs = 5_000;
/** How long what failed waits for its next try: what is away may come back at any time, so there is no last one. */
const tryAgain = { baseMs: 100, maxMs: 10_000, maxAttempts: Number.POSITIVE_INFINITY };
/** How often a turn is decided anew because another process was quicker: each of them wants the same. */
const maxDecisions = 50;

export interface SchedulesSettings {
  readonly log: Log;
  readonly runtime: Runtime;
  readonly membership: Membership;
  /** Whose runs begin. */
  readonly reactors: Pick<Reactors, "begin" | "definitions">;
  readonly schedules: readonly Schedule[];
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem?(message: string): void;
}

/** Where a schedule stands. */
export interface ScheduleStatus {
  readonly name: string;
  readonly tenant: string;
  readonly reactor: string;
  readonly cron: string;
  readonly timeZone: string;
  /** When its next run is planned, wall time in milliseconds; undefined where other processes keep it to other times. */
  readonly next: number | undefined;
  /** The last run that was begun, and for when it was planned. */
  readonly last: { readonly planned: number; readonly runId: string } | undefined;
  /** What keeps it here from going on, and is tried again. */
  readonly failure: ErrorOnTheWire | undefined;
}

/**
 * Begins runs at planned times, in this process and any other that shares the log; each of them can do it alone.
 *
 * Promised: for each planned time at most one run begins, over any number of processes and crashes, and one does, unless the schedule's
 * policies say otherwise; then `schedule.skipped` says why, durably with the decision. A schedule that is new, or whose times were changed,
 * begins from now. Of several processes that would keep it to different times, as two releases may, the one that started last has its way;
 * the others take it when no process that keeps to those times is left.
 *
 * Not promised: that a run begins on the second: the first process that has the time on its clock begins it, and a wall clock that is
 * ahead begins early, though never twice. That runs of one schedule come one after the other (`overlap`). The same planned times in processes
 * whose data on time zones differs.
 */
export interface Schedules extends Part {
  readonly schedules: readonly Schedule[];
  status(ctx: Context): Promise<readonly ScheduleStatus[]>;
}

/**
 * Makes the schedules of this process; nothing happens before `start`, which wants the log, the membership and the reactors started.
 * Throws where two have one name (`reactor.invalid_schedule`), or one begins what is not here (`reactor.unknown`, `reactor.not_newest`).
 */
export function createSchedules(settings: SchedulesSettings): Schedules {
  const { schedules, membership, runtime, reactors, log } = settings;
  const names = new Set<string>();
  for (const { name, reactor } of schedules) {
    if (names.has(name)) throw invalidSchedule(name, "name", "there are two of that name");
    names.add(name);
    requireNewest(reactors.definitions, reactor, `The schedule "${name}"`);
  }
  const kept = schedules.map((schedule) => new KeptSchedule(settings, schedule));
  let life: AbortController | undefined;
  let stopHearing: () => void = () => {};
  let turns: Promise<unknown> = Promise.resolve();

  return {
    schedules,
    async start(ctx) {
      life = new AbortController();
      const own = withContext(rootContext(runtime, { principal: "schedules", signal: ctx.signal }), {
        signal: life.signal,
      });
      await Promise.all(kept.map((each) => each.begin(ctx)));
      const stopWatching = await log.watchRecords(own, prefix, ({ key, version }) =>
        kept.find((each) => each.key === key)?.changed(version),
      );
      const stopGone = membership.onGone(() => {
        for (const each of kept) each.wake();
      });
      stopHearing = () => {
        stopWatching();
        stopGone();
      };
      turns = Promise.all(kept.map((each) => each.run(own)));
    },
    async stop(ctx) {
      stopHearing();
      life?.abort();
      await waitFor(ctx, turns);
    },
    status: (ctx) => Promise.all(kept.map((each) => each.status(ctx))),
  };
}

/** How far a schedule has come, as it is recorded: another release may record other things, and a record may be damaged. */
const progressShape = z
  .object({
    /** By which times. */
    cron: z.string(),
    timeZone: z.string(),
    /** Who keeps it to them: whoever wrote this last. */
    keeper: z.object({ processId: z.string(), epoch: z.number() }),
    /** What becomes of the planned times up to then is decided. */
    upTo: z.number(),
    /** Of those, the ones whose runs are decided on and may not have begun. */
    pending: z.array(z.number()).readonly(),
    last: z.object({ planned: z.number(), runId: z.string() }).nullable(),
  })
  .readonly();
type Progress = z.infer<typeof progressShape>;
type Found = { readonly progress: Progress; readonly version: number };

const unreadableCode = "reactor.unreadable_schedule";

/**
 * One schedule in one process.
 *
 * What becomes of a planned time is decided by an append at the expected version of the record, so it is decided once. Only then does the
 * run begin, under a key that is the planned time's: whoever finds it decided on and not known to have begun begins it, as often as it
 * takes. So a crash between the two costs nothing but time, and a process that was paused in between begins nothing twice.
 */
class KeptSchedule {
  readonly #settings: SchedulesSettings;
  readonly #schedule: Schedule;
  /** As it was when there was last nothing to do. */
  #rests: Found | undefined;
  /** Monotonic time at which another's keeper was found gone. */
  #goneSinceMs: number | undefined;
  #standsBy = false;
  #next: { readonly afterMs: number; readonly atMs: number } | undefined;
  #wakeUp: () => void = () => {};
  #woken = false;
  #failure: ErrorOnTheWire | undefined;

  constructor(settings: SchedulesSettings, schedule: Schedule) {
    this.#settings = settings;
    this.#schedule = schedule;
  }

  get key(): string {
    return prefix + this.#schedule.name;
  }

  /** Its record has come to this version. */
  changed(version: number): void {
    if (this.#rests !== undefined && version <= this.#rests.version) return;
    this.#rests = undefined;
    this.wake();
  }

  wake(): void {
    this.#woken = true;
    this.#wakeUp();
  }

  /** Keeps it to this process's times from now on, where it was kept to others. */
  async begin(ctx: Context): Promise<void> {
    try {
      for (let decisions = 0; decisions < maxDecisions; decisions++) {
        const found = await this.#read(ctx);
        if (found !== undefined && this.#isOurs(found.progress)) return;
        if (await this.#take(ctx, found)) return;
      }
    } catch (error) {
      // The rest of the process has nothing to do with it. The first turn tells of it.
      if (codeOf(error) === unreadableCode) return;
      throw error;
    }
    throw this.#contended();
  }

  async run(ctx: Context): Promise<void> {
    for (let failures = 0; !ctx.signal.aborted; ) {
      let waitMs: number;
      try {
        waitMs = await this.#turn(ctx);
        failures = 0;
        this.#failure = undefined;
      } catch (error) {
        if (ctx.signal.aborted) return;
        failures += 1;
        this.#failure = toWire(error);
        const message = error instanceof Error ? error.message : String(error);
        if (failures === 1) this.#settings.onProblem?.(`The schedule "${this.#schedule.name}" waits: ${message}`);
        waitMs = backoffMs(tryAgain, failures, ctx.runtime.random) ?? 0;
      }
      await this.#rest(ctx, waitMs);
    }
  }

  async status(ctx: Context): Promise<ScheduleStatus> {
    const { name, tenant, reactor, cron, timeZone } = this.#schedule;
    let progress: Progress | undefined;
    let failure = this.#failure;
    try {
      progress = (await this.#read(ctx))?.progress;
    } catch (error) {
      if (codeOf(error) !== unreadableCode) throw error;
      failure = toWire(error);
    }
    const ours = progress !== undefined && this.#isOurs(progress) ? progress : undefined;
    return {
      name,
      tenant,
      reactor: reactor.name,
      cron,
      timeZone,
      next: ours && (ours.pending[0] ?? timeAfter(this.#schedule, ours.upTo)),
      last: progress?.last ?? undefined,
      failure,
    };
  }

  /** Does all there is to do; answers how long there will be nothing, in milliseconds. */
  async #turn(ctx: Context): Promise<number> {
    if (this.#rests !== undefined && !this.#isGone(this.#rests.progress)) {
      const leftMs = this.#leftMs(ctx, this.#rests.progress);
      if (leftMs > 0) return leftMs;
    }
    this.#rests = undefined;
    for (let decisions = 0; decisions < maxDecisions; decisions++) {
      const found = await this.#read(ctx);
      if (found === undefined) await this.#take(ctx, undefined);
      else if (!this.#isOurs(found.progress)) {
        const waitMs = this.#leaveMs(ctx, found.progress);
        if (waitMs > 0) return waitMs;
        await this.#take(ctx, found);
      } else if (found.progress.pending.length > 0) await this.#beginRuns(ctx, found);
      else if (this.#leftMs(ctx, found.progress) <= 0) await this.#decide(ctx, found);
      else if (this.#isGone(found.progress)) await this.#write(ctx, found.progress, found.version);
      else {
        this.#rests = found;
        this.#standsBy = false;
        return this.#leftMs(ctx, found.progress);
      }
    }
    throw this.#contended();
  }

  #leftMs(ctx: Context, { upTo }: Progress): number {
    if (this.#next?.afterMs !== upTo) this.#next = { afterMs: upTo, atMs: timeAfter(this.#schedule, upTo) };
    return Math.min(this.#next.atMs - ctx.runtime.clock.now(), lookMs);
  }

  /** How long this process leaves it to those who keep it to other times; 0 where there are none any more. */
  #leaveMs(ctx: Context, progress: Progress): number {
    const { name, cron, timeZone } = this.#schedule;
    if (!this.#standsBy)
      this.#settings.onProblem?.(
        `The schedule "${name}" is kept to ${progress.cron} (${progress.timeZone}) by a process that started later than this one, which would keep it to ${cron} (${timeZone}).`,
      );
    this.#standsBy = true;
    const now = ctx.runtime.clock.monotonicMs();
    this.#goneSinceMs = this.#isGone(progress) ? (this.#goneSinceMs ?? now) : undefined;
    return this.#goneSinceMs === undefined ? lookMs : Math.max(0, this.#goneSinceMs + leaveMs - now);
  }

  /** Keeps it to our times, from now on. What was decided on before still begins. */
  async #take(ctx: Context, found: Found | undefined): Promise<boolean> {
    const { cron, timeZone } = this.#schedule;
    const { pending = [], last = null } = found?.progress ?? {};
    const upTo = ctx.runtime.clock.now();
    return await this.#write(ctx, { cron, timeZone, upTo, pending, last }, found?.version ?? 0);
  }

  /** Decides what becomes of the times that have come. */
  async #decide(ctx: Context, { progress, version }: Found): Promise<void> {
    const due = decideDue(this.#schedule, progress.upTo, ctx.runtime.clock.now());
    if (due === undefined) return;
    const events: NewEvent[] = [];
    if (due.leftOut !== undefined) events.push(this.#skipped(due.leftOut, { reason: "missed" }));
    let pending = due.begin;
    const [planned] = pending;
    if (planned !== undefined && this.#schedule.overlap === "skip" && progress.last !== null) {
      const { runId } = progress.last;
      if (await this.#isRunning(ctx, runId)) {
        events.push(this.#skipped({ from: planned, to: planned }, { reason: "running", runId }));
        pending = [];
      }
    }
    await this.#write(ctx, { ...progress, upTo: due.upTo, pending }, version, events);
  }

  async #isRunning(ctx: Context, runId: string): Promise<boolean> {
    // As it is stored: whether it is a run's end can be seen of one that cannot be read, too.
    const last = { direction: "backward", limit: 1, decoding: "none" } as const;
    const [stored] = await this.#settings.log.readStream(ctx, runStream(runId), last);
    return stored !== undefined && !endsRun(stored);
  }

  /** Begins the runs that were decided on, those included that another process has begun already. */
  async #beginRuns(ctx: Context, { progress, version }: Found): Promise<void> {
    let { last } = progress;
    const events: NewEvent[] = [];
    for (const planned of progress.pending) {
      const begun = await this.#beginRun(this.#asOwner(ctx), planned);
      if (typeof begun === "string") last = { planned, runId: begun };
      else events.push(this.#skipped({ from: planned, to: planned }, { reason: "failed", error: begun }));
    }
    await this.#write(ctx, { ...progress, pending: [], last }, version, events);
  }

  /** The run's id, or why there cannot be one. */
  async #beginRun(ctx: Context, planned: number): Promise<string | ErrorOnTheWire> {
    const { reactor } = this.#schedule;
    const key = keyFor(this.#schedule, planned);
    try {
      const begun = await this.#settings.reactors.begin(ctx, reactor.name, inputFor(this.#schedule, planned), { key });
      if (begun.ok) return begun.runId;
      // Another process made another input of the same time, and was first.
      if (begun.first?.principal === ctx.principal) return begun.first.runId;
      if (begun.first !== undefined) throw this.#taken(key, begun.first);
      throw new ViableError("reactor.overloaded", begun.message, { retryable: true });
    } catch (error) {
      if (ctx.signal.aborted || mayPass(error)) throw error;
      return toRecordableError(error);
    }
  }

  #taken(key: string, first: { readonly runId: string; readonly principal: string }): ViableError {
    const taken = keyTaken(key, first);
    this.#settings.onProblem?.(`The schedule "${this.#schedule.name}" begins no run: ${taken.message}`);
    return taken;
  }

  #asOwner(ctx: Context): Context {
    return withContext(ctx, { tenant: this.#schedule.tenant, principal: `schedule:${this.#schedule.name}` });
  }

  #skipped(
    times: { readonly from: number; readonly to: number },
    why: Pick<Skipped, "reason" | "runId" | "error">,
  ): NewEvent {
    return skipped({ schedule: this.#schedule.name, ...times, ...why });
  }

  async #read(ctx: Context): Promise<Found | undefined> {
    const record = await this.#settings.log.getRecord(ctx, this.key);
    if (record === undefined) return undefined;
    const judged = progressShape.safeParse(record.value);
    if (!judged.success) throw this.#unreadable(judged.error);
    return { progress: judged.data, version: record.version };
  }

  /** Writes how far it has come, with what is told of it; false where another process was quicker. */
  async #write(
    ctx: Context,
    progress: Omit<Progress, "keeper">,
    version: number,
    events: readonly NewEvent[] = [],
  ): Promise<boolean> {
    const { membership, log } = this.#settings;
    const keeper = { processId: membership.processId, epoch: membership.epoch };
    const stream = { stream: scheduleStream(this.#schedule.name), expected: "any" as const, events };
    const outcome = await log.append(this.#asOwner(ctx), {
      records: [{ key: this.key, value: { ...progress, keeper }, expected: version }],
      ...(events.length > 0 && { streams: [stream] }),
    });
    if (!outcome.ok && outcome.reason === "overloaded")
      throw new ViableError("reactor.overloaded", `${outcome.waiting} appends are waiting for the database.`, {
        retryable: true,
      });
    return outcome.ok;
  }

  #isOurs({ cron, timeZone }: Progress): boolean {
    return cron === this.#schedule.cron && timeZone === this.#schedule.timeZone;
  }

  #isGone({ keeper }: Progress): boolean {
    const { membership } = this.#settings;
    return keeper.processId !== membership.processId && membership.isGone(keeper.processId, keeper.epoch);
  }

  /**
   * It is left as it is, and no run begins: from what is not understood nobody can tell what was decided. What is mended goes on from
   * there.
   */
  #unreadable({ issues: [issue] }: z.ZodError): ViableError {
    const path = ["value", ...(issue?.path ?? [])].map(String).join(".");
    return new ViableError(
      unreadableCode,
      `How far it has come (record ${this.key}) cannot be read: ${path}: ${issue?.message ?? "it has another shape"}.`,
      {
        next: "Have it kept by the release that wrote this, or give the schedule another name: it then begins from now.",
      },
    );
  }

  #contended(): ViableError {
    return new ViableError(
      "reactor.schedule_contended",
      `${this.#schedule.name}: ${maxDecisions} decisions in a row were overtaken.`,
      { retryable: true },
    );
  }

  async #rest(ctx: Context, ms: number): Promise<void> {
    if (!this.#woken) {
      const rested = untilSettled(ctx, (resolve) => {
        const timer = ctx.runtime.clock.setTimer(resolve, ms, { background: true });
        this.#wakeUp = resolve;
        return () => timer.cancel();
      });
      await rested.catch(() => undefined);
    }
    this.#woken = false;
  }
}
