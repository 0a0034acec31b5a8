import type { Bus } from "@viable/bus";
import { createMemoryBus } from "@viable/bus";
import type { Runtime } from "@viable/kernel";
import { toWire } from "@viable/kernel";

/** A handler may fail at every message. It is told of at most this often, in milliseconds; each time is counted in health and metrics. */
const tellEveryMs = 60_000;

/** The bus of a system in one process. `onFailure` is told in a sentence of handlers that fail where nobody waits for their answer. */
export function createSystemBus(runtime: Runtime, onFailure: (message: string) => void): Bus {
  let toldMs = Number.NEGATIVE_INFINITY;
  return createMemoryBus(runtime, {
    onHandlerError(error, subject) {
      const nowMs = runtime.clock.monotonicMs();
      if (nowMs - toldMs < tellEveryMs) return;
      toldMs = nowMs;
      onFailure(`Who listens to "${subject}" failed at a message: ${toWire(error).message}`);
    },
  });
}
