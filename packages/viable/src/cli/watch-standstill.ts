import type { Clock, Timer } from "@viable/kernel";

/** A watch over somebody who should say again and again that he goes on. */
export interface StandstillWatch {
  /** He has said so. */
  heard(): void;
  end(): void;
}

/**
 * Calls back once when nothing was heard for more than `maxMs`, with for how long. Counted in looks `everyMs` apart, as many as this process had time
 * for: where the machine was asleep, nobody stood still.
 */
export function watchStandstill(
  clock: Clock,
  { everyMs, maxMs }: { readonly everyMs: number; readonly maxMs: number },
  onStandstill: (silentMs: number) => void,
): StandstillWatch {
  let silentMs = 0;
  let timer: Timer | undefined;
  const look = () => {
    silentMs += everyMs;
    if (silentMs > maxMs) onStandstill(silentMs);
    else schedule();
  };
  const schedule = () => {
    timer = clock.setTimer(look, everyMs, { background: true });
  };
  schedule();
  return {
    heard() {
      silentMs = 0;
    },
    end: () => timer?.cancel(),
  };
}
