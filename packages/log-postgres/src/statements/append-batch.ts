import type { CommitOutcome, CommitResult, EncodedAppend } from "@viable/log";
import { jsonTexts, numberArray, textArray } from "../array-literal.ts";
import type { Param, Row, Statement } from "../session.ts";

/** Calls the function (migration 5): one round trip, whatever is in the batch. */
export const appendBatch: Statement = {
  name: "viable_append_batch",
  text: `SELECT *, current_setting('viable.connection', true) AS connection FROM viable.append_batch($1::double precision, $2::int,
    $3::int[], $4::text[], $5::bigint[], $6::text[], $7::int[],
    $8::int[], $9::int[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], string_to_array($15::text, E'\\x1f'), string_to_array($16::text, E'\\x1f'), $17::double precision[],
    $18::int[], $19::text[], $20::bigint[], $21::text[], $22::double precision[], $23::text[])`,
};

export function appendBatchParams(batch: readonly EncodedAppend[], now: number): Param[] {
  const writes = batch.flatMap((append, index) => append.streams.map((write) => ({ append: index + 1, ...write })));
  const events = writes.flatMap((write, index) =>
    write.events.map((event, nth) => ({ write: index + 1, nth: nth + 1, ...event })),
  );
  const puts = batch.flatMap((append, index) =>
    append.records.map((put) => ({ append: index + 1, by: append.id ?? null, ...put })),
  );
  return [
    String(now),
    String(batch.length),
    numberArray(writes.map((write) => write.append)),
    textArray(writes.map((write) => write.stream)),
    numberArray(writes.map((write) => write.expected)),
    textArray(writes.map((write) => write.events[0]?.id ?? null)),
    numberArray(writes.map((write) => write.events.length)),
    numberArray(events.map((event) => event.write)),
    numberArray(events.map((event) => event.nth)),
    textArray(events.map((event) => event.id)),
    textArray(events.map((event) => event.type)),
    textArray(events.map((event) => event.tenant)),
    textArray(events.map((event) => event.session)),
    textArray(events.map((event) => event.correlation)),
    jsonTexts(events.map((event) => event.data)),
    jsonTexts(events.map((event) => event.metadata)),
    numberArray(events.map((event) => event.time)),
    numberArray(puts.map((put) => put.append)),
    textArray(puts.map((put) => put.key)),
    numberArray(puts.map((put) => put.expected)),
    textArray(puts.map((put) => put.value)),
    numberArray(puts.map((put) => put.expiresAt)),
    textArray(puts.map((put) => put.by)),
  ];
}

/** Reads the function's rows, one for each append of the batch, in its order. */
export function toCommitResult(batch: readonly EncodedAppend[], rows: readonly Row[]): CommitResult {
  const streams = batch.flatMap((append) => append.streams.map((write) => write.stream));
  const keys = batch.flatMap((append) => append.records.map((put) => put.key));
  const outcomes = batch.map((_, index): CommitOutcome => {
    const row = rows[index] as Row;
    const conflict = Number(row.conflict) - 1;
    switch (row.outcome) {
      case "stream_conflict":
        return { kind: "stream_conflict", stream: streams[conflict] as string, actual: Number(row.actual) };
      case "record_conflict":
        return { kind: "record_conflict", key: keys[conflict] as string, actual: Number(row.actual) };
      default: {
        return {
          kind: "appended",
          firstOrdinal: Number(row.first_position),
          firstVersions: toNumbers(row.stream_versions),
          recordVersions: toNumbers(row.record_versions),
          repeated: row.outcome === "repeated",
        };
      }
    }
  });
  return { outcomes, lastChange: Number(rows.at(-1)?.last_change) };
}

const toNumbers = (list: Row[string] | undefined): number[] =>
  typeof list === "string" && list !== "" ? list.split(",").map(Number) : [];
