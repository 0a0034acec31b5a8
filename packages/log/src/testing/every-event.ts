import type { EventFilter, StoredEvent } from "../events.ts";
import { toOrdinal } from "../events.ts";
import type { Store } from "../store.ts";

/** Everything in a store that passes a filter, in order, read to its end. */
export async function everyEvent(store: Pick<Store, "readAll">, filter: EventFilter = {}): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for (;;) {
    const last = events.at(-1);
    const page = await store.readAll(last === undefined ? 0 : toOrdinal(last.position), 1_000, "forward", filter);
    events.push(...page.events);
    if (page.isEnd) return events;
  }
}
