import type { Presence } from "@viable/bus";
import { busClosed, decodeMessage, encodeMessage, invalidMessage } from "@viable/bus";
import type { Context, JsonObject, Runtime, Timer } from "@viable/kernel";
import { decodeWord, encodeWord } from "./envelope.ts";
import { overloaded } from "./errors.ts";
import type { Announcement } from "./presence-table.ts";
import { PresenceTable } from "./presence-table.ts";

/** How often who is there says so again, in milliseconds. Some lengthen and some shorten it by a tenth, so that not all speak at once. */
const periodMs = 5_000;
/** After three silent periods somebody is forgotten: two of their words may be lost. */
const silentMs = 3 * periodMs;
/** Within this time those who are asked who they are answer, in milliseconds: spread out, and once to all who ask meanwhile. */
const answerWithinMs = 100;
/**
 * What is said for the first time is said once more after this time, in milliseconds: the servers of a cluster tell each other who listens, and
 * what comes before that word is lost. It takes a few, or some hundred over continents.
 */
const insistMs = 500;
/** How long a kind and an id may be, each, in characters. */
const maxNameChars = 255;

/** How many one bus may announce at a time: each is said again in each period. */
const maxOwn = 1_000;

/** One of our own. */
interface Own {
  readonly announcement: Announcement;
  readonly leave: () => void;
  /** Lets go of its context, and says nothing. */
  readonly forget: () => void;
}

export interface NatsPresenceOptions {
  readonly busId: string;
  /** Says it to everybody, ourselves included, who do not listen to it. Lost where there is no connection. */
  readonly say: (text: string) => void;
  /** There was no room for somebody. */
  readonly onFull: () => void;
}

/**
 * Who is there, by word of mouth: said on arrival, said again each period, said to a newcomer who calls the roll, taken back on leaving.
 *
 * States: stopped → started → stopped. While it is started and there is no connection, we are there for ourselves alone.
 */
export class NatsPresence implements Presence {
  readonly #runtime: Runtime;
  readonly #options: NatsPresenceOptions;
  readonly #table = new PresenceTable();
  /** Our own, by number, with how to take them back. */
  readonly #own = new Map<number, Own>();
  /** Numbers of those that were said once over this connection, and whether that was the first time ever. */
  readonly #fresh = new Map<number, boolean>();
  #rollAgain = false;
  #count = 0;
  #insist: Timer | undefined;
  #period: Timer | undefined;
  #answer: Timer | undefined;

