import type { EncodedAppend, Store } from "../store.ts";

type Commit = Store["commit"];

/** A store whose commits a test may hold up, make fail, or lose the answer of; and that remembers what it was sent. */
export interface ControlledStore extends Store {
  /** The batches that arrived, in order, those that failed included. */
  readonly batches: readonly (readonly EncodedAppend[])[];
  /** Holds up every commit from now on until the returned function is called. */
  hold(): () => void;
  /** What becomes of the next commits, one after the other; after them all goes well again. */
  next(...fates: ("ok" | "lost-answer" | Error)[]): void;
}

/** Puts a store under control. `lost-answer` commits and then fails as a broken connection does. */
export function controlStore(store: Store, lostAnswer: () => Error): ControlledStore {
  const batches: (readonly EncodedAppend[])[] = [];
  const fates: ("ok" | "lost-answer" | Error)[] = [];
  let held: Promise<void> | undefined;
  const commit: Commit = async (batch, now, follow) => {
    batches.push(batch);
    const fate = fates.shift() ?? "ok";
    await held;
    if (fate instanceof Error) throw fate;
    const result = await store.commit(batch, now, follow);
    if (fate === "lost-answer") throw lostAnswer();
    return result;
  };
  return {
    ...store,
    commit,
    batches,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>();
      held = promise;
      return () => {
        held = undefined;
        resolve();
      };
    },
    next: (...given) => {
      fates.push(...given);
    },
  };
}
