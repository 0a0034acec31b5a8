import type { Context, JsonValue, Timer } from "@viable/kernel";
import { invariant, toWire, ViableError } from "@viable/kernel";
import type { Log, Position, RecordWrite } from "@viable/log";
import { comparePositions, isPosition, startPosition, storeNoSpace } from "@viable/log";
import { runEvents } from "@viable/protocol";
import { z } from "zod";
import type { OpenRun } from "./open-run.ts";

const prefix = "reactors/open/";
const checkpointKey = "reactors/open-at";
/** How often what is open is noted, in milliseconds: that much of the log is read again after a crash. */
const noteEveryMs = 5_000;
/** Records of one append, and their characters of JSON: few enough that whoever appends meanwhile waits some 20 ms for them, and not 100. */
const noteRecords = 200;
const noteChars = 1024 * 1024;
/** How many notes are read at once: nobody waits for that. */
const readNotes = 1_000;
/** Of how many waits a run is noted: one that has more is read from the log at a start, which is less than to write them every few seconds. */
const maxNotedWaits = 1_000;

/**
 * How many runs that ended are kept in mind until their notes are cleared away: more than end between two notes, at some hundred bytes each.
 * Once there were more, as while the log refuses notes for good, none is, and the notes themselves are looked through when they can be
 * written again: nothing is lost but the time that takes.
 */
const maxEnded = 100_000;

