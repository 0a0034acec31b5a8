import type { Context, JsonObject } from "@viable/kernel";
import { createNoteLimit, rootContext } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { DeadLetterData } from "@viable/protocol";

/** How often the same command with the same code is recorded, in milliseconds: those between are counted with the next. */
const sameEveryMs = 60_000;
/** How many are recorded in a minute in all: a person reads no more, and the log keeps them for ever. */
const maxPerMinute = 60;
/** Kinds of them that are told apart: nobody asks for more names in earnest. The oldest go first. */
const maxKinds = 1_000;
/** What is kept of a name and of a reason, in characters: they may be anybody's. */
const maxNameChars = 200;
const maxReasonChars = 2_000;

/** A task that nobody took, as whoever refused it tells of it. */
export interface UndeliveredTask extends Omit<DeadLetterData, "more"> {
  /** Whose it was. */
  readonly session?: string | undefined;
  readonly correlation?: string | undefined;
}

/**
 * Writes down the tasks that were refused before anything of them was recorded. Promised: the first of a kind is on its way to the log when
 * this returns, and nobody waits for it. Not promised: that it arrives, since whoever asked was told already; or each one by itself:
 * of one kind (tenant, command, code) one a minute, and sixty a minute of all. The others are counted.
 */
export function createDeadLetters(log: Log, processId: string) {
  const notes = createNoteLimit({ maxPerMinute, maxKinds });
  const counts = { deadLetters: 0, deadLettersCounted: 0 };

  return {
    stats: () => ({ ...counts }),
    record(ctx: Context, { session, correlation, ...task }: UndeliveredTask): void {
      const nowMs = ctx.runtime.clock.monotonicMs();
      const command = task.command.slice(0, maxNameChars);
      const kind = `${ctx.tenant}\n${command}\n${task.code}`;
      counts.deadLetters += 1;
      const more = notes.take(kind, sameEveryMs, nowMs);
      if (more === undefined) {
        counts.deadLettersCounted += 1;
        return;
      }
      const data: DeadLetterData = {
        ...task,
        command,
        reason: task.reason.slice(0, maxReasonChars),
        more,
      };
      // Whoever asked may be gone at any moment, and its context with it.
      const ownCtx = rootContext(ctx.runtime, {
        tenant: ctx.tenant,
        principal: ctx.principal,
        ...(ctx.traceparent !== undefined && { traceparent: ctx.traceparent }),
      });
      log
        .append(ownCtx, {
          streams: [
            {
              stream: `dead-letters:${processId}`,
              expected: "any",
              events: [{ type: "task.dead_lettered", data: data as unknown as JsonObject }],
              session,
              correlation,
              causation: task.parentId,
            },
          ],
        })
        .then(
          (outcome) => {
            if (!outcome.ok) counts.deadLettersCounted += 1;
          },
          () => {
            counts.deadLettersCounted += 1;
          },
        );
    },
  };
}
