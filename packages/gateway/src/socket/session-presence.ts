import type { Presence } from "@viable/bus";
import type { Runtime, Timer } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { SocketClient } from "@viable/protocol";
import { maxNamedClients, socketPresence } from "@viable/protocol";

/** A socket that is joined to the session. */
export interface PresentSocket {
  readonly client: SocketClient;
  /** Is told who is there, as a whole message; false where there is no room for it now. */
  hearPresence(message: string): boolean;
}

export interface SessionPresenceSettings {
  readonly runtime: Runtime;
  /** The bus's: it reaches as far as the bus does. */
  readonly presence: Presence;
  /** Whose word it is, among gateways. */
  readonly processId: string;
  readonly sessionId: string;
  /** Others do not hear of our sockets at present. */
  onUnheard(error: unknown): void;
}

/** Who comes and goes within this time, in milliseconds, is told of together. */
const togetherMs = 50;
/** How often it is looked whether somebody came or went at another gateway, in milliseconds: the bus tells nobody of it. */
const lookMs = 1_000;

/**
 * Who is joined to one session: the sockets of this process, and what other gateways say of theirs over the bus. What is told is what was
 * measured or heard, and no more up to date than that (W3): of a gateway that died its sockets are told until the bus forgets it.
 */
export class SessionPresence {
  readonly #settings: SessionPresenceSettings;
  readonly #kind: string;
  /** With what each was told last. */
  readonly #sockets = new Map<PresentSocket, string>();
  #withdraw: (() => void) | undefined;
  #look: Timer | undefined;
  #tell: Timer | undefined;

  constructor(settings: SessionPresenceSettings) {
    this.#settings = settings;
    this.#kind = `socket.${settings.sessionId}`;
  }

  enter(socket: PresentSocket): void {
    this.#sockets.set(socket, "");
    this.#changed();
    this.#look ??= this.#lookLater();
  }

  leave(socket: PresentSocket): void {
    if (!this.#sockets.delete(socket)) return;
    if (this.#sockets.size > 0) this.#changed();
    else this.stop();
  }

  stop(): void {
    this.#sockets.clear();
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
        count: this.#sockets.size,
        clients: this.#own().slice(0, maxNamedClients),
      });
    } catch (error) {
      this.#withdraw = undefined;
      onUnheard(error);
    }
    // Only now: in between nobody would be there.
    before?.();
  }

  #own(): SocketClient[] {
    return [...this.#sockets.keys()].map(({ client }) => client);
  }

  #tellAll(): void {
    const { presence, processId, sessionId } = this.#settings;
    let count = this.#sockets.size;
    const clients = this.#own();
    for (const { id, info } of presence.present(this.#kind)) {
      if (id === processId) continue;
      const heard = socketPresence.safeParse(info);
      if (!heard.success) continue;
      count += heard.data.count;
      clients.push(...heard.data.clients);
    }
    clients.sort((a, b) => (a.since < b.since ? -1 : a.since > b.since ? 1 : 0));
    const message = JSON.stringify({ type: "presence", sessionId, count, clients: clients.slice(0, maxNamedClients) });
    for (const [socket, told] of [...this.#sockets]) {
      if (told !== message && socket.hearPresence(message)) this.#sockets.set(socket, message);
    }
  }
}
