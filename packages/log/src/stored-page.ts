import type { StoredEvent } from "./events.ts";

/**
 * How many bytes of data are read at once, beside the one event that goes beyond them: what one append may hold. A thousand events are a
 * thirtieth of it as they usually are, and gigabytes as they may be. What stands beside an event's data is not counted: it is names.
 */
export const maxPageBytes = 8 * 1024 * 1024;

/** Events that were read at once: as many as were asked for, or fewer where no others follow, or where it ends early. */
export interface StoredPage extends Array<StoredEvent> {
  /** There where it ends before an event that would have made it too large: others follow, however few these are. At least one is here. */
  endsEarly?: true;
}

/** @internal A page that is said to end early. */
export function endingEarly(events: StoredEvent[]): StoredPage {
  return Object.assign(events, { endsEarly: true } as const);
}

/** @internal Whether nothing follows a page that was asked for with a limit. Where it answers no, something may. */
export const isLastPage = (page: StoredPage, limit: number): boolean => page.endsEarly !== true && page.length < limit;
