import type { JsonObject, Random } from "@viable/kernel";
import type { AppendRequest } from "@viable/log";

/** One append as it was decided on: everything about it that a checker must know rides in its events. */
export interface Plan {
  readonly id: string;
  readonly writes: readonly { readonly stream: string; readonly expected: number | "any"; readonly events: number }[];
  readonly puts: readonly { readonly key: string; readonly expected: number }[];
}

/** What every event says of the append it belongs to, so that a checker can tell from the log alone whether one is whole. */
export interface Mark {
  readonly append: string;
  /** Its number among all events of the append, from 0, and how many there are. */
  readonly nth: number;
  readonly of: number;
  /** Which of the append's streams it is in, and its number there, from 0. */
  readonly write: number;
  readonly at: number;
  /** The version its stream had to have; -1 for any. */
  readonly expected: number;
  /** The records that change with it, in the first event only. */
  readonly puts: readonly { readonly key: string; readonly expected: number }[];
}

/** Streams and records that all writers of all processes contend for. Few, so that they do. */
const sharedNames = 8;
export const sharedPrefix = "shared/";

/** What a process has last heard of a stream's or a record's version. Wrong guesses are answered with a conflict, and corrected. */
export type Known = Map<string, number>;

export type Mix = "everything" | "events";

/**
 * Draws the next append of a writer: mostly one to three events to a stream of its own; then several streams at once, of which others
 * write some too; events at any version; events with a record beside them; a record of its own alone. Mix `events` leaves out
 * whatever can be answered with a conflict.
 */
export function drawAppend(random: Random, id: string, own: string, known: Known, mix: Mix): Plan {
  const pick = (count: number): number => Math.floor(random.next() * count);
  const at = (name: string): number => known.get(name) ?? 0;
  const ownWrite = { stream: `own/${own}`, expected: at(`own/${own}`), events: 1 + pick(3) };
  const sharedStream = `${sharedPrefix}${pick(sharedNames)}`;
  const shared = { stream: sharedStream, expected: at(sharedStream), events: 1 + pick(2) };
  const lot = random.next();
  if (mix === "events" || lot < 0.55) return { id, writes: [ownWrite], puts: [] };
  if (lot < 0.7) {
    const other = { stream: `${sharedPrefix}any/${pick(sharedNames)}`, expected: "any" as const, events: 1 };
    return { id, writes: [ownWrite, shared, other], puts: [] };
  }
  if (lot < 0.8) return { id, writes: [{ ...shared, expected: "any" }], puts: [] };
  if (lot < 0.9) {
    const key = `${sharedPrefix}${pick(sharedNames)}`;
    return { id, writes: [ownWrite], puts: [{ key, expected: at(`record ${key}`) }] };
  }
  return { id, writes: [], puts: [{ key: `own/${own}`, expected: at(`record own/${own}`) }] };
}

/** The request for a plan. The same plan makes the same request, so it can be sent again. */
export function toRequest(plan: Plan): AppendRequest {
  const of = plan.writes.reduce((sum, write) => sum + write.events, 0);
  let nth = 0;
  return {
    id: plan.id,
    streams: plan.writes.map(({ stream, expected, events }, write) => ({
      stream,
      expected,
      events: Array.from({ length: events }, (_, at) => {
        const mark: Mark = {
          append: plan.id,
          nth,
          of,
          write,
          at,
          expected: expected === "any" ? -1 : expected,
          puts: nth === 0 ? plan.puts : [],
        };
        // Sizes from nothing to several pages of the write-ahead log, so that an append also ends in the middle of one.
        const filler = "x".repeat(plan.id.length * nth * 7 + (plan.id.endsWith("00") ? 20_000 : 40));
        nth += 1;
        return {
          type: `fault.${write}`,
          id: eventId(plan.id, mark.nth),
          data: { ...mark, filler } as unknown as JsonObject,
        };
      }),
    })),
    records: plan.puts.map(({ key, expected }) => ({ key, expected, value: { append: plan.id } })),
  };
}

export const eventId = (append: string, nth: number): string => `${append}.${nth}`;
/** Who sent an append. One sends its next only when it has the answer to the last. */
export const senderOf = (append: string): string => append.slice(0, append.lastIndexOf("-"));

/** Corrects what is known by an answer. */
export function learn(known: Known, plan: Plan, versions: readonly number[], recordVersions: readonly number[]): void {
  plan.writes.forEach((write, index) => {
    known.set(write.stream, Math.max(known.get(write.stream) ?? 0, versions[index] ?? 0));
  });
  plan.puts.forEach((put, index) => {
    known.set(`record ${put.key}`, Math.max(known.get(`record ${put.key}`) ?? 0, recordVersions[index] ?? 0));
  });
}
