import type { Statement } from "../session.ts";

/** The position of the last event, 0 where there is none. */
export const lastOrdinal =
  "coalesce((SELECT position FROM viable.events WHERE partition = 1 ORDER BY position DESC LIMIT 1), 0)";

/** Where the log ends: with its last event, and with the last change of a record. */
export const head: Statement = {
  name: "viable_head",
  text: `SELECT ${lastOrdinal} AS ordinal, change FROM viable.log_partitions WHERE id = 1`,
};
