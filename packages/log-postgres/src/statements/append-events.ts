import type { CommitOutcome, CommitResult, EncodedAppend } from "@viable/log";
import { jsonTexts, numberArray, textArray } from "../array-literal.ts";
import type { Param, Row, Statement } from "../session.ts";

/** Calls the function (migration 5). */
export const appendEvents: Statement = {
  name: "viable_append_events",
  text: `SELECT viable.append_events($1::text[], $2::bigint[], $3::text[],
    $4::int[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
    string_to_array($12::text, E'\\x1f'), string_to_array($13::text, E'\\x1f'), $14::double precision[]) AS answer,
    current_setting('viable.connection', true) AS connection`,
};

/** Whether a batch is of events alone, at least one in each write: then the short way can decide it. No stream is in it twice. */
export const isEventsAlone = (batch: readonly EncodedAppend[]): boolean =>
  batch.every(
    ({ records, streams }) =>
      records.length === 0 && streams.length > 0 && streams.every(({ events }) => events.length > 0),
  );

export function appendEventsParams(batch: readonly EncodedAppend[]): Param[] {
  const streams: string[] = [];
  const expected: number[] = [];
  const firstIds: string[] = [];
  const write: number[] = [];
  const nth: number[] = [];
  const columns = {
    stream: [] as string[],
    id: [] as string[],
    type: [] as string[],
    tenant: [] as string[],
    data: [] as string[],
    metadata: [] as string[],
  };
  const session: (string | null)[] = [];
  const correlation: (string | null)[] = [];
  const time: number[] = [];
  for (const append of batch) {
    for (const { stream, expected: version, events } of append.streams) {
      streams.push(stream);
      expected.push(version);
      firstIds.push(events[0]?.id ?? "");
      for (let index = 0; index < events.length; index++) {
        const event = events[index] as (typeof events)[number];
        write.push(streams.length);
        nth.push(index + 1);
        columns.stream.push(stream);
        columns.id.push(event.id);
        columns.type.push(event.type);
        columns.tenant.push(event.tenant);
        columns.data.push(event.data);
        columns.metadata.push(event.metadata);
        session.push(event.session);
        correlation.push(event.correlation);
        time.push(event.time);
      }
    }
  }
  return [
    textArray(streams),
    numberArray(expected),
    textArray(firstIds),
    numberArray(write),
    numberArray(nth),
    textArray(columns.stream),
    textArray(columns.id),
    textArray(columns.type),
    textArray(columns.tenant),
    textArray(session),
    textArray(correlation),
    jsonTexts(columns.data),
    jsonTexts(columns.metadata),
    numberArray(time),
  ];
}

/** Reads the function's answer; undefined where it wrote nothing and the whole decision is to be asked for. */
export function toEventsResult(batch: readonly EncodedAppend[], row: Row | undefined): CommitResult | undefined {
  if (typeof row?.answer !== "string") return undefined;
  const [baseOrdinal = 0, lastChange = 0, ...versions] = row.answer.split(",").map(Number);
  let ordinal = baseOrdinal + 1;
  let at = 0;
  const outcomes = batch.map((append): CommitOutcome => {
    const firstOrdinal = ordinal;
    const firstVersions = append.streams.map((write) => {
      ordinal += write.events.length;
      return (versions[at++] ?? 0) + 1;
    });
    return { kind: "appended", firstOrdinal, firstVersions, recordVersions: [], repeated: false };
  });
  return { outcomes, lastChange };
}
