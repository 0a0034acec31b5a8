import type { Statement } from "../session.ts";
import { eventColumns } from "./events.ts";

export const readStreamForward: Statement = {
  name: "viable_read_stream_forward",
  text: `SELECT ${eventColumns} FROM viable.events
    WHERE stream = $1::text AND version >= $2::bigint ORDER BY version LIMIT $3::bigint`,
};

export const readStreamBackward: Statement = {
  name: "viable_read_stream_backward",
  text: `SELECT ${eventColumns} FROM viable.events
    WHERE stream = $1::text AND version <= $2::bigint ORDER BY version DESC LIMIT $3::bigint`,
};
