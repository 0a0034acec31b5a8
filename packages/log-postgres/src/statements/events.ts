import type { StoredEvent } from "@viable/log";
import { decodeEvent } from "@viable/log";
import type { Row } from "../session.ts";

/** The columns an event is read back from. */
export const eventColumns = "position, stream, version, id, type, tenant, session, correlation, data, metadata, time";

export function toEvent(row: Row): StoredEvent {
  return decodeEvent(
    {
      id: row.id as string,
      type: row.type as string,
      data: row.data as string,
      tenant: row.tenant as string,
      session: row.session as string | null,
      correlation: row.correlation as string | null,
      metadata: row.metadata as string,
      time: row.time as number,
    },
    row.stream as string,
    Number(row.version),
    Number(row.position),
  );
}
