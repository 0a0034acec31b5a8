import type { StoredEvent, StoredRecord } from "@viable/log";
import { toOrdinal } from "@viable/log";
import type { Ack } from "./lines.ts";
import type { Mark } from "./workload.ts";
import { eventId, senderOf, sharedPrefix } from "./workload.ts";

/** A promise of the log that does not hold. */
export interface Violation {
  readonly kind: /** An acknowledged append is not there. */
    | "lost"
    /** An append is there twice. */
    | "twice"
    /** Some of an append is there and some is not, or not together. */
    | "half"
    /** An append is not where its answer said, or two answers to it differ. */
    | "moved"
    /** A position was left out, or is there twice. */
    | "gap"
    /** A version was left out in a stream, or an append was let through at another version than it expected. */
    | "version"
    /** A record's versions are no single line, or it did not change together with its event. */
    | "record"
    /** Something is there that was answered with a conflict, or that nobody can have sent. */
    | "unasked"
    /** An append was refused without a reason, or its repeat was not recognised as one. */
    | "refused"
    /** A reader saw a position after a later one. */
    | "backwards"
    /** A reader passed over an event that is there. */
    | "skipped"
    /** A reader saw what is not there. */
    | "phantom";
  readonly text: string;
}

/** What the writers told of a log, which is to be held against it. */
export interface Told {
  readonly acks: readonly Ack[];
  readonly conflicts: ReadonlySet<string>;
  /** Whether that is all: at an instant in the middle of everything, more has happened than anybody has heard. */
  readonly isAll: boolean;
}

/** Kept of each append until its round has been judged. */
interface Found {
  readonly from: number;
  readonly of: number;
  readonly versions: number[];
  readonly puts: Mark["puts"];
  seen: number;
}

/**
 * Holds what is stored against what was told: everything acknowledged is there once, at the place it was acknowledged at; nothing is
 * half there; positions, versions of streams and versions of records have no gaps; what was answered with a conflict is not there.
 *
 * Events are handed to it in position order, from the first one on. It may be asked for its judgement several times as the log grows,
 * whenever nobody writes: what was told since the last time is held against what was taken since then.
 */
export class LogCheck {
  readonly #violations: Violation[] = [];
  #position = 0;
  readonly #streams = new Map<string, number>();
  readonly #records = new Map<string, { version: number; by: string }>();
  /** Records that one sender alone writes, without events: what is known of each, by the last acknowledgement or the last look at it. */
  readonly #alone = new Map<string, { version: number; by: string }>();
  /** The number of the last append that each sender was answered; where it has died with one unheard, none can be beyond it. */
  readonly #answered = new Map<string, number>();
  #found = new Map<string, Found>();
  /** Appends that are there, though their answer was never heard: they were under way when something died. */
  unheard = 0;
  events = 0;

  get position(): number {
    return this.#position;
  }

  take(event: StoredEvent): void {
    const mark = event.data as unknown as Mark;
    const position = toOrdinal(event.position);
    const where = `${event.id} at ${position}, ${event.stream} ${event.version}`;
    this.events += 1;
    if (position !== this.#position + 1) this.#note("gap", `${where} follows position ${this.#position}`);
    this.#position = position;
    const before = this.#streams.get(event.stream) ?? 0;
    if (event.version !== before + 1) this.#note("version", `${where} follows version ${before}`);
    this.#streams.set(event.stream, event.version);
    if (mark.at === 0 && mark.expected >= 0 && event.version !== mark.expected + 1) {
      this.#note("version", `${where} was let through expecting ${mark.expected}`);
    }
    if (event.id !== eventId(mark.append, mark.nth))
      this.#note("unasked", `${where} holds what belongs to ${mark.append}`);
    this.#takeIntoAppend(event, mark, position, where);
    if (mark.nth === 0) for (const put of mark.puts) this.#takePut(put.key, put.expected, mark.append, where);
  }

  #takeIntoAppend(event: StoredEvent, mark: Mark, position: number, where: string): void {
    let found = this.#found.get(mark.append);
    if (found === undefined) {
      found = { from: position, of: mark.of, versions: [], puts: mark.puts, seen: 0 };
      this.#found.set(mark.append, found);
    }
    if (mark.nth < found.seen) {
      this.#note("twice", where);
      return;
    }
    if (mark.nth > found.seen || position !== found.from + mark.nth) {
      this.#note("half", `${where} is event ${mark.nth} of its append, which begins at ${found.from}`);
    }
    found.seen = mark.nth + 1;
    found.versions[mark.write] = event.version;
  }

