import type { Clock } from "@viable/kernel";

/** What a process says to whoever started it and holds a line to it: who it is among the system's processes, that it runs, and from then on that it goes on. */
export type SaidToStarter =
  | { readonly kind: "joins"; readonly processId: string }
  | { readonly kind: "runs" }
  | { readonly kind: "goes-on" };

/** How often it says that it goes on, in milliseconds. One whose code never lets go of the thread does not come to it. */
export const goesOnEveryMs = 1_000;

/** Says something to whoever started this process, if that one holds a line to it. */
export function tellStarter(said: SaidToStarter): void {
  // Whoever is gone need not be told; that the line has ended is heard elsewhere.
  if (process.connected) process.send?.(said, undefined, undefined, () => {});
}

/** Says from now on that this process goes on, if there is anybody to hear it. */
export function keepTellingStarter(clock: Clock): void {
  if (!process.connected) return;
  tellStarter({ kind: "goes-on" });
  clock.setTimer(() => keepTellingStarter(clock), goesOnEveryMs, { background: true });
}