  constructor(runtime: Runtime, options: NatsPresenceOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  start(): void {
    if (this.#period === undefined) this.#repeatLater();
  }

  stop(): void {
    for (const { leave } of [...this.#own.values()]) leave();
    this.#period?.cancel();
    this.#period = undefined;
    this.#answer?.cancel();
    this.#answer = undefined;
    this.#insist?.cancel();
    this.#insist = undefined;
    this.#fresh.clear();
    this.#table.clear();
  }

  /** There is a connection: who is there is asked, and told who we are. */
  connected(): void {
    this.#callRoll();
    this.#sayAll();
    this.#rollAgain = true;
    for (const nr of this.#own.keys()) if (!this.#fresh.has(nr)) this.#fresh.set(nr, false);
    this.#insistSoon();
  }

  announce(ctx: Context, kind: string, id: string, info: JsonObject): () => void {
    for (const [path, name] of Object.entries({ kind, id })) {
      if (name.length > maxNameChars)
        throw invalidMessage({ path, reason: `${name.length} characters, more than ${maxNameChars}` });
    }
    const text = encodeMessage(info, "info");
    if (this.#period === undefined) throw busClosed();
    const nr = ++this.#count;
    const announcement: Announcement = {
      kind,
      id,
      info: decodeMessage(text),
      bus: this.#options.busId,
      nr,
      chars: text.length,
    };
    const forget = () => {
      ctx.signal.removeEventListener("abort", leave);
      this.#fresh.delete(nr);
      return this.#own.delete(nr);
    };
    const leave = () => {
      if (!forget()) return;
      this.#table.leave(kind, id, announcement.bus, nr);
      this.#options.say(encodeWord({ say: "gone", kind, id, bus: announcement.bus, nr }));
    };
    for (const own of [...this.#own.values()]) {
      if (own.announcement.kind === kind && own.announcement.id === id) own.forget();
    }
    if (this.#own.size >= maxOwn) throw overloaded(`${maxOwn} are announced here already.`);
    this.#own.set(nr, { announcement, leave, forget });
    this.#say(announcement, true);
    this.#fresh.set(nr, true);
    this.#insistSoon();
    if (ctx.signal.aborted) leave();
    else ctx.signal.addEventListener("abort", leave, { once: true });
    return leave;
  }

  present(kind: string) {
    return this.#table.present(kind, this.#runtime.clock.monotonicMs());
  }

  /** What somebody said; false where it is nothing that we say. */
  hear(data: Uint8Array): boolean {
    const word = decodeWord(data);
    if (word === undefined || typeof word.bus !== "string") return false;
    if (word.bus === this.#options.busId) return true;
    if (word.say === "roll") {
      this.#answerSoon();
      return true;
    }
    const { kind, id, bus, nr } = word;
    if (!isName(kind) || !isName(id) || bus.length > maxNameChars || !Number.isSafeInteger(nr)) return false;
    if (word.say === "gone") {
      this.#table.leave(kind, id, bus, nr as number);
      return true;
    }
    const { info } = word;
    if (word.say !== "here" || typeof info !== "object" || info === null || Array.isArray(info)) return false;
    this.#take({ kind, id, info: info as JsonObject, bus, nr: nr as number, chars: data.length }, word.isNew === true);
    return true;
  }

  #say(announcement: Announcement, isNew: boolean): void {
    this.#take(announcement, isNew);
    const { kind, id, info, bus, nr } = announcement;
    this.#options.say(encodeWord({ say: "here", kind, id, info, bus, nr, ...(isNew && { isNew }) }));
  }

  #callRoll(): void {
    this.#options.say(encodeWord({ say: "roll", bus: this.#options.busId }));
  }

  #insistSoon(): void {
    if (this.#insist !== undefined) return;
    this.#insist = this.#runtime.clock.setTimer(
      () => {
        this.#insist = undefined;
        if (this.#rollAgain) this.#callRoll();
        this.#rollAgain = false;
        for (const [nr, isNew] of this.#fresh) {
          const own = this.#own.get(nr);
          if (own !== undefined) this.#say(own.announcement, isNew);
        }
        this.#fresh.clear();
      },
      insistMs,
      { background: true },
    );
  }

  #sayAll(): void {
    for (const { announcement } of this.#own.values()) this.#say(announcement, false);
  }

  #take(announcement: Announcement, isNew: boolean): void {
    const nowMs = this.#runtime.clock.monotonicMs();
    if (!this.#table.hear(announcement, isNew, nowMs, nowMs + silentMs)) this.#options.onFull();
  }

  #repeatLater(): void {
    const delayMs = periodMs * (0.9 + this.#runtime.random.next() / 5);
    this.#period = this.#runtime.clock.setTimer(
      () => {
        this.#table.prune(this.#runtime.clock.monotonicMs());
        this.#sayAll();
        this.#repeatLater();
      },
      delayMs,
      { background: true },
    );
  }

  #answerSoon(): void {
    if (this.#answer !== undefined || this.#own.size === 0) return;
    this.#answer = this.#runtime.clock.setTimer(
      () => {
        this.#answer = undefined;
        this.#sayAll();
      },
      this.#runtime.random.next() * answerWithinMs,
      { background: true },
    );
  }
}

const isName = (name: unknown): name is string => typeof name === "string" && name.length <= maxNameChars;
