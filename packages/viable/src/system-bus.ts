import { readFileSync } from "node:fs";
import type { Bus } from "@viable/bus";
import { createMemoryBus } from "@viable/bus";
import type { Runtime } from "@viable/kernel";
import { toWire, ViableError } from "@viable/kernel";
import type { SystemDefinition } from "./define-system.ts";
import type { Settings } from "./settings.ts";

/** A handler may fail at every message. It is told of at most this often, in milliseconds; each time is counted in health and metrics. */
const tellEveryMs = 60_000;

/** The bus of a system in one process. `onFailure` is told in a sentence of handlers that fail where nobody waits for their answer. */
export const createSystemBus = (runtime: Runtime, onFailure: (message: string) => void): Bus =>
  createMemoryBus(runtime, { onHandlerError: tellSometimes(runtime, onFailure) });

/**
 * The bus between the processes of a system, where NATS is named; undefined where it is not. It is up also while no NATS answers. Throws
 * `bus.invalid_servers` and `config.invalid`.
 */
export async function createSharedBus(
  runtime: Runtime,
  { name }: SystemDefinition,
  { natsUrl, natsCreds }: Settings,
  onFailure: (message: string) => void,
): Promise<Bus | undefined> {
  if (natsUrl === undefined) return undefined;
  // Here and not above: most systems have none, and would load its client at each start.
  const { createNatsBus } = await import("@viable/bus-nats");
  return createNatsBus(runtime, {
    servers: natsUrl.split(",").map((server) => server.trim()),
    prefix: `viable-${name}`,
    ...(natsCreds !== undefined && { creds: readCreds(natsCreds) }),
    onHandlerError: tellSometimes(runtime, onFailure),
    onProblem: ({ message, next }) => onFailure(next === undefined ? message : `${message} ${next}`),
  });
}

function readCreds(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new ViableError(
      "config.invalid",
      `The environment variable NATS_CREDS names ${file}, which cannot be read.`,
      {
        cause: error,
      },
    );
  }
}

function tellSometimes({ clock }: Runtime, onFailure: (message: string) => void) {
  let toldMs = Number.NEGATIVE_INFINITY;
  return (error: unknown, subject: string) => {
    const nowMs = clock.monotonicMs();
    if (nowMs - toldMs < tellEveryMs) return;
    toldMs = nowMs;
    onFailure(`Who listens to "${subject}" failed at a message: ${toWire(error).message}`);
  };
}
