import type { Context } from "@viable/kernel";
import type { Log, Position, StoredEvent } from "@viable/log";
import { startPosition } from "@viable/log";

export interface LogEventsQuery {
  /** On from here, oldest first. Without it the latest come, still oldest first. */
  readonly after: Position | undefined;
  /** Where the latest end, if they are asked for. */
  readonly before: Position | undefined;
  readonly limit: number;
  readonly session: string | undefined;
  readonly types: readonly string[] | undefined;
}

/**
 * Events of the caller's tenant, oldest first, and where to go on from, also when there are no more yet: then there are none. At most `limit`,
 * and no more than the log reads at once: 8 MiB of data, and the event that goes beyond it.
 */
export async function readLogEvents(
  ctx: Context,
  log: Log,
  { after, before, limit, session, types }: LogEventsQuery,
): Promise<{ events: readonly StoredEvent[]; next: Position }> {
  const from = after ?? before;
  const page = await log.readAllPage(ctx, {
    direction: after === undefined ? "backward" : "forward",
    limit,
    decoding: "lenient",
    ...(from !== undefined && { from }),
    filter: {
      tenant: ctx.tenant,
      ...(session !== undefined && { session }),
      ...(types !== undefined && { types }),
    },
  });
  const events = after === undefined ? page.events.toReversed() : page.events;
  return { events, next: events.at(-1)?.position ?? after ?? startPosition };
}
