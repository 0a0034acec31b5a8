import type { LogPage } from "../log-page.ts";
import type { Store } from "../store.ts";

/** What reads of a store, with pages that end after so many events, however many are asked for: as those do whose events are large. */
export function shortPages(store: Store, maxEvents: number): Pick<Store, "readStream" | "readStreams" | "readAll"> {
  const cut = ({ events, isEnd }: LogPage): LogPage => ({
    events: events.slice(0, maxEvents),
    isEnd: isEnd && events.length <= maxEvents,
  });
  const { readStream, readStreams, readAll } = store;
  return {
    readStream: async (...args) => cut(await readStream(...args)),
    readStreams: async (...args) => (await readStreams(...args)).map(cut),
    readAll: async (...args) => cut(await readAll(...args)),
  };
}
