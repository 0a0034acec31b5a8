import type { Context } from "@viable/kernel";
import { isId, ViableError, withContext } from "@viable/kernel";
import type { Projection, StoredEvent } from "@viable/log";
import { matchesFilter, reaction } from "@viable/log";
import { keyTaken } from "./errors.ts";
import type { ProcessManager } from "./process-manager.ts";
import type { Reactors } from "./reactors.ts";
import { requireNewest } from "./require-newest.ts";
import { idFor } from "./run-id.ts";

/** With the manager's name before it, a key of a run has 200 characters. */
const maxKeyChars = 150;

/**
 * The reaction of the log that drives a manager's runs, to stand among its projections. Throws `reactor.unknown` or `reactor.not_newest`
 * where these reactors would not begin what the manager names.
 *
 * Promised: each event does what it says at least once, in order, in one process at a time; done again after a crash it counts once, since
 * a run is known by its key, and what is sent by the event it was made of. It acts in the event's tenant (W11). What cannot be done
 * (a key or an input that throws or does not fit, data too large to be sent, a key under which somebody else has begun a run, a run that
 * follows from others over more than sixteen hops) parks it before that event, with the reason, as every projection.
 *
 * Not promised: that a run began before what was sent to it; but what was sent under its key waits for it. That an event for a key without
 * a run is told of.
 */
export function reactionOf(
  manager: ProcessManager,
  reactors: Pick<Reactors, "begin" | "send" | "definitions">,
): Projection {
  const { name, reactor, on, begins } = manager;
  requireNewest(reactors.definitions, reactor, `The process manager "${name}"`);

  const start = async (ctx: Context, processKey: string, input: unknown, causation: string) => {
    const key = `process:${name}:${processKey}`;
    const begun = await reactors.begin(ctx, reactor.name, input, { key, causation });
    // One with another input is there already: the manager's own, whatever became of it.
    if (begun.ok || begun.first?.principal === ctx.principal) return;
    if (begun.first !== undefined) throw keyTaken(key, begun.first);
    throw new ViableError("reactor.overloaded", begun.message, { retryable: true });
  };
  return reaction({
    name,
    begins,
    filter: { types: [...new Set(on.map(({ type }) => type))] },
    async react(event, ctx) {
      const own = withContext(ctx, { tenant: event.metadata.tenant, traceparent: event.metadata.traceparent });
      for (const [nr, { type, key: keyOf, starts, sends }] of on.entries()) {
        if (!matchesFilter(event, { types: [type] })) continue;
        const key = keyOf(event);
        if (key === undefined) continue;
        if (typeof key !== "string" || key === "" || key.length > maxKeyChars)
          throw new ViableError(
            "reactor.invalid_key",
            `process manager "${name}", on.${nr}.key: it is no text of 1 to ${maxKeyChars} characters.`,
            { next: "Answer what the events of one run have in common, or undefined where an event concerns none." },
          );
        if (starts !== undefined) await start(own, key, starts(event), causeOf(event));
        if (sends !== undefined)
          await reactors.send(own, sends, key, event.data, { id: sentId(event, sends, key), source: event.id });
      }
    },
  });
}

/**
 * The execution or run that an event is of, or says that it follows from, by which it is known over how many hops a run came that it begins;
 * else the event.
 */
function causeOf({ id, stream, metadata: { causation } }: StoredEvent): string {
  const of = /^(?:execution|run):(.+)$/.exec(stream)?.[1];
  if (of !== undefined) return of;
  return causation !== undefined && (isId("exe", causation) || isId("run", causation)) ? causation : id;
}

/** The same each time, also where another manager sends the same: what is sent is there for all runs, and each takes it once. */
const sentId = (event: StoredEvent, sends: string, key: string): string => idFor("evt", [event.id, sends, key]);
