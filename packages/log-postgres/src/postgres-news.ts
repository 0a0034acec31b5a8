import type { Clock, Timer } from "@viable/kernel";
import type { News } from "@viable/log";
import pg from "pg";
import { backendOf, endInTime } from "./postgres-connection.ts";

const channel = "viable_log";
/** How long after a connection was lost another is tried, in milliseconds. Until then everybody looks for themselves each second. */
const reconnectMs = 1_000;

/** How often a process that listens says that it is there, in milliseconds. */
const hereEveryMs = 30_000;
/** How long one that was heard of counts as there: two of its words may be lost. */
const thereForMs = 3 * hereEveryMs;

/** What is told: that something was written; that somebody has come, who wants to know who is there; that somebody is there. */
type Word = "written" | "hello" | "here";

/**
 * Word between the processes on one server, by NOTIFY over a connection of its own: outside of every append, since a NOTIFY in a
 * transaction makes its commit wait for all others'. Where nobody else is there nothing is told: each word is a transaction. It says that there
 * is something, and carries nothing of it: NOTIFY has room for 8,000 bytes, and anybody on the server may send one.
 *
 * States: stopped → connecting → listening → lost (waits) → connecting … → stopped. Word that is spread while it is not listening is lost.
 */
export class PostgresNews implements News {
  /** Each is a transaction. */
  readonly apartMs = 10;
  readonly #config: pg.ClientConfig;
  readonly #clock: Clock;
  #onNews: (() => void) | undefined;
  #client: pg.Client | undefined;
  #connecting: Promise<void> | undefined;
  #retry: Timer | undefined;
  #here: Timer | undefined;
  /** Until when others count as there, in monotonic milliseconds. */
  #othersUntilMs = Number.NEGATIVE_INFINITY;
  #telling = false;
  /** What is to be told when the last word has arrived. */
  readonly #untold = new Set<Word>();

  constructor(config: pg.ClientConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
  }

  listen(onNews: () => void): void {
    this.#onNews = onNews;
    this.#connecting = this.#connect();
    this.#sayHereLater();
  }

  announce(): void {
    if (this.#clock.monotonicMs() < this.#othersUntilMs) this.#tell("written");
  }

  #tell(word: Word): void {
    if (this.#telling) {
      this.#untold.add(word);
      return;
    }
    const client = this.#client;
    if (client === undefined) return;
    this.#telling = true;
    // Whether it went well is of no concern: who did not hear it looks anyway.
    client
      .query(`NOTIFY ${channel}, '${word}'`)
      .catch(() => {})
      .finally(() => {
        this.#telling = false;
        const [next] = this.#untold;
        if (next === undefined) return;
        this.#untold.delete(next);
        this.#tell(next);
      });
  }

  #hear(word: string | undefined): void {
    this.#othersUntilMs = this.#clock.monotonicMs() + thereForMs;
    if (word === "hello") this.#tell("here");
    // Whoever has just come may have written before, and whoever answers may have had nobody to tell.
    this.#onNews?.();
  }

  #sayHereLater(): void {
    this.#here = this.#clock.setTimer(
      () => {
        this.#tell("here");
        this.#sayHereLater();
      },
      hereEveryMs,
      { background: true },
    );
  }

  async stop(): Promise<void> {
    this.#onNews = undefined;
    this.#retry?.cancel();
    this.#here?.cancel();
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
    client.on("notification", ({ processId, payload }) => {
      // One hears one's own word, too.
      if (processId !== backendOf(client)) this.#hear(payload);
    });
    try {
      await client.connect();
      endInTime(client, this.#clock);
      await client.query(`LISTEN ${channel}`);
    } catch {
      over();
      return;
    }
    if (isOver) return;
    this.#client = client;
    this.#tell("hello");
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
