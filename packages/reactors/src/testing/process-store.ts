import type { Store } from "@viable/log";
import type { ProcessClock } from "./process-clock.ts";

export interface ProcessStoreOptions {
  /** How it writes, in place of the store's own way; whether the process runs is asked around it. */
  readonly commit: Store["commit"];
  /** Called as each call sets out; what it throws, the call rejects with. */
  readonly setOut?: () => void;
}

/**
 * A store that several share, as one process sees it: nothing that the process asks reaches the store, and no answer reaches the process, unless
 * it runs. While it is paused both wait; once it is dead neither comes.
 */
export function processStore(store: Store, clock: ProcessClock, { commit, setOut }: ProcessStoreOptions): Store {
  const over =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await clock.untilRunning();
      setOut?.();
      const result = await call(...args);
      await clock.untilRunning();
      return result;
    };
  return {
    ...store,
    open: over(store.open),
    commit: over(commit),
    readStream: over(store.readStream),
    readStreams: over(store.readStreams),
    readAll: over(store.readAll),
    head: over(store.head),
    getRecords: over(store.getRecords),
    listRecords: over(store.listRecords),
    readChanges: over(store.readChanges),
    purgeRecords: over(store.purgeRecords),
    query: over(store.query),
    sizeBytes: over(store.sizeBytes),
  };
}
