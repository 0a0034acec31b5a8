import type { NatsConnection } from "@nats-io/nats-core";

/** How much is sent before the server is asked whether it has read that far, in bytes: seldom enough to cost nothing. */
const confirmEveryBytes = 1_048_576;
/** What may be under way to a server that does not read, in bytes; the client itself would keep any amount. Some hundred of the largest messages. */
const maxUnconfirmedBytes = 67_108_864;

/** The way out over one connection, bounded (W10). */
export class Outbox {
  readonly #connection: NatsConnection;
  #unconfirmedBytes = 0;
  #isConfirming = false;

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  /**
   * Sends, unless the server is too far behind or the connection is just ending. Answers what became of it, or how many bytes this server
   * takes where it is more.
   */
  send(subject: string, text: string, reply?: string): "sent" | "full" | "ended" | { readonly maxBytes: number } {
    // A quarter of what an encoder takes, which the client would use.
    const data = Buffer.from(text);
    const maxBytes = this.#connection.info?.max_payload;
    if (maxBytes !== undefined && data.length > maxBytes) return { maxBytes };
    if (this.#unconfirmedBytes > maxUnconfirmedBytes) return "full";
    try {
      this.#connection.publish(subject, data, reply === undefined ? undefined : { reply });
    } catch {
      // The client refuses what it is given while it closes, before it says that it has closed.
      return "ended";
    }
    this.#unconfirmedBytes += data.length;
    if (this.#unconfirmedBytes > confirmEveryBytes && !this.#isConfirming) this.#confirm();
    return "sent";
  }

  #confirm(): void {
    this.#isConfirming = true;
    const bytes = this.#unconfirmedBytes;
    this.#connection.flush().then(
      () => {
        this.#unconfirmedBytes -= bytes;
        this.#isConfirming = false;
        if (this.#unconfirmedBytes > confirmEveryBytes) this.#confirm();
      },
      // The connection ends, and this with it.
      () => {},
    );
  }
}
