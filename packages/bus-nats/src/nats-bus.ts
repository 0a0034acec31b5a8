import type { Msg, NatsConnection, Subscription } from "@nats-io/nats-core";
import type { Bus, BusHandler, BusStats, SubscribeOptions } from "@viable/bus";
import {
  busClosed,
  checkPattern,
  checkSubject,
  defaultRequestMs,
  encodeMessage,
  hasWildcard,
  invalidMessage,
  noResponder,
  SubscriptionQueue,
} from "@viable/bus";
import type { Context, JsonObject, JsonValue, Runtime, ViableError } from "@viable/kernel";
import { fromWire, rootContext, untilSettled, waitFor, withContext } from "@viable/kernel";
import { createBusSubjects } from "./bus-subjects.ts";
import type { NatsTls } from "./credentials.ts";
import { readServers } from "./credentials.ts";
import type { Sender } from "./envelope.ts";
import { decodeAnswer, decodeEnvelope, encodeAnswer, encodeEnvelope, encodeFailure } from "./envelope.ts";
import { disconnected, overloaded } from "./errors.ts";
import { NatsLink } from "./nats-link.ts";
import { NatsPresence } from "./nats-presence.ts";
import { Outbox } from "./outbox.ts";
import { maxPendingRequests, PendingRequests } from "./pending-requests.ts";

export interface NatsBusOptions {
  /** One server or several of one cluster: `nats://HOST:PORT`, `nats://USER:PASSWORD@HOST`, `nats://TOKEN@HOST`, `tls://HOST`. */
  readonly servers: readonly string[];
  /** Under which all subjects of this system are, so that several may share a NATS. Default `viable`. */
  readonly prefix?: string;
  /** The text of a creds file, where accounts are kept so. */
  readonly creds?: string;
  /** Certificates and keys as text. Without it, TLS is spoken where a server asks for it or its address begins with `tls://`. */
  readonly tls?: NatsTls;
  /** Told what a handler threw where no requester waits for it. */
  readonly onHandlerError?: (error: unknown, subject: string) => void;
  /**
   * Told why there is no connection, and what NATS refuses; each once in an outage: `bus.disconnected`, `bus.not_authorized`,
   * `bus.not_permitted`, `bus.slow_consumer`, `bus.server_error`, `bus.overloaded`. That all is well again, `stats().connected` shows.
   */
  readonly onProblem?: (problem: ViableError) => void;
}

/** How long answers under way are waited for at the end where the context says nothing, in milliseconds: most take less, and who stops is waited for. */
const drainMs = 2_000;

/** A message on its way to one subscription. */
interface Delivery {
  readonly ctx: Context;
  readonly subject: string;
  readonly message: JsonObject;
  /** Where the answer goes; undefined where nobody asked. */
  readonly reply: string | undefined;
}

interface Subscribed {
  readonly queue: SubscriptionQueue<Delivery>;
  /** Undefined while there is no connection. */
  onServer: Subscription | undefined;
}

/**
 * The bus between machines, on core NATS: nothing is kept, and nothing need be, since the log is the truth. `start` succeeds also where no
 * NATS answers, which is then tried again and again; meanwhile what is published is dropped, and requests are refused at once with
 * `bus.disconnected`. Besides what the port says, a request is refused with `bus.overloaded` where 10,000 wait already or the server does
 * not read. Throws `bus.invalid_servers` or `bus.invalid_subject` where it cannot be made.
 */
