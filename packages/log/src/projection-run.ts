import type { Context, JsonObject, Timer } from "@viable/kernel";
import { rootContext, sleep, toWire, untilSettled, ViableError, waitFor, withContext } from "@viable/kernel";
import { maxAppendChars, maxAppendItems, maxRowWrites } from "./encode.ts";
import { undecodableEvent } from "./errors.ts";
import type { EventFilter, Position, StoredEvent } from "./events.ts";
import { comparePositions, startPosition, toOrdinal, toPosition } from "./events.ts";
import { countJsonChars } from "./json-chars.ts";
import type { AppendOutcome, AppendRequest, Log } from "./log.ts";
import type { Parked, Projection, ProjectionTarget, ProjectionWrites } from "./projection.ts";
import { projectionStream } from "./projection-events.ts";
import type { Kept, Progress } from "./projection-records.ts";
import { ownerKey, progressKey, readProgress } from "./projection-records.ts";
import type { CommitReader } from "./store.ts";
import type { Subscription } from "./subscription.ts";
import { pageEvents } from "./subscription.ts";

/** How long a process that does not say so again has a generation, in milliseconds: as long as a crash may leave it standing still. */
const ownMs = 10_000;
/** How often it says so; and, where nobody told it of an event, how often it looks for itself. */
const renewMs = 3_000;
/** How often those who do not have it look whether it is to be had, and whoever stands still looks whether it may go on. */
const lookMs = 1_000;
/** How often it is written down that there was nothing to do up to some position: what a restart reads again for nothing. */
const idleProgressMs = 5_000;
/** How long what failed for a reason that may pass waits for the next try. */
const tryAgainMs = 1_000;
/** How often one event is tried that cannot be done, before it parks the generation: not every failure says that it may pass. */
const triesPerEvent = 3;
/** How many events of those that an immediate one is behind are done in a flush: as many as one append may hold, whose caller that answers. */
const maxInFlushEvents = maxAppendItems;
/** And how much of their data, in characters of JSON, and the page that goes beyond: as much as one append may hold, or all of a flush. */
const maxInFlushChars = maxAppendChars;
/** How much is written for that at most: as much as one append may hold, beside the progress (a record of less than 1,000 characters). */
const maxInFlushWrites: WriteSize = { rows: maxRowWrites, records: maxAppendItems - 1, chars: maxAppendChars - 1_000 };
/** How many events that did not concern it are looked through again at each flush, before that is written down; they do not count above. */
const maxPassedEvents = pageEvents / 2;

/** How much some writes are; characters are counted, never more than they have. */
interface WriteSize {
  readonly rows: number;
  readonly records: number;
  readonly chars: number;
}

/** What is done in one flush. */
interface StepsInFlush {
  /** The ordinal up to which nothing is left. */
  readonly upTo: number;
  /** The ordinal of the last event that it is of; 0 where none concerned it. */
  readonly lastDone: number;
  readonly writes: Required<Pick<ProjectionWrites, "records" | "with">>;
}

/** What was wanted in a flush. */
interface Wanted {
  /** The version of the progress that it would have been written over. */
  readonly version: number;
  /** The log's last ordinal in that flush. */
  readonly head: number;
  readonly lastDone: number;
}

export interface ProjectionRunHooks {
  /** It has done everything that was there when it looked. Said again when that is so after more was done. */
  onCaughtUp(): Promise<void>;
  /** What it keeps is not there any more though it had begun. */
  onLost(): Promise<void>;
  /** The log has gone back: what is known of the generations may not be written any more. */
  onWentBack(): Promise<void>;
}

/**
 * Keeps one generation of a projection up to date, in turns with the same in other processes.
 *
 * States: standby (another process has it) ⇄ catching-up ⇄ live, parked (before an event it cannot do; a person lets it go on without,
 * and a process that takes it over tries it once more) → stopped.
 *
 * Promised: an event's writes and the progress past it are one append at the expected version of the progress. So no event counts
 * twice and none is left out, also where two processes both think that it is theirs: one of them conflicts, and looks again. Events are
 * read from the progress that is written, never from a position that is only known here: where the log has gone back (a failover to
 * a standby without its last events), other events take the positions that were passed.
 */
