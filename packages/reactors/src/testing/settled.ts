import type { SimulatedTime } from "@viable/kernel";

/** What a promise comes to, with as much simulated time passing as that takes; throws where it is not settled after `maxMs` of it. */
export async function settled<T>(time: SimulatedTime, promise: Promise<T>, maxMs?: number): Promise<T> {
  let isSettled = false;
  const mark = () => {
    isSettled = true;
  };
  promise.then(mark, mark);
  await time.until(() => isSettled, maxMs);
  return await promise;
}
