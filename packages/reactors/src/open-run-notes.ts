import type { Context, JsonValue, Timer } from "@viable/kernel";
import { toWire, ViableError } from "@viable/kernel";
import type { Log, Position, RecordWrite } from "@viable/log";
import { comparePositions, isPosition, startPosition, storeNoSpace } from "@viable/log";
import type { OpenRun } from "./open-run.ts";

const prefix = "reactors/open/";
const checkpointKey = "reactors/open-at";
/** How often what is open is noted, in milliseconds: that much of the log is read again after a crash. */
const noteEveryMs = 5_000;
/** Records of one append, below the log's bound. */
const noteRecords = 1_000;

/** What notes are taken of. */
export interface NotedRuns {
  get(runId: string): OpenRun | undefined;
  /** Up to where of the log all is known. */
  position(): Position;
  /** Told once when notes begin to be refused, and again when they are after they had been written. */
  onProblem(message: string): void;
}

/**
 * What of open runs is noted in records. Several processes note the same; who is further has the last word. Nothing depends on a note but how
 * much of the log a start reads, so one that cannot be written is written with the next ones.
 */
export class OpenRunNotes {
  readonly #log: Log;
  readonly #runs: NotedRuns;
  /** Whose record is not as the run is: noted with the next checkpoint. */
  readonly #changed = new Set<string>();
  /** Runs that ended since the last notes, and where they had been opened: those before a checkpoint may have a record. */
  readonly #ended = new Map<string, Position>();
  #notedAt: Position = startPosition;
  #timer: Timer | undefined;
  #isStopped = false;
  #isFailing = false;

  constructor(log: Log, runs: NotedRuns) {
    this.#log = log;
    this.#runs = runs;
  }