/** How far notes go. */
interface Checkpoint {
  /** Up to where they say all: what was opened, changed or ended later, the log says. */
  readonly position: Position;
  /** No run that was opened later than here has a note: further than the position where notes were begun and not brought to their end. */
  readonly notedUpTo: Position;
}

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
  /** Runs that ended since the last notes, and where they had been opened: the first time, where they were opened anew since then. */
  readonly #ended = new Map<string, Position>();
  /** There were more of them than are kept in mind. */
  #hasForgotten = false;
  /** The last checkpoint that is known of. */
  #noted: Checkpoint = { position: startPosition, notedUpTo: startPosition };
  #timer: Timer | undefined;
  #isStopped = false;
  #isFailing = false;

  constructor(log: Log, runs: NotedRuns) {
    this.#log = log;
    this.#runs = runs;
  }

  /**
   * Calls back with what is noted, or with the run of which that does not say enough, and with the reason where it cannot be read; answers
   * from where on the log says more.
   */
  async read(
    ctx: Context,
    { noted, unknown }: { noted(run: OpenRun): void; unknown(runId: string, unreadable: string | undefined): void },
  ): Promise<Position> {
    const { position, notedUpTo } = checkpointIn(await this.#log.getRecord(ctx, checkpointKey)) ?? this.#noted;
    let upTo = notedUpTo;
    for await (const { runId, value } of this.#all(ctx)) {
      const note = noteShape.safeParse(value);
      if (note.success) upTo = laterOf(upTo, note.data.since);
      if (!note.success) unknown(runId, whyNot(note.error));
      else if (note.data.waits === "many") unknown(runId, undefined);
      else noted(fromNote(runId, note.data, note.data.waits));
    }
    this.#noted = { position, notedUpTo: upTo };
    return position;
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
    this.#changed.add(runId);
  }

  changed(runId: string): void {
    this.#changed.add(runId);
  }

  ended({ runId, since }: Pick<OpenRun, "runId" | "since">): void {
    this.#changed.delete(runId);
    if (!this.#ended.has(runId)) this.#keepEnded(runId, since);
  }

  #keepEnded(runId: string, since: Position): void {
    if (!this.#hasForgotten) this.#ended.set(runId, since);
    if (this.#ended.size > maxEnded) this.#forgetEnded();
  }

  #forgetEnded(): void {
    this.#hasForgotten = true;
    this.#ended.clear();
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
    if (comparePositions(this.#runs.position(), this.#noted.position) <= 0) return;
    const current = await this.#log.getRecord(ctx, checkpointKey);
    const theirs = checkpointIn(current) ?? this.#noted;
    // Only now, so that nothing that is to be noted was opened later.
    const position = this.#runs.position();
    const notedUpTo = laterOf(this.#noted.notedUpTo, theirs.notedUpTo);
    const noted = { changed: [...this.#changed], ended: [...this.#ended], hasForgotten: this.#hasForgotten };
    const known = noted.ended.filter(([, since]) => comparePositions(since, notedUpTo) <= 0);
    this.#changed.clear();
    this.#ended.clear();
    this.#hasForgotten = false;
    // Another process has noted all of this already.
    if (comparePositions(theirs.position, position) >= 0) {
      this.#noted = { position, notedUpTo };
      return;
    }
    try {
      const ended = noted.hasForgotten ? await this.#findEnded(ctx, position) : known.map(([runId]) => runId);
      const to = { position, notedUpTo: laterOf(notedUpTo, position) };
      const parts = this.#parts(noted.changed, ended, position);
      if (await this.#append(ctx, parts, theirs.position, to, current?.version ?? 0)) this.#noted = to;
      else this.#noteAgain(noted);
    } catch (error) {
      this.#noteAgain(noted);
      throw error;
    }
  }

  /** The runs that notes are there of and that have ended: what opened up to a position and is not open. */
  async #findEnded(ctx: Context, position: Position): Promise<string[]> {
    const ended: string[] = [];
    for await (const { runId, value } of this.#all(ctx)) {
      const opened = openedShape.safeParse(value);
      // One that cannot be read is for the next start, which reads its run.
      const isKnown = opened.success && comparePositions(opened.data.since, position) <= 0;
      if (isKnown && this.#runs.get(runId) === undefined) ended.push(runId);
    }
    return ended;
  }

  async *#all(ctx: Context): AsyncGenerator<{ readonly runId: string; readonly value: JsonValue }> {
    for (let after: string | undefined = ""; after !== undefined; ) {
      const { records, isEnd } = await this.#log.listRecords(ctx, prefix, { after, limit: readNotes });
      for (const { key, value } of records) yield { runId: key.slice(prefix.length), value };
      after = isEnd ? undefined : records.at(-1)?.key;
    }
  }

  /**
   * What is to be written, as much at a time as fits one append, and at least one part. Each is put together when it is its turn: of a hundred
   * thousand runs all notes at once would take more memory than the runs do. So a note may hold more than the log has up to the checkpoint,
   * which is not taken in again; but none is of a run that was opened later: where that ends, nobody would look for a note of it.
   */
  *#parts(changed: readonly string[], ended: readonly string[], to: Position): Generator<readonly RecordWrite[], void> {
    const isLater = ({ since }: OpenRun) => comparePositions(since, to) > 0;
    let part: RecordWrite[] = [];
    let chars = 0;
    for (const runId of changed) {
      const run = this.#runs.get(runId);
      // What was opened anew meanwhile is noted the next time.
      if (run === undefined || isLater(run)) continue;
      const note = toNote(run);
      const { length } = JSON.stringify(note);
      if (part.length > 0 && (part.length >= noteRecords || chars + length > noteChars)) {
        yield part;
        part = [];
        chars = 0;
      }
      chars += length;
      part.push({ key: prefix + runId, value: note, expected: "any" });
    }
    for (const runId of ended) {
      const run = this.#runs.get(runId);
      // Opened anew, and noted so.
      if (run !== undefined && !isLater(run)) continue;
      if (part.length >= noteRecords) {
        yield part;
        part = [];
      }
      part.push({ key: prefix + runId, value: null, expected: "any" });
    }
    yield part;
  }

  /** The next notes say it again: until then a start reads a little more. */
  #noteAgain({
    changed,
    ended,
    hasForgotten,
  }: {
    changed: readonly string[];
    ended: readonly (readonly [string, Position])[];
    hasForgotten: boolean;
  }): void {
    for (const runId of changed) if (this.#runs.get(runId) !== undefined) this.#changed.add(runId);
    if (hasForgotten) this.#forgetEnded();
    for (const [runId, since] of ended) this.#keepEnded(runId, since);
  }

  /**
   * Each append writes the checkpoint too, at the version that was read: whoever is slow, and has older notes, is refused. False where that
   * happened, as it does where processes note at the same time.
   */
  async #append(
    ctx: Context,
    parts: Iterator<readonly RecordWrite[], void>,
    from: Position,
    to: Checkpoint,
    version: number,
  ): Promise<boolean> {
    let expected = version;
    for (let part = parts.next(); !part.done; ) {
      const next = parts.next();
      const value = { ...to, position: next.done ? to.position : from };
      const fence = { key: checkpointKey, value, expected };
      const outcome = await this.#log.append(ctx, { records: [...part.value, fence] });
      if (!outcome.ok && outcome.reason === "record_conflict") return false;
      if (!outcome.ok)
        throw new ViableError("reactor.notes_refused", `The log did not take them: ${outcome.reason}.`, {
          retryable: true,
        });
      const written = outcome.recordVersions.at(-1);
      invariant(written !== undefined, "each record has a version", "the log took records and did not say theirs");
      expected = written;
      part = next;
    }
    return true;
  }
}

const positionShape = z.string().refine(isPosition);
/** Another release may have noted no more than the position. */
const checkpointShape = z.object({ position: positionShape, notedUpTo: positionShape.optional() });
const waitShape = z.discriminatedUnion("for", [
  z.object({ for: z.literal("event"), name: z.string() }),
  z.object({ for: z.literal("approval"), approvalId: z.string(), askedAt: positionShape }),
]);
/** What of a run is noted: another release may have noted other things, and a record may be damaged. */
const noteShape = z.object({
  tenant: z.string(),
  reactor: z.string(),
  hash: z.string(),
  since: positionShape,
  parentId: z.string().optional(),
  session: z.string().optional(),
  claim: runEvents["run.started"].shape.claim,
  version: z.number().int().min(1),
  idle: z.number().nullable().optional(),
  standing: z.enum(["needs_review", "parked"]).optional(),
  waits: z.union([z.array(z.tuple([z.string(), waitShape])), z.literal("many")]),
  unreadable: z.object({ version: z.number().int().min(1), reason: z.string() }).optional(),
});
type Note = z.infer<typeof noteShape>;
const openedShape = noteShape.pick({ since: true });

/** What the checkpoint's record holds; undefined where there is none, or it is damaged. */
function checkpointIn(record: { readonly value: JsonValue } | undefined): Checkpoint | undefined {
  const { data } = checkpointShape.safeParse(record?.value);
  return data && { position: data.position, notedUpTo: data.notedUpTo ?? data.position };
}

const laterOf = (one: Position, other: Position): Position => (comparePositions(one, other) > 0 ? one : other);

function whyNot({ issues: [issue] }: z.ZodError): string {
  return `${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? "it has another shape"}`;
}

function toNote({ runId: _, scheduledMs: __, waits, ...run }: OpenRun): Note {
  return { ...run, waits: (waits?.size ?? 0) > maxNotedWaits ? "many" : [...(waits ?? [])] };
}

function fromNote(runId: string, note: Note, waits: Exclude<Note["waits"], "many">): OpenRun {
  return {
    runId,
    tenant: note.tenant,
    reactor: note.reactor,
    hash: note.hash,
    since: note.since,
    parentId: note.parentId,
    session: note.session,
    claim: note.claim,
    version: note.version,
    idle: note.idle,
    standing: note.standing,
    scheduledMs: undefined,
    waits: waits.length === 0 ? undefined : new Map(waits),
    unreadable: note.unreadable,
  };
}
