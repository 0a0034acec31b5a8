import type { StoredEvent } from "./events.ts";

/**
 * How many bytes of data are read at once, beside the one event that goes beyond them: what one append may hold. A thousand events are a
 * thirtieth of it as they usually are, and gigabytes as they may be. What stands beside an event's data is not counted: it is names.
 */
export const maxPageBytes = 8 * 1024 * 1024;

/**
 * What was read at once, of one stream or of all. Where it is not the end there is at least one event, unless none was asked for. Of the pages
 * of several streams that are read together (`readStreams`) this holds for all of them as one: those whose turn had not come when the bytes
 * were reached have no event and are not the end, also where there is no such stream.
 */
export interface LogPage {
  readonly events: readonly StoredEvent[];
  /**
   * That nothing follows them. Where it is false something may, however few they are: as many as were asked for are here, or the next would
   * have made it too large. Who wants it reads on from the last.
   */
  readonly isEnd: boolean;
}
