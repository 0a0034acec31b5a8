import type { Context } from "@viable/kernel";
import { ViableError, withContext } from "@viable/kernel";
import type { Projection, StoredEvent } from "@viable/log";
import { checkProjections, matchesFilter, reaction } from "@viable/log";
import type { ReactorDefinition } from "./definition.ts";
import type { Reactors } from "./reactors.ts";
import { requireNewest } from "./require-newest.ts";
import { runIdFor } from "./run-id.ts";

/** With the manager's name before it, a key of a run has 200 characters. */
const maxKeyChars = 150;
/** As a step that waits names its event. */
const eventPattern = /^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)*$/;

/** Which events concern which of a manager's runs, and what they do to it. Where one both begins and sends, it begins first. */
export interface Correlation<Input = unknown> {
  /** An exact type, or a glob with `*` for any run of characters: `order.*`. */
  readonly type: string;
  /** What the events of one run have in common, such as an order's id: at most 150 characters. Undefined: it concerns none. */
  readonly key: (event: StoredEvent) => string | undefined;
  /** Begins a run with what it answers, where there has been none under the key. */
  readonly starts?: (event: StoredEvent) => Input;
  /**
   * Hands the event's data over as an event of this name, under the key: to a step `waitFor` of the run that waits for both, now or later.
   */
  readonly sends?: string;
}

export interface ProcessManagerSettings<Input> {
  /** As a projection's, among which it stands: small letters, digits and `_`, at most 40. */
  readonly name: string;
  readonly reactor: ReactorDefinition<Input>;
  readonly on: readonly Correlation<NoInfer<Input>>[];
  /** Which events it begins with: all there are, or those that come after it was met first. Default `now`. */
  readonly begins?: "start" | "now";
}

/** Which events of the log drive runs of a reactor, as data: frozen. `reactionOf` makes it do so. */
export interface ProcessManager {
  readonly kind: "process_manager";
  readonly name: string;
  readonly reactor: ReactorDefinition;
  readonly on: readonly Correlation[];
  readonly begins: "start" | "now";
}

/**
 * Defines a process manager: runs that live as long as something in the world does, such as an order, and are driven by events of the
 * log that are correlated by a key. Checked here and now: throws `reactor.invalid_process_manager` with the place, and
 * `log.invalid_projection` for a name that cannot stand among projections.
 *
 * A key stands for one run, for ever, in each tenant. An event that would begin another finds the first, whatever became of it; so take
 * what is new each time: the order's id, not the customer's.
 */
export function processManager<Input>(settings: ProcessManagerSettings<Input>): ProcessManager {
  const { name, reactor, on, begins = "now" } = settings;
  checkProjections([reaction({ name, react: async () => {} })]);
  if (reactor?.kind !== "reactor") throw invalidManager(name, "reactor", "it is no definition of a reactor");
  if (!Array.isArray(on) || on.length === 0) throw invalidManager(name, "on", "it hears of no event");
  for (const [nr, each] of on.entries()) checkCorrelation(name, `on.${nr}`, each as Correlation);
  return Object.freeze({
    kind: "process_manager",
    name,
    reactor: reactor as ReactorDefinition,
    on: Object.freeze(on.map((each) => Object.freeze({ ...each }) as Correlation)),
    begins,
  });
}

/** `reactor.invalid_process_manager`: it could not do what it says. */
const invalidManager = (manager: string, path: string, reason: string): ViableError =>
  new ViableError("reactor.invalid_process_manager", `process manager "${manager}", ${path}: ${reason}.`, {
    next: "Change the process manager; it hears of nothing.",
    details: { manager, path, reason },
  });

function checkCorrelation(manager: string, path: string, { type, key, starts, sends }: Correlation): void {
  if (typeof type !== "string" || type === "")
    throw invalidManager(manager, `${path}.type`, "it names no type of event");
  if (matchesFilter({ type: handedOver } as StoredEvent, { types: [type] }))
    throw invalidManager(
      manager,
      `${path}.type`,
      `${type} is also of ${handedOver}, which it writes itself, without end`,
    );
  if (typeof key !== "function") throw invalidManager(manager, `${path}.key`, "it is no function");
  if (starts === undefined && sends === undefined)
    throw invalidManager(manager, path, "it neither starts nor sends, so its events come to nothing");
  if (starts !== undefined && typeof starts !== "function")
    throw invalidManager(manager, `${path}.starts`, "it is no function");
  if (sends !== undefined && !eventPattern.test(sends))
    throw invalidManager(manager, `${path}.sends`, "it must be words joined by dots, as payment.received");
}

/** The type of event as which what is sent is written. */
const handedOver = "event.received";

/**
 * The reaction of the log that drives a manager's runs, to stand among its projections. Throws `reactor.unknown` or `reactor.not_newest`
 * where these reactors would not begin what the manager names.
 *
 * Promised: each event does what it says at least once, in order, in one process at a time; done again after a crash it counts once, since
 * a run is known by its key, and what is sent by the event it was made of. It acts in the event's tenant (W11). What cannot be done
 * (a key or an input that throws or does not fit) parks it before that event, with the reason, as every projection.
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

  const start = async (ctx: Context, key: string, input: unknown) => {
    const begun = await reactors.begin(ctx, reactor.name, input, { key: `process:${name}:${key}` });
    if (!begun.ok && begun.reason === "overloaded")
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
        if (starts !== undefined) await start(own, key, starts(event));
        if (sends !== undefined)
          await reactors.send(own, sends, key, event.data, { id: sentId(event, sends, key), source: event.id });
      }
    },
  });
}

/** The same each time, also where another manager sends the same: what is sent is there for all runs, and each takes it once. */
const sentId = (event: StoredEvent, sends: string, key: string): string =>
  runIdFor([event.id, sends, key]).replace(/^run_/, "evt_");