export class ProjectionRun {
  readonly target: ProjectionTarget;
  readonly #log: Log;
  readonly #projection: Projection;
  readonly #hooks: ProjectionRunHooks;
  readonly #ctx: Context;
  readonly #life = new AbortController();
  readonly #token: string;
  state: "standby" | "catching-up" | "live" | "parked" | "stopped" = "standby";
  /** Why it could not go on for a while, though nobody has parked it. */
  #failure: ViableError | undefined;
  /** Why it is not kept in flushes, though it wants to be. */
  #misfit: ViableError | undefined;
  #progress: Kept<Progress> | undefined;
  /** How far it has looked, beyond what is written down. For showing: nothing is read from here. */
  #seen: Position = startPosition;
  #seenWrittenMs = 0;
  #ownVersion = 0;
  #ownUntilMs = 0;
  /** One look at a time, whoever asks. */
  #owning: Promise<boolean> | undefined;
  #triedParked = false;
  #wentBack = false;
  #page = pageEvents;
  #ended: Promise<void> | undefined;
  #wake: () => void = () => {};
  #woken = false;
  #ears: Subscription | undefined;
  #unfollow: () => void = () => {};
  /** The ordinal up to which a flush left events to the run, which listens to events until it has done them; 0 where none did. */
  #leftUpTo = 0;
  /** What a flush should have written last: the next finds that it has, or has not. */
  #wanted: Wanted | undefined;
  /** The ordinal of the last of some events that could not be done in a flush: until the run has come past it no flush tries again. */
  #undoableUpTo = 0;

