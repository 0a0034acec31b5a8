import { ViableError } from "@viable/kernel";
import type { StoredEvent } from "@viable/log/define";
import { checkProjections, reaction } from "@viable/log/define";
import type { ReactorDefinition } from "./definition.ts";
import { eventPattern, eventRule } from "./definition-rules.ts";

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
  if (toPattern(type).test(handedOver))
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
    throw invalidManager(manager, `${path}.sends`, `it ${eventRule}`);
}

/** The type of event as which what is sent is written. */
const handedOver = "event.received";

/** A glob means here what it means to the log, of which a definition loads no more than it needs. */
const toPattern = (glob: string): RegExp =>
  new RegExp(`^${glob.replace(/[\\^$.+?()[\]{}|]/g, "\\$&").replaceAll("*", ".*")}$`);
