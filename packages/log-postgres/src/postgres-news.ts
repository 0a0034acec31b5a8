import type { Clock, Timer } from "@viable/kernel";
import type { News } from "@viable/log";
import pg from "pg";

const channel = "viable_log";
/** How long after a connection was lost another is tried, in milliseconds. Until then everybody looks for themselves each second. */
const reconnectMs = 1_000;

/**
 * Word between the processes on one server, by NOTIFY over a connection of its own: outside of every append, since a NOTIFY in a
 * transaction makes its commit wait for all others'.
 *
 * States: stopped → connecting → listening → lost (waits) → connecting … → stopped. Word that is spread while it is not listening is lost.
 */
export class PostgresNews implements News {
  readonly #config: pg.ClientConfig;
  readonly #clock: Clock;
  #onNews: (() => void) | undefined;
  #client: pg.Client | undefined;
  #connecting: Promise<void> | undefined;
  #retry: Timer | undefined;
  #announcing = false;
  /** Something more was written while the last word was on its way. */
  #again = false;

  constructor(config: pg.ClientConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  listen(onNews: () => void): void {
    this.#onNews = onNews;
    this.#connecting = this.#connect();
  }

  announce(): void {
    if (this.#announcing) {
      this.#again = true;
      return;
    }
    const client = this.#client;
    if (client === undefined) return;
    this.#announcing = true;
    this.#again = false;
    // Whether it went well is of no concern: who did not hear it looks anyway.
    client
      .query(`NOTIFY ${channel}`)
      .catch(() => {})
      .finally(() => {
        this.#announcing = false;
        if (this.#again) this.announce();
      });
  }

  async stop(): Promise<void> {
    this.#onNews = undefined;
    this.#retry?.cancel();
    await this.#connecting;
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => {});
  }

  async #connect(): Promise<void> {
    const client = new pg.Client(this.#config);
    let isOver = false;
    const over = () => {
      if (isOver) return;
      isOver = true;
      if (this.#client === client) this.#client = undefined;
      client.end().catch(() => {});
      this.#connectLater();
    };
    client.on("error", over);
    client.on("end", over);
    client.on("notification", ({ processId }) => {
      // One hears one's own word, too.
      if (processId !== backendOf(client)) this.#onNews?.();
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${channel}`);
    } catch {
      over();
      return;
    }
    if (isOver) return;
    this.#client = client;
    // What was told before is not told again.
    this.#onNews?.();
  }

  #connectLater(): void {
    if (this.#onNews === undefined) return;
    this.#retry = this.#clock.setTimer(
      () => {
        if (this.#onNews !== undefined) this.#connecting = this.#connect();
      },
      reconnectMs,
      { background: true },
    );
  }
}

/** The server's process behind a connection, which the driver knows and its types do not. */
const backendOf = (client: pg.Client): number | null => (client as unknown as { processID: number | null }).processID;