  constructor(log: Log, ctx: Context, projection: Projection, target: ProjectionTarget, hooks: ProjectionRunHooks) {
    this.#log = log;
    this.#projection = projection;
    this.#hooks = hooks;
    this.target = target;
    this.#ctx = withContext(
      rootContext(ctx.runtime, { principal: `projection:${projection.name}`, signal: ctx.signal }),
      {
        signal: this.#life.signal,
      },
    );
    this.#token = ctx.runtime.ids.next("prc");
  }

  start(): void {
    if (this.#isImmediate) this.#unfollow = this.#log.follow((reader) => this.#inFlush(reader));
    this.#listen();
    this.#ended = this.#run();
  }

  /** Ends what is under way, waiting for it as long as the context lasts; what was not written is done again by whoever goes on. */
  async stop(stopping: Context): Promise<void> {
    this.#life.abort();
    this.#unfollow();
    this.#ears?.stop();
    await waitFor(stopping, this.#ended ?? Promise.resolve());
    this.state = "stopped";
    if (this.#ownVersion === 0) return;
    // Given back, so that nobody has to wait for it. Where that fails it ends by itself.
    const ctx = rootContext(this.#ctx.runtime, { principal: this.#ctx.principal });
    const owner = { key: ownerKey(this.target.name, this.target.generation), value: null, expected: this.#ownVersion };
    await this.#log.append(ctx, { records: [owner] }).catch(() => undefined);
  }

  /** How far it has come; undefined where another process has it. */
  get position(): Position | undefined {
    return this.state === "standby" || this.state === "stopped" ? undefined : this.#seen;
  }

  get failure(): ViableError | undefined {
    return this.#failure ?? this.#misfit;
  }

  get #isImmediate(): boolean {
    return this.#projection.consistency === "immediate";
  }

  #listen(): void {
    this.#ears?.stop();
    this.#ears = this.#log.subscribe(this.#ctx, {
      name: `projection ${this.target.name}`,
      after: "now",
      decoding: "none",
      filter: this.#filterOfNews,
      handle: () => this.#awaken(),
      onParked: () => {
        this.#wentBack = true;
        this.#listen();
        this.#awaken();
      },
    });
  }

  get #filter(): EventFilter {
    return this.#projection.filter ?? {};
  }

  /**
   * What is done in flushes need not be told of each event, but of what is told to all. Where a flush has left something to one that rests, any
   * of its events says that it has happened: there may be none that concerns it.
   */
  get #filterOfNews(): EventFilter {
    if (this.#isImmediate && this.#leftUpTo === 0) return { types: [] };
    return this.#isImmediate && this.state === "live" ? {} : this.#filter;
  }

  /**
   * What a flush of this process changes, in the transaction of that flush: the next steps that `#goOn` would take, as one. What it cannot do
   * is left to that.
   */
  async #inFlush(reader: CommitReader): Promise<{ ctx: Context; request: AppendRequest } | undefined> {
    const { name, generation } = this.target;
    const [record] = await reader.getRecords([progressKey(name, generation)]);
    const progress = record?.value as unknown as Progress | undefined;
    if (record === undefined || progress === undefined || progress.parked !== undefined) return undefined;
    const from = toOrdinal(progress.position);
    const head = await reader.head();
    this.#noteRefused(record.version, head);
    const { upTo, lastDone, writes } = await this.#stepsInFlush(reader, from, head);
    if (upTo < head) this.#leave(head);
    // That nothing of a flush concerned it is written down only before it would seem to be behind.
    if (upTo === from || (lastDone === 0 && head - from < maxPassedEvents)) return undefined;
    this.#wanted = { version: record.version, head, lastDone };
    return { ctx: this.#ctx, request: this.#toRequest({ position: toPosition(upTo) }, record.version, writes, []) };
  }

  /**
   * Notes what the flush before did not write, though it was wanted: it was refused. But a flush that is tried again, as the database was
   * away, has not written it either. That one finds the log no further than it was.
   */
  #noteRefused(version: number, head: number): void {
    const wanted = this.#wanted;
    if (wanted === undefined || (wanted.version === version && head <= wanted.head)) return;
    this.#wanted = undefined;
    if (wanted.version !== version || wanted.lastDone === 0) return;
    this.#undoableUpTo = wanted.lastDone;
    // That flush has happened: what the run is to do is there.
    this.#awaken();
  }

  async #stepsInFlush(reader: CommitReader, from: number, head: number): Promise<StepsInFlush> {
    let steps: StepsInFlush = { upTo: from, lastDone: 0, writes: { records: [], with: [] } };
    if (from < this.#undoableUpTo || head - from > maxInFlushEvents + maxPassedEvents) return steps;
    let size: WriteSize = { rows: 0, records: 0, chars: 0 };
    for (let chars = 0; steps.upTo < head && chars <= maxInFlushChars; ) {
      const { events, isEnd } = await reader.readAll(steps.upTo, pageEvents, this.#filter);
      const last = events.at(-1);
      if (last === undefined) return { ...steps, upTo: head };
      const step = this.#projectAtOnce(events);
      if (step !== undefined) size = sizeWith(size, step);
      if (step === undefined || isBeyond(size, maxInFlushWrites)) {
        // What is only too much with the pages before it the next flush may do.
        if (step === undefined || steps.lastDone === 0) this.#undoableUpTo = toOrdinal(last.position);
        return steps;
      }
      const doneUpTo = step.upTo ?? last.position;
      const isWhole = doneUpTo === last.position;
      steps = {
        upTo: isWhole && isEnd ? head : toOrdinal(doneUpTo),
        lastDone: toOrdinal(doneUpTo),
        writes: {
          records: steps.writes.records.concat(step.records ?? []),
          with: steps.writes.with.concat(step.with ?? []),
        },
      };
      if (!isWhole) return steps;
      if (!isEnd) for (const { data } of events) chars += countJsonChars(data);
    }
    return steps;
  }

  /** Wakes the run when the flush has happened, since its events are told then. Whoever stands by would do nothing about it. */
  #leave(head: number): void {
    if (this.state === "standby") return;
    const isListening = this.#leftUpTo > 0;
    this.#leftUpTo = head;
    if (!isListening) this.#listen();
  }

  #projectAtOnce(events: readonly StoredEvent[]): ProjectionWrites | undefined {
    if (this.#misfit !== undefined || events.some((event) => event.undecodable !== undefined)) return undefined;
    try {
      const writes = this.#projection.project(events, this.target, this.#ctx);
      if (!(writes instanceof Promise)) return isWithin(events, writes.upTo) ? writes : undefined;
      writes.catch(() => undefined);
      this.#misfit = new ViableError("log.projection_failed", `${this.target.name} is immediate, and waits.`, {
        next: "Have its `project` answer at once, or make it eventual.",
      });
    } catch {
      // Which event it is, and whether it can be done alone, shows outside of the flush.
    }
    return undefined;
  }

  async #run(): Promise<void> {
    const ctx = this.#ctx;
    while (!ctx.signal.aborted) {
      try {
        await this.#turn(ctx);
        this.#failure = undefined;
      } catch (error) {
        if (ctx.signal.aborted) return;
        this.#failure = asViableError(error);
        this.#progress = undefined;
        await sleep(ctx, tryAgainMs).catch(() => undefined);
      }
    }
  }

  async #turn(ctx: Context): Promise<void> {
    if (this.#wentBack) {
      await this.#hooks.onWentBack();
      this.#wentBack = false;
      this.#wanted = undefined;
      this.#undoableUpTo = 0;
      this.#progress = undefined;
      this.state = "catching-up";
    }
    if (!(await this.#own(ctx))) {
      this.state = "standby";
      this.#progress = undefined;
      // Not woken by events: they are the owner's business, and each look is an append.
      await sleep(ctx, lookMs);
      this.#woken = true;
      return;
    }
    if (this.state === "standby") this.state = "catching-up";
    this.#progress ??= await this.#begin(ctx);
    const { parked } = this.#progress.value;
    if (parked !== undefined && this.#triedParked) await this.#standStill(ctx, parked);
    else await this.#goOn(ctx);
  }

  /** Whether this process has the generation: it is worth the trouble that only one of them does the work. */
  #own(ctx: Context): Promise<boolean> {
    this.#owning ??= this.#renew(ctx).finally(() => {
      this.#owning = undefined;
    });
    return this.#owning;
  }

  async #renew(ctx: Context): Promise<boolean> {
    const { clock } = ctx.runtime;
    const isHeld = () => clock.monotonicMs() < this.#ownUntilMs;
    if (clock.monotonicMs() < this.#ownUntilMs - ownMs + renewMs) return true;
    const { name, generation } = this.target;
    const key = ownerKey(name, generation);
    const beganMs = clock.monotonicMs();
    const value = { process: this.#token };
    const expiresAt = clock.now() + ownMs;
    const outcome = await this.#log.append(ctx, { records: [{ key, value, expected: this.#ownVersion, expiresAt }] });
    if (!outcome.ok) {
      if (outcome.reason !== "record_conflict") return isHeld();
      this.#ownVersion = 0;
      this.#ownUntilMs = 0;
      return false;
    }
    this.#ownVersion = outcome.recordVersions[0] ?? 0;
    this.#ownUntilMs = beganMs + ownMs;
    return true;
  }

  /** What is written down of its progress, or its beginning where nothing is. */
  async #begin(ctx: Context): Promise<Kept<Progress>> {
    const { name, generation } = this.target;
    const found = await readProgress(ctx, this.#log, name, generation);
    if (found !== undefined && (await areTablesGone(ctx, this.#log, this.#projection, this.target))) {
      await this.#hooks.onLost();
      throw new ViableError("log.projection_lost", `The tables of ${this.target.table} are not there any more.`, {
        next: "Another generation is built by itself.",
      });
    }
    if (found !== undefined) {
      this.#seen = found.value.position;
      this.#triedParked = false;
      return found;
    }
    const first: Progress = { position: this.#projection.begins === "now" ? await this.#log.head(ctx) : startPosition };
    this.#seen = first.position;
    const outcome = await this.#write(ctx, first, 0, { with: this.#projection.create?.(this.target) ?? [] }, []);
    if (!outcome.ok) throw notWritten(this.target.name, outcome);
    return { value: first, version: outcome.recordVersions[0] ?? 0 };
  }

  /** Does the next page of events, or waits for one. */
  async #goOn(ctx: Context): Promise<void> {
    // What came with a flush since then need not be done again.
    if (this.#isImmediate) {
      this.#take(await readProgress(ctx, this.#log, this.target.name, this.target.generation));
      if (this.#progress === undefined) return;
    }
    const head = await this.#log.head(ctx);
    const { events: found, isEnd } = await this.#log.readAllPage(ctx, {
      from: this.#progress?.value.position ?? startPosition,
      limit: this.#page,
      decoding: "lenient",
      filter: this.#filter,
    });
    const [first] = found;
    if (first === undefined) {
      await this.#idle(ctx, head);
      return;
    }
    if (!isEnd) this.state = "catching-up";
    const undecodableAt = found.findIndex((event) => event.undecodable !== undefined);
    const events = undecodableAt < 0 ? found : found.slice(0, undecodableAt);
    try {
      if (events.length === 0) throw undecodableEvent(first, first.undecodable ?? "");
      const isAll = isEnd && undecodableAt < 0;
      const isDone = await this.#project(ctx, events);
      this.#page = Math.min(pageEvents, this.#page * 2);
      // Under load no page is ever empty; but all that was there when it looked is done.
      if (isAll && isDone) await this.#tellCaughtUp();
    } catch (error) {
      if (ctx.signal.aborted || (error instanceof ViableError && error.retryable)) throw error;
      // Which of them it is shows when they are done in ever smaller parts. A reaction does one after the other: it is the first.
      if (events.length > 1 && this.#projection.isReaction !== true)
        this.#page = Math.max(1, Math.floor(events.length / 2));
      else await this.#cannotDo(ctx, first, error);
    }
  }

  /** Answers whether it did all of them. */
  async #project(ctx: Context, events: readonly StoredEvent[]): Promise<boolean> {
    const writes = await this.#whileOwned(ctx, async (owned) => this.#projection.project(events, this.target, owned));
    if (!isWithin(events, writes.upTo))
      throw new Error(`it says that it is done up to ${writes.upTo}, which it was not asked for`);
    const last = (events[events.length - 1] as StoredEvent).position;
    const position = writes.upTo ?? last;
    const outcome = await this.#write(ctx, { position }, this.#progress?.version ?? 0, writes, []);
    if (outcome.ok) this.#moved(ctx, { position }, outcome.recordVersions[0] ?? 0);
    else if (this.#isOvertaken(outcome)) this.#progress = undefined;
    else if (outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
    else throw notWritten(this.target.name, outcome);
    return outcome.ok && position === last;
  }

  /**
   * Goes on saying that this process has the generation while something long is done. Where another has it, or may have it because nothing
   * could be said for as long as that holds, the context ends.
   */
  async #whileOwned<T>(ctx: Context, work: (owned: Context) => Promise<T>): Promise<T> {
    const { clock } = ctx.runtime;
    const lost = new AbortController();
    let timer: Timer | undefined;
    let endTimer: Timer | undefined;
    let isOver = false;
    const endInTime = () => {
      const leftMs = this.#ownUntilMs - clock.monotonicMs();
      if (leftMs > 0) endTimer = clock.setTimer(endInTime, leftMs, { background: true });
      else lost.abort(leaseLost(this.target.name));
    };
    const renewLater = () => {
      // The work may have ended while the lease was being renewed.
      if (isOver) return;
      timer = clock.setTimer(
        () => {
          this.#own(ctx).then(
            (isOurs) => (isOurs ? renewLater() : lost.abort(leaseLost(this.target.name))),
            () => renewLater(),
          );
        },
        renewMs,
        { background: true },
      );
    };
    endInTime();
    renewLater();
    try {
      return await work(withContext(ctx, { signal: lost.signal }));
    } catch (error) {
      // That its context ended says nothing against the event.
      throw lost.signal.aborted ? lost.signal.reason : error;
    } finally {
      isOver = true;
      timer?.cancel();
      endTimer?.cancel();
    }
  }

  async #tellCaughtUp(): Promise<void> {
    if (this.state === "live") return;
    await this.#hooks.onCaughtUp();
    this.state = "live";
  }

  /** One event alone fails: it is tried a few times, then the generation stands still. */
  async #cannotDo(ctx: Context, event: StoredEvent, error: unknown): Promise<void> {
    let last = error;
    for (let tries = 1; tries < triesPerEvent && event.undecodable === undefined; tries++) {
      await sleep(ctx, tryAgainMs);
      try {
        await this.#project(ctx, [event]);
        return;
      } catch (again) {
        if (again instanceof ViableError && again.retryable) throw again;
        last = again;
      }
    }
    const { code, message } = toWire(last);
    const parked: Parked = {
      position: event.position,
      type: event.type,
      code,
      message: message.slice(0, 2_000),
      since: ctx.runtime.clock.now(),
    };
    this.#triedParked = true;
    const before = this.#progress?.value ?? { position: startPosition };
    // It stood there before this process had it, and was told of then.
    if (before.parked?.position === event.position) return;
    const { since: _, ...told } = parked;
    const { generation, version } = this.target;
    await this.#record(ctx, { ...before, parked }, [
      { type: "projection.parked", data: { generation, version, ...told } },
    ]);
  }

  async #standStill(ctx: Context, parked: Parked): Promise<void> {
    this.state = "parked";
    await sleep(ctx, lookMs);
    // Whoever lets it go on moves its progress past the event.
    const found = await readProgress(ctx, this.#log, this.target.name, this.target.generation);
    if (found?.value.parked?.position === parked.position) return;
    this.#take(found);
  }

  /** Takes in what is written down of its progress. */
  #take(found: Kept<Progress> | undefined): void {
    this.#progress = found;
    const position = found?.value.position ?? startPosition;
    if (found?.value.parked !== undefined || comparePositions(position, this.#seen) > 0) this.#seen = position;
  }

  /** Nothing is left to do up to `head`: waits until there is. */
  async #idle(ctx: Context, head: Position): Promise<void> {
    const { clock } = ctx.runtime;
    this.#seen = head;
    const written = this.#progress?.value.position ?? startPosition;
    // A position that only says that nothing was there is worth a write now and then; and at once where flushes leave all until it is written.
    const isDue = this.#leftUpTo > 0 || clock.monotonicMs() - this.#seenWrittenMs >= idleProgressMs;
    if (comparePositions(head, written) > 0 && isDue) await this.#record(ctx, { position: head }, []);
    if (this.#leftUpTo > 0 && toOrdinal(head) >= this.#leftUpTo) {
      this.#leftUpTo = 0;
      this.#listen();
    }
    await this.#tellCaughtUp();
    await this.#rest(ctx, this.#isImmediate ? lookMs : renewMs);
  }

  /** Writes progress alone. */
  async #record(ctx: Context, progress: Progress, told: readonly { type: string; data: JsonObject }[]): Promise<void> {
    const outcome = await this.#write(ctx, progress, this.#progress?.version ?? 0, {}, told);
    if (outcome.ok) this.#moved(ctx, progress, outcome.recordVersions[0] ?? 0);
    else if (this.#isOvertaken(outcome)) this.#progress = undefined;
    else throw notWritten(this.target.name, outcome);
  }

  #moved(ctx: Context, progress: Progress, version: number): void {
    this.#progress = { value: progress, version };
    if (progress.parked !== undefined) return;
    this.#seen = comparePositions(progress.position, this.#seen) > 0 ? progress.position : this.#seen;
    this.#seenWrittenMs = ctx.runtime.clock.monotonicMs();
  }

  #write(
    ctx: Context,
    progress: Progress,
    expected: number,
    writes: ProjectionWrites,
    told: readonly { type: string; data: JsonObject }[],
  ): Promise<AppendOutcome> {
    return this.#log.append(ctx, this.#toRequest(progress, expected, writes, told));
  }

  #toRequest(
    progress: Progress,
    expected: number,
    writes: ProjectionWrites,
    told: readonly { type: string; data: JsonObject }[],
  ): AppendRequest {
    const { name, generation } = this.target;
    const own = { key: progressKey(name, generation), value: { ...progress } as unknown as JsonObject, expected };
    return {
      records: [own, ...(writes.records ?? [])],
      ...(told.length > 0 && { streams: [{ stream: projectionStream(name), expected: "any" as const, events: told }] }),
      ...(writes.with !== undefined && { with: writes.with }),
    };
  }

  /** Another process has written the progress: what it has done need not be done again. */
  #isOvertaken(outcome: AppendOutcome): boolean {
    const { name, generation } = this.target;
    return !outcome.ok && outcome.reason === "record_conflict" && outcome.key === progressKey(name, generation);
  }

  #awaken(): void {
    this.#woken = true;
    this.#wake();
  }

  /** Waits for an event, but no longer than `ms`. */
  async #rest(ctx: Context, ms: number): Promise<void> {
    if (!this.#woken) {
      await untilSettled(ctx, (resolve) => {
        const timer = ctx.runtime.clock.setTimer(resolve, ms, { background: true });
        this.#wake = resolve;
        return () => timer.cancel();
      });
    }
    this.#wake = () => {};
    this.#woken = false;
  }
}

