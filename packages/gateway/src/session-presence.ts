import type { Presence } from "@viable/bus";
import type { Runtime, Timer } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { PresentClient, SessionPresenceView } from "@viable/protocol";
import { maxNamedClients, sessionPresence } from "@viable/protocol";

/** Somebody who follows the session here. */
export interface Present {
  readonly client: PresentClient;
  /** Is told who is there, as a whole message; false where there is no room for it now. Absent where nobody is to be told. */
  hearPresence?(message: string): boolean;
}

export interface SessionPresenceSettings {
  readonly runtime: Runtime;
  /** The bus's: it reaches as far as the bus does. */
  readonly presence: Presence;
  /** Whose word it is, among gateways. */
  readonly processId: string;
  readonly sessionId: string;
  /** Others do not hear of our clients at present. */
  onUnheard(error: unknown): void;
}

/** Who comes and goes within this time, in milliseconds, is told of together. */
const togetherMs = 50;
/** How often it is looked whether somebody came or went at another gateway, in milliseconds: the bus tells nobody of it. */
const lookMs = 1_000;

const kindOf = (sessionId: string): string => `session.${sessionId}`;

/**
 * Who follows a session: the clients of this process, and what other gateways say of theirs over the bus. What is told is what was measured or
 * heard, and no more up to date than that (W3): of a gateway that died its clients are told until the bus forgets it.
 */
export function presentIn(
  presence: Presence,
  processId: string,
  sessionId: string,
  here: Iterable<PresentClient>,
): SessionPresenceView {
  const clients = [...here];
  let count = clients.length;
  for (const { id, info } of presence.present(kindOf(sessionId))) {
    if (id === processId) continue;
    const heard = sessionPresence.safeParse(info);
    if (!heard.success) continue;
    count += heard.data.count;
    clients.push(...heard.data.clients);
  }
  clients.sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0));
  return { count, clients: clients.slice(0, maxNamedClients) };
}

/** Keeps other gateways told of the clients that follow one session here, and those clients of all. */
export class SessionPresence {
  readonly #settings: SessionPresenceSettings;
  readonly #kind: string;
  /** With what each was told last. */
  readonly #present = new Map<Present, string>();
  #withdraw: (() => void) | undefined;
  #look: Timer | undefined;
  #tell: Timer | undefined;

  constructor(settings: SessionPresenceSettings) {
    this.#settings = settings;
    this.#kind = kindOf(settings.sessionId);
  }

  enter(present: Present): void {
    this.#present.set(present, "");
    this.#changed();
    this.#look ??= this.#lookLater();
  }

  /** Whether nobody is left. */
  leave(present: Present): boolean {
    this.#present.delete(present);
    if (this.#present.size > 0) {
      this.#changed();
      return false;
    }
    this.stop();
    return true;
  }

  stop(): void {
    this.#present.clear();
    this.#withdraw?.();
    this.#withdraw = undefined;
    this.#look?.cancel();
    this.#look = undefined;
    this.#tell?.cancel();
    this.#tell = undefined;
  }

  #changed(): void {
    this.#tell ??= this.#settings.runtime.clock.setTimer(
      () => {
        this.#tell = undefined;
        this.#announce();
        this.#tellAll();
      },
      togetherMs,
      { background: true },
    );
  }

  #lookLater(): Timer {
    return this.#settings.runtime.clock.setTimer(
      () => {
        if (this.#withdraw === undefined) this.#announce();
        this.#tellAll();
        this.#look = this.#lookLater();
      },
      lookMs,
      { background: true },
    );
  }

  /** Says to other gateways who is here. What cannot be said now is said at the next look. */
  #announce(): void {
    const { runtime, presence, processId, onUnheard } = this.#settings;
    const before = this.#withdraw;
    try {
      this.#withdraw = presence.announce(rootContext(runtime), this.#kind, processId, {
        count: this.#present.size,
        clients: this.clients.slice(0, maxNamedClients),
      });
    } catch (error) {
      this.#withdraw = undefined;
      onUnheard(error);
    }
    // Only now: in between nobody would be there.
    before?.();
  }

  get clients(): PresentClient[] {
    return [...this.#present.keys()].map(({ client }) => client);
  }

  #tellAll(): void {
    const { presence, processId, sessionId } = this.#settings;
    const view = presentIn(presence, processId, sessionId, this.clients);
    const message = JSON.stringify({ type: "presence", sessionId, ...view });
    for (const [present, told] of [...this.#present]) {
      if (told !== message && present.hearPresence?.(message) === true) this.#present.set(present, message);
    }
  }
}
