import type { StoredEvent } from "./events.ts";

/** From where on a stream is read, among several. */
export interface StreamFrom {
  readonly stream: string;
  readonly fromVersion: number;
}

/** What was read at once, of one stream or of all, and whether that is all there is. */
export interface StreamPage {
  readonly events: readonly StoredEvent[];
  /** That nothing follows them. Where it is false something may, however few they are: who wants it reads on from the last. */
  readonly isEnd: boolean;
}

/** How much is read of several streams at once. */
export interface StreamPageLimits {
  /** Events of each stream. */
  readonly events: number;
  /** Bytes of data of all of them: no event follows the one that reaches it. */
  readonly bytes: number;
}

/** @internal An event that was found, and for which of the streams that were asked for, from 0. */
export interface FoundEvent {
  readonly at: number;
  readonly event: StoredEvent;
}

/**
 * @internal What was found as pages, one for each stream that was asked for. `found` is by stream, then by version; where it `isCut`, because
 * the bytes were reached, nobody knows what follows in the last stream of it and in those after.
 */
export function toStreamPages(
  streams: number,
  found: readonly FoundEvent[],
  maxEvents: number,
  isCut: boolean,
): StreamPage[] {
  const pages = Array.from({ length: streams }, (): StoredEvent[] => []);
  for (const { at, event } of found) pages[at]?.push(event);
  const whole = isCut ? (found.at(-1)?.at ?? 0) : streams;
  return pages.map((events, at) => ({ events, isEnd: at < whole && events.length < maxEvents }));
}