  /** Calls back with what is noted; answers from where on the log says more. */
  async read(ctx: Context, add: (run: OpenRun) => void): Promise<Position> {
    const checkpoint = await this.#log.getRecord(ctx, checkpointKey);
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page = await this.#log.listRecords(ctx, prefix, { after, limit: noteRecords });
      for (const { key, value } of page) add(fromNote(key.slice(prefix.length), value));
      after = page.length < noteRecords ? undefined : page.at(-1)?.key;
    }
    this.#notedAt = positionIn(checkpoint?.value) ?? startPosition;
    return this.#notedAt;
  }

  /** Writes notes from now on, every few seconds. */
  start(ctx: Context): void {
    const next = () => void this.#tryToWrite(ctx).finally(() => this.#isStopped || this.start(ctx));
    this.#timer = ctx.runtime.clock.setTimer(next, noteEveryMs, { background: true });
  }

  /** Writes what is left to be noted, and no more. */
  async stop(ctx: Context): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#tryToWrite(ctx);
  }

  opened(runId: string): void {
    this.#ended.delete(runId);
    this.#changed.add(runId);
  }

  changed(runId: string): void {
    this.#changed.add(runId);
  }

  ended({ runId, since }: OpenRun): void {
    this.#changed.delete(runId);
    this.#ended.set(runId, since);
  }

  async #tryToWrite(ctx: Context): Promise<void> {
    try {
      await this.#write(ctx);
      this.#isFailing = false;
    } catch (error) {
      // A database that is away or full says so itself, and to everybody.
      if (error instanceof ViableError && (error.retryable || error.code === storeNoSpace)) return;
      if (!this.#isFailing)
        this.#runs.onProblem(
          `Open runs could not be noted, and a start reads more of the log until they are: ${toWire(error).message}`,
        );
      this.#isFailing = true;
    }
  }

  /** Writes down what changed since, and then up to where. */
  async #write(ctx: Context): Promise<void> {
    const position = this.#runs.position();
    if (comparePositions(position, this.#notedAt) <= 0) return;
    const current = await this.#log.getRecord(ctx, checkpointKey);
    const theirs = positionIn(current?.value);
    const noted = { changed: [...this.#changed], ended: [...this.#ended] };
    const isKnown = (since: Position) =>
      comparePositions(since, this.#notedAt) <= 0 || (theirs !== undefined && comparePositions(since, theirs) <= 0);
    const writes = this.#toWrites(
      noted.changed,
      noted.ended.filter(([, since]) => isKnown(since)),
    );
    this.#changed.clear();
    this.#ended.clear();
    // Another process has noted all of this already.
    if (theirs !== undefined && comparePositions(theirs, position) >= 0) {
      this.#notedAt = position;
      return;
    }
    try {
      const isWritten = await this.#append(ctx, writes, theirs ?? startPosition, position, current?.version ?? 0);
      if (isWritten) this.#notedAt = position;
      else this.#noteAgain(noted);
    } catch (error) {
      this.#noteAgain(noted);
      throw error;
    }
  }

  #toWrites(changed: readonly string[], ended: readonly (readonly [string, Position])[]): RecordWrite[] {
    const writes: RecordWrite[] = [];
    for (const runId of changed) {
      const run = this.#runs.get(runId);
      if (run !== undefined) writes.push({ key: prefix + runId, value: toNote(run), expected: "any" });
    }
    for (const [runId] of ended) writes.push({ key: prefix + runId, value: null, expected: "any" });
    return writes;
  }

  /** The next notes say it again: until then a start reads a little more. */
  #noteAgain({
    changed,
    ended,
  }: {
    changed: readonly string[];
    ended: readonly (readonly [string, Position])[];
  }): void {
    for (const runId of changed) if (this.#runs.get(runId) !== undefined) this.#changed.add(runId);
    for (const [runId, since] of ended) if (this.#runs.get(runId) === undefined) this.#ended.set(runId, since);
  }

  /**
   * Each append writes the checkpoint too, at the version that was read: whoever is slow, and has older notes, is refused. False where that
   * happened, as it does where processes note at the same time.
   */
  async #append(
    ctx: Context,
    writes: readonly RecordWrite[],
    from: Position,
    to: Position,
    version: number,
  ): Promise<boolean> {
    let expected = version;
    for (let at = 0; at === 0 || at < writes.length; at += noteRecords) {
      const isLast = at + noteRecords >= writes.length;
      const fence = { key: checkpointKey, value: { position: isLast ? to : from }, expected };
      const outcome = await this.#log.append(ctx, { records: [...writes.slice(at, at + noteRecords), fence] });
      if (!outcome.ok && outcome.reason === "record_conflict") return false;
      if (!outcome.ok)
        throw new ViableError("reactor.notes_refused", `The log did not take them: ${outcome.reason}.`, {
          retryable: true,
        });
      expected = outcome.recordVersions.at(-1) ?? 0;
    }
    return true;
  }
}

/** The position that a checkpoint holds. */
function positionIn(checkpoint: JsonValue | undefined): Position | undefined {
  const isObject = typeof checkpoint === "object" && checkpoint !== null && "position" in checkpoint;
  const position = isObject ? checkpoint.position : undefined;
  return typeof position === "string" && isPosition(position) ? position : undefined;
}

const toNote = ({ runId: _, scheduledMs: __, ...run }: OpenRun): JsonValue => JSON.parse(JSON.stringify(run));

/** What is in a record is what `toNote` made, here or in a release before. */
function fromNote(runId: string, value: JsonValue): OpenRun {
  const noted = value as unknown as Omit<OpenRun, "runId" | "scheduledMs">;
  return {
    runId,
    tenant: noted.tenant,
    reactor: noted.reactor,
    hash: noted.hash,
    since: noted.since,
    parentId: noted.parentId,
    claim: noted.claim,
    version: noted.version,
    idle: noted.idle,
    standing: noted.standing,
    scheduledMs: undefined,
    awaits: noted.awaits,
    approvals: noted.approvals,
    unreadable: noted.unreadable,
  };
}
