import { setTimeout as pause } from "node:timers/promises";
import type { Client, GatewaySocket } from "@viable/client";
import { createClient, openSocket } from "@viable/client";
import type { EventView } from "@viable/protocol";

/** How long a command is sent again for, in milliseconds: longer than a gateway is away. */
const maxAskMs = 60_000;
const againMs = 100;

export interface WatcherSettings {
  readonly owner: Client;
  readonly urls: readonly string[];
  /** By which of the two ways it follows its session. Commands go by the same. */
  readonly way: "feed" | "socket";
}

/** What a command that was sent came to, as its client was told. */
interface Told {
  readonly key: string;
  readonly n: number;
  readonly executionId: string;
  readonly result: unknown;
}

/** A client with a session of its own, which sends commands, each under a key, and writes down all that it is told. */
export class Watcher {
  readonly way: WatcherSettings["way"];
  readonly sessionId: string;
  readonly seen: EventView[] = [];
  readonly told: Told[] = [];
  /** Commands that nobody answered, though both gateways were asked again and again. */
  readonly unanswered: string[] = [];
  /** When it was told something, of this process's monotonic clock. */
  readonly seenAtMs: number[] = [];
  /** What its watching ended with, if it should not have. */
  failure: unknown;
  readonly #client: Client;
  readonly #socket: GatewaySocket | undefined;
  readonly #ending = new AbortController();
  readonly #watching: Promise<void>;
  #isSending = true;
  readonly #sending: Promise<void>;

  private constructor({ urls, way }: WatcherSettings, sessionId: string, token: string) {
    this.way = way;
    this.sessionId = sessionId;
    this.#client = createClient({ url: urls, token });
    this.#socket = way === "socket" ? openSocket({ url: urls, token }) : undefined;
    this.#watching = this.#watch();
    this.#sending = this.#send();
  }

  static async start(settings: WatcherSettings): Promise<Watcher> {
    const { sessionId, token } = await settings.owner.openSession({ clientType: "api" });
    return new Watcher(settings, sessionId, token);
  }

  /** Sends no more, and waits for what is under way. */
  async stopSending(): Promise<void> {
    this.#isSending = false;
    await this.#sending;
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    this.#socket?.close();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    const { signal } = this.#ending;
    const source = this.#socket ?? this.#client;
    try {
      for await (const event of source.watch(this.sessionId, { signal })) {
        this.seen.push(event);
        this.seenAtMs.push(performance.now());
      }
    } catch (error) {
      this.failure = error;
    }
  }

  async #send(): Promise<void> {
    for (let n = 0; this.#isSending; n++) {
      const key = `${this.sessionId} ${n}`;
      const answer = await this.#ask(key, n);
      if (answer === undefined) this.unanswered.push(key);
      else this.told.push(answer);
      await pause(20);
    }
  }

  async #ask(key: string, n: number): Promise<Told | undefined> {
    const source = this.#socket ?? this.#client;
    for (const giveUpAtMs = performance.now() + maxAskMs; performance.now() < giveUpAtMs; await pause(againMs)) {
      try {
        const command = { command: "count", args: { n }, mode: "sync" as const };
        const answer = await source.send(this.sessionId, command, { idempotencyKey: key });
        if (answer.status === "completed") return { key, n, executionId: answer.executionId, result: answer.result };
      } catch {
        // It is asked again, under the same key.
      }
    }
    return undefined;
  }
}