export function createNatsBus(runtime: Runtime, options: NatsBusOptions): Bus {
  // From the source of chance that secrets may come from: who does not know an inbox cannot answer in another's place.
  const busId = Buffer.from(runtime.random.bytes(12)).toString("base64url");
  const subjects = createBusSubjects(options.prefix ?? "viable", busId);
  const servers = readServers(options.servers, options);
  const subscribed = new Set<Subscribed>();
  const pending = new PendingRequests();
  const counts = { published: 0, delivered: 0, dropped: 0, handlerErrors: 0, malformed: 0 };
  let running = false;
  let isPresenceFull = false;
  let outbox: Outbox | undefined;
  /** Answers that are being worked on, and who waits for there to be none. */
  let owed = 0;
  let onNothingOwed: (() => void) | undefined;

  const presence = new NatsPresence(runtime, {
    busId,
    say: (text) => void outbox?.send(subjects.presence, text),
    onFull: () => {
      if (isPresenceFull) return;
      isPresenceFull = true;
      options.onProblem?.(overloaded("More announce themselves than are kept account of; some are not shown."));
    },
  });

  const contextOf = ({ tenant, principal, traceparent, leftMs }: Sender): Context => {
    const deadline = leftMs === undefined ? undefined : runtime.clock.now() + leftMs;
    return rootContext(runtime, { tenant, principal, traceparent, deadline });
  };

  const reply = (to: string, text: string): void => {
    const sent = outbox?.send(to, text);
    if (typeof sent === "object") reply(to, encodeFailure(tooLong(text, sent.maxBytes)));
    else if (sent !== "sent") counts.dropped += 1;
  };

  const handle = async (handler: BusHandler, delivery: Delivery): Promise<void> => {
    counts.delivered += 1;
    const to = delivery.reply;
    if (to !== undefined) owed += 1;
    try {
      const answer = await handler(delivery.ctx, delivery.message, delivery.subject);
      if (answer !== undefined && to !== undefined) reply(to, encodeAnswer(encodeMessage(answer, "answer")));
    } catch (error) {
      counts.handlerErrors += 1;
      if (to !== undefined) reply(to, encodeFailure(error));
      else options.onHandlerError?.(error, delivery.subject);
    } finally {
      if (to !== undefined && --owed === 0) onNothingOwed?.();
    }
  };

  /** What arrived for a subscription, from anybody. Must not throw: the client's reader would end with it. */
  const receive = (queue: SubscriptionQueue<Delivery>, checks: boolean, msg: Msg): void => {
    const envelope = decodeEnvelope(msg.data);
    const subject = subjects.fromMessages(msg.subject);
    const to = msg.reply === undefined || msg.reply === "" ? undefined : msg.reply;
    if (envelope === undefined || (checks && !isSubject(subject)) || (to !== undefined && !subjects.isInbox(to))) {
      counts.malformed += 1;
      return;
    }
    queue.offer({ ctx: contextOf(envelope.sender), subject, message: envelope.message, reply: to });
  };

  const receiveAnswer = (msg: Msg): void => {
    const token = subjects.fromInbox(msg.subject);
    const request = pending.get(token);
    // Late, or a second answer: nobody waits for it any more.
    if (request === undefined) return;
    if (msg.data.length === 0 && isNoResponders(msg)) {
      request.reject(noResponder(request.subject));
      return;
    }
    const answer = decodeAnswer(msg.data);
    if (answer === undefined) counts.malformed += 1;
    else if (answer.ok) request.resolve(answer.value);
    else request.reject(fromWire(answer.error));
  };

  const subscribeOnServer = (connection: NatsConnection, entry: Subscribed): void => {
    // One that has just closed says so in a moment; the next one is told.
    if (connection.isClosed()) return;
    const { pattern, group } = entry.queue;
    // A pattern without wildcards was checked when it was subscribed.
    const checks = hasWildcard(pattern);
    entry.onServer = connection.subscribe(subjects.toMessages(pattern), {
      ...(group !== undefined && { queue: subjects.toQueue(pattern, group) }),
      callback: (error, msg) => {
        if (error === null) receive(entry.queue, checks, msg);
      },
    });
  };

  let connection: NatsConnection | undefined;
  const link = new NatsLink(runtime, {
    servers,
    name: `${options.prefix ?? "viable"} ${busId}`,
    onConnected: (made) => {
      connection = made;
      outbox = new Outbox(made);
      made.subscribe(subjects.inbox, {
        callback: (error, msg) => {
          if (error === null) receiveAnswer(msg);
        },
      });
      made.subscribe(subjects.presence, {
        callback: (error, msg) => {
          if (error === null && !presence.hear(msg.data)) counts.malformed += 1;
        },
      });
      for (const entry of subscribed) subscribeOnServer(made, entry);
      presence.connected();
    },
    onLost: () => {
      connection = undefined;
      outbox = undefined;
      for (const entry of subscribed) entry.onServer = undefined;
      // Their answers would come to a connection that is gone.
      pending.rejectAll(disconnected("The connection to NATS was lost while an answer was awaited."));
    },
    onProblem: (problem) => options.onProblem?.(problem),
  });

  return {
    async start(ctx) {
      running = true;
      presence.start();
      await link.start(ctx);
    },
    async stop(ctx) {
      running = false;
      for (const { queue, onServer } of subscribed) {
        queue.clear();
        onServer?.unsubscribe();
      }
      subscribed.clear();
      presence.stop();
      pending.rejectAll(busClosed());
      const bounded = withContext(ctx, { deadline: runtime.clock.now() + drainMs });
      if (owed > 0 && outbox !== undefined) {
        await waitFor(bounded, new Promise<void>((resolve) => (onNothingOwed = resolve))).catch(() => {});
      }
      connection = undefined;
      outbox = undefined;
      await link.stop(bounded, drainMs);
    },
    publish(ctx, subject, message) {
      checkSubject(subject);
      const text = encode(ctx, encodeMessage(message));
      const sent = running ? outbox?.send(subjects.toMessages(subject), text) : undefined;
      if (typeof sent === "object") throw tooLong(text, sent.maxBytes);
      if (sent === "sent") counts.published += 1;
      else counts.dropped += 1;
    },
    subscribe(pattern, subscribeOptions: SubscribeOptions, handler) {
      checkPattern(pattern);
      const queue = new SubscriptionQueue<Delivery>(
        pattern,
        subscribeOptions,
        (delivery) => handle(handler, delivery),
        () => {
          counts.dropped += 1;
        },
      );
      const entry: Subscribed = { queue, onServer: undefined };
      subscribed.add(entry);
      if (running && connection !== undefined) subscribeOnServer(connection, entry);
      return () => {
        if (!subscribed.delete(entry)) return;
        queue.clear();
        entry.onServer?.unsubscribe();
      };
    },
    async request(ctx, subject, message) {
      checkSubject(subject);
      if (!running) {
        encodeMessage(message);
        throw busClosed();
      }
      const bounded = withContext(ctx, { deadline: ctx.deadline ?? runtime.clock.now() + defaultRequestMs });
      const text = encode(bounded, encodeMessage(message));
      const way = outbox;
      if (way === undefined) throw disconnected("There is no connection to NATS.");
      return await untilSettled<JsonValue>(bounded, (resolve, reject) => {
        const token = pending.add({ subject, resolve, reject });
        if (token === undefined) throw overloaded(`${maxPendingRequests} requests wait for answers already.`);
        const sent = way.send(subjects.toMessages(subject), text, subjects.toInbox(token));
        if (sent === "sent") counts.published += 1;
        else if (sent === "full") reject(overloaded("NATS does not read as fast as this process writes."));
        else if (sent === "ended") reject(disconnected("The connection to NATS is ending."));
        else reject(tooLong(text, sent.maxBytes));
        return () => pending.delete(token);
      });
    },
    presence,
    stats: (): BusStats => ({ ...counts, subscriptions: subscribed.size, connected: outbox !== undefined }),
  };
}

function encode(sender: Context, text: string): string {
  const envelope = encodeEnvelope(sender, text);
  if (envelope === undefined) {
    throw invalidMessage({ path: "context", reason: "tenant and principal are longer than 2,000 characters" });
  }
  return envelope;
}

const tooLong = (text: string, maxBytes: number): ViableError =>
  invalidMessage({
    path: "message",
    reason: `${text.length} characters are more than the ${maxBytes} bytes that this NATS takes (max_payload)`,
  });

/** What NATS itself answers where nobody listens, since 2.2. Headers that are none make the client throw. */
function isNoResponders(msg: Msg): boolean {
  try {
    return msg.headers?.code === 503;
  } catch {
    return false;
  }
}

function isSubject(subject: string): boolean {
  try {
    checkSubject(subject);
    return true;
  } catch {
    return false;
  }
}