  /** A record that others write too: its event says which version it was to have, so that the events tell its whole history. */
  #takePut(key: string, expected: number, by: string, where: string): void {
    const before = this.#records.get(key)?.version ?? 0;
    if (expected !== before)
      this.#note("record", `${where} was let through expecting ${key} at ${expected}; it was at ${before}`);
    this.#records.set(key, { version: expected + 1, by });
  }

  /** The judgement: what does not hold, of all that was judged so far. */
  judge(told: Told, head: number, records: readonly StoredRecord[]): readonly Violation[] {
    if (head !== this.#position)
      this.#note("gap", `the log says it ends at ${head}, and its last event is ${this.#position}`);
    for (const [append, found] of this.#found) {
      if (found.seen < found.of) this.#note("half", `${append}: ${found.seen} of ${found.of} events`);
      if (told.conflicts.has(append)) this.#note("unasked", `${append} was answered with a conflict, and is there`);
    }
    const heard = this.#judgeAcks(told);
    for (const append of [...heard, ...told.conflicts]) {
      const sender = senderOf(append);
      this.#answered.set(sender, Math.max(this.#answered.get(sender) ?? 0, numberOf(append)));
    }
    this.#judgeUnheard(heard, told);
    this.#judgeRecords(records);
    this.#judgeAlone(records, told);
    this.#found = new Map();
    return this.#violations;
  }

  #judgeAcks({ acks, isAll }: Told): Set<string> {
    const heard = new Set<string>();
    for (const ack of acks) {
      const first = !heard.has(ack.id);
      heard.add(ack.id);
      if (ack.key !== undefined) {
        this.#takeAlone(ack, ack.key, isAll);
        continue;
      }
      const found = this.#found.get(ack.id);
      if (found === undefined) {
        if (first) this.#note("lost", `${ack.id}, acknowledged at ${ack.position}`);
        continue;
      }
      const position = found.from + found.of - 1;
      if (ack.position !== position || ack.versions.join() !== found.versions.join()) {
        this.#note("moved", `${ack.id}: told ${ack.position} (${ack.versions}), found ${position} (${found.versions})`);
      }
      found.puts.forEach((put, index) => {
        // A repeat answers 0 for records that others have written since.
        const version = ack.recordVersions[index];
        if (version === put.expected + 1 || (ack.repeated && version === 0)) return;
        this.#note("record", `${ack.id}: ${put.key} told at ${version}, written at ${put.expected + 1}`);
      });
    }
    return heard;
  }

  #takeAlone(ack: Ack, key: string, isAll: boolean): void {
    const version = ack.recordVersions[0] ?? 0;
    const last = this.#alone.get(key) ?? { version: 0, by: "nobody" };
    const isNext = isAll ? version === last.version + 1 : version > last.version;
    if (last.by === ack.id ? version !== last.version : !isNext) {
      this.#note("record", `${ack.id}: ${key} told at ${version} after ${last.by} was told ${last.version}`);
    }
    this.#alone.set(key, { version, by: ack.id });
  }

  #judgeUnheard(heard: ReadonlySet<string>, { conflicts, isAll }: Told): void {
    for (const append of this.#found.keys()) {
      if (heard.has(append) || conflicts.has(append)) continue;
      if (!this.#takeUnheard(append, isAll))
        this.#note(
          "unasked",
          `${append} was never answered, and is not its sender's one append after the last that was`,
        );
    }
  }

  /**
   * Whether something can be there unheard: a sender's next append goes out after the answer to the last, so it comes after all that were
   * answered, and when its sender has died it is the only one.
   */
  #takeUnheard(append: string, isAll: boolean): boolean {
    this.unheard += 1;
    const sender = senderOf(append);
    if (numberOf(append) <= (this.#answered.get(sender) ?? 0)) return false;
    if (isAll) this.#answered.set(sender, Number.POSITIVE_INFINITY);
    return true;
  }

  #judgeRecords(records: readonly StoredRecord[]): void {
    const stored = byKey(records);
    for (const [key, { version, by }] of this.#records) {
      const record = stored.get(key);
      if (record?.version === version && writerOf(record) === by) continue;
      this.#note(
        "record",
        `${key} is at ${record?.version} by ${record && writerOf(record)}; its events end with ${version} by ${by}`,
      );
    }
    for (const record of records) {
      if (record.key.startsWith(sharedPrefix) && !this.#records.has(record.key)) {
        this.#note("half", `record ${record.key} is there without the event that it was written with`);
      }
    }
  }

  /** Of each sender one more may have been written unheard, since it was last judged. */
  #judgeAlone(records: readonly StoredRecord[], { conflicts, isAll }: Told): void {
    const stored = byKey(records);
    for (const [key, { version, by }] of this.#alone) {
      const record = stored.get(key);
      if (record === undefined || record.version < version || (record.version === version && writerOf(record) !== by))
        this.#note("lost", `${key} is at ${record?.version}, and ${by} was acknowledged at ${version}`);
    }
    for (const record of records) {
      if (record.key.startsWith(sharedPrefix)) continue;
      const { version, by } = this.#alone.get(record.key) ?? { version: 0, by: "nobody" };
      const writer = writerOf(record);
      if (version === record.version) continue;
      if (conflicts.has(writer))
        this.#note("unasked", `${writer} was answered with a conflict, and ${record.key} is its`);
      if (!isOwn(record.key, writer)) this.#note("unasked", `${writer} wrote ${record.key}, which is another sender's`);
      if (!this.#takeUnheard(writer, isAll) || (isAll && record.version > version + 1))
        this.#note(
          "record",
          `${record.key} is at ${record.version} by ${writer}, and ${by} was the last told, at ${version}`,
        );
      if (isAll) this.#alone.set(record.key, { version: record.version, by: writer });
    }
  }

  #note(kind: Violation["kind"], text: string): void {
    this.#violations.push({ kind, text });
  }
}

const byKey = (records: readonly StoredRecord[]): Map<string, StoredRecord> =>
  new Map(records.map((record) => [record.key, record]));

const writerOf = (record: StoredRecord): string => (record.value as { append: string }).append;

/** The number of an append among its sender's. */
const numberOf = (append: string): number => Number(append.slice(append.lastIndexOf("-") + 1));

/** Whether a record that one sender alone writes, `own/<slot>/<writer>`, is an append's: of a process whose name ends with the slot. */
const isOwn = (key: string, append: string): boolean =>
  `-${senderOf(append)}`.endsWith(`-${key.split("/").slice(1).join("-")}`);