export const asViableError = (error: unknown): ViableError =>
  error instanceof ViableError ? error : new ViableError("log.projection_failed", String(error), { cause: error });

/** A restored log says how far a generation had come, but other tables than its own are not restored with it. */
export async function areTablesGone(
  ctx: Context,
  log: Log,
  projection: Projection,
  target: ProjectionTarget,
): Promise<boolean> {
  if (!(projection.create?.(target) ?? []).some((write) => "sql" in write)) return false;
  const sql = `SELECT EXISTS (SELECT FROM pg_class WHERE pg_table_is_visible(oid)
    AND (relname = $1::text OR starts_with(relname::text, $1::text || '_'))) AS found`;
  return (await log.query(ctx, { sql, params: [target.table] }))[0]?.found !== true;
}

function notWritten(name: string, outcome: Exclude<AppendOutcome, { ok: true }>): ViableError {
  const why = outcome.reason === "row_refused" ? outcome.message : outcome.reason;
  return new ViableError("log.projection_failed", `What projection ${name} keeps could not be written: ${why}.`, {
    retryable: outcome.reason === "overloaded",
    next: "Mend the projection, or have it leave this event out.",
    details: { reason: outcome.reason },
  });
}

const leaseLost = (name: string): ViableError =>
  new ViableError("log.projection_taken_over", `Another process may keep ${name} by now.`, { retryable: true });

/** Whether a position is of one of some events, or none is said. */
const isWithin = (events: readonly StoredEvent[], position: Position | undefined): boolean =>
  position === undefined || events.some((event) => event.position === position);

function sizeWith(before: WriteSize, { records = [], with: rows = [] }: ProjectionWrites): WriteSize {
  let { chars } = before;
  for (const { value } of records) chars += value === null ? 0 : countJsonChars(value);
  for (const row of rows) {
    if (!("sql" in row)) continue;
    chars += row.sql.length;
    for (const param of row.params) chars += param?.length ?? 0;
  }
  return { rows: before.rows + rows.length, records: before.records + records.length, chars };
}

const isBeyond = (size: WriteSize, max: WriteSize): boolean =>
  size.rows > max.rows || size.records > max.records || size.chars > max.chars;

/** How many events lie between two positions, all filters apart. */
export const lagBetween = (position: Position, head: Position): number =>
  Math.max(0, toOrdinal(head) - toOrdinal(position));
