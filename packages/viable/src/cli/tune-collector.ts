import { setFlagsFromString } from "node:v8";

/**
 * Has V8 collect garbage as suits a process of which most that it makes lives as long as a run does: some milliseconds to some seconds.
 *
 * Old garbage is collected when there is as much of it as of what lives; by itself V8 waits for up to three times as much. What a heap once had
 * it keeps for later: a page that became free goes into a pool, and is given back only where memory runs out (V8 13.6). So a process that is
 * busy for a minute, as one that begins 100,000 runs, would hold for days what it needed then.
 *
 * Nothing is made among what is old from the start. V8 does so with what is made where most was still in use when garbage was last collected, as
 * it is where many runs go on at a time. When the run is over it is garbage that only the slow collection of what is old finds, and until
 * then it keeps all that it leads to. With 32 runs at a time this costs a twentieth to a tenth of them (`docs/explanation/performance.md`).
 *
 * For a process of our own, and at its start: it holds for all that runs in it.
 */
export function tuneCollector(): void {
  setFlagsFromString("--heap-growing-percent=100");
  setFlagsFromString("--no-allocation-site-pretenuring");
}
