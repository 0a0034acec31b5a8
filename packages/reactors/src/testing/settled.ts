import type { SimulatedTime } from "@viable/kernel";

/** Says, whenever it is asked, whether a promise has been settled. */
export function watch(promise: Promise<unknown>): () => boolean {
  let isSettled = false;
  const mark = () => {
    isSettled = true;
  };
  promise.then(mark, mark);
  return () => isSettled;
}

/** What a promise comes to, with as much simulated time passing as that takes; throws where it is not settled after `maxMs` of it. */
export async function settled<T>(time: SimulatedTime, promise: Promise<T>, maxMs?: number): Promise<T> {
  await time.until(watch(promise), maxMs);
  return await promise;
}
