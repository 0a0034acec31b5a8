import type { LogPage } from "../log-page.ts";
import type { Store } from "../store.ts";

/**
 * What reads of a store, with pages that end after so many events or records, however many are asked for: as those do whose events and
 * records are large.
 */
export function shortPages(
  store: Store,
  maxItems: number,
): Pick<Store, "readStream" | "readStreams" | "readAll" | "listRecords" | "readChanges"> {
  const cut = ({ events, isEnd }: LogPage): LogPage => ({
    events: events.slice(0, maxItems),
    isEnd: isEnd && events.length <= maxItems,
  });
  const { readStream, readStreams, readAll, listRecords, readChanges } = store;
  return {
    readStream: async (...args) => cut(await readStream(...args)),
    readStreams: async (...args) => (await readStreams(...args)).map(cut),
    readAll: async (...args) => cut(await readAll(...args)),
    listRecords: async (...args) => {
      const { records, isEnd } = await listRecords(...args);
      return { records: records.slice(0, maxItems), isEnd: isEnd && records.length <= maxItems };
    },
    readChanges: async (...args) => {
      const { changes, isEnd, lastChange } = await readChanges(...args);
      return { changes: changes.slice(0, maxItems), isEnd: isEnd && changes.length <= maxItems, lastChange };
    },
  };
}
