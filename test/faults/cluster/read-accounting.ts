import { readFileSync } from "node:fs";
import { createRuntime, rootContext } from "@viable/kernel";
import { toOrdinal, toPosition } from "@viable/log";
import { withLog } from "../log/judge-database.ts";
import type { Step } from "./check-accounting.ts";
import type { EffectArrival } from "./ledger-lines.ts";

/** As many events as one read answers at most. */
const pageEvents = 10_000;
const streamPrefix = "execution:";

/** What a log says of executions. */
export interface LoggedExecutions {
  readonly executions: Map<string, Step[]>;
  readonly events: number;
  /**
   * By how much an event was handed in earlier than one that stands before it, at most, in milliseconds: appends of several processes
   * overtake each other by as long as they take, and by more where one goes by a clock that is off.
   */
  readonly maxBackMs: number;
}

/** Reads it from its first event, as any process that opens the log would. */
export async function readExecutions(connectionString: string): Promise<LoggedExecutions> {
  const ctx = rootContext(createRuntime());
  const executions = new Map<string, Step[]>();
  let position = 0;
  let events = 0;
  let newestMs = 0;
  let maxBackMs = 0;
  await withLog({ kind: "postgres", connectionString }, async (log) => {
    for (;;) {
      const page = await log.readAll(ctx, { from: toPosition(position), limit: pageEvents });
      for (const event of page) {
        position = toOrdinal(event.position);
        maxBackMs = Math.max(maxBackMs, newestMs - event.time);
        newestMs = Math.max(newestMs, event.time);
        if (!event.stream.startsWith(streamPrefix)) continue;
        const id = event.stream.slice(streamPrefix.length);
        const steps = executions.get(id) ?? [];
        executions.set(id, steps);
        if (event.version !== steps.length + 1)
          throw new Error(`${id} has version ${event.version} after ${steps.length}.`);
        steps.push({ type: event.type, atMs: event.time, data: event.data });
      }
      events += page.length;
      if (page.length < pageEvents) return;
    }
  });
  return { executions, events, maxBackMs };
}

/** What the ledger has written down. */
export const readArrivals = (file: string): EffectArrival[] =>
  readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as EffectArrival);
