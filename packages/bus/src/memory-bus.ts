import type { Context, JsonObject, JsonValue, Runtime } from "@viable/kernel";
import { fromWire, rootContext, toWire, untilSettled, withContext } from "@viable/kernel";
import type { Bus, BusHandler, BusStats, Present, SubscribeOptions } from "./bus.ts";
import { defaultRequestMs } from "./bus.ts";
import { busClosed, noResponder } from "./errors.ts";
import type { Delivery, MemoryHub, MemoryQueue } from "./memory-hub.ts";
import { createMemoryHub } from "./memory-hub.ts";
import { decodeMessage, encodeMessage } from "./message.ts";
import { checkPattern, checkSubject } from "./subject.ts";
import { SubscriptionQueue } from "./subscription-queue.ts";

export interface MemoryBusOptions {
  /** Buses on one hub hear each other, as processes on one broker do. Default: a hub of its own. */
  readonly hub?: MemoryHub;
  /** Told what a handler threw where no requester waits for it. */
  readonly onHandlerError?: (error: unknown, subject: string) => void;
}

/**
 * The bus within one process: what `viable dev` and tests run on. It keeps what a broker would keep, and for the port's sake
 * promises no more than the port does, though here nothing is lost but what overflows.
 */
export function createMemoryBus(runtime: Runtime, options: MemoryBusOptions = {}): Bus {
  const hub = options.hub ?? createMemoryHub();
  const queues = new Set<MemoryQueue>();
  const waiting = new Set<(reason: unknown) => void>();
  const announced = new Set<() => void>();
  const counts = { published: 0, delivered: 0, dropped: 0, handlerErrors: 0, malformed: 0 };
  let running = false;

  const contextOf = (sender: Context): Context =>
    rootContext(runtime, {
      tenant: sender.tenant,
      principal: sender.principal,
      traceparent: sender.traceparent,
      deadline: sender.deadline,
    });

  const handle = async (handler: BusHandler, delivery: Delivery): Promise<void> => {
    counts.delivered += 1;
    try {
      const answer = await handler(delivery.ctx, decodeMessage(delivery.text), delivery.subject);
      if (answer !== undefined) delivery.answer?.({ ok: true, text: encodeMessage(answer, "answer") });
    } catch (error) {
      counts.handlerErrors += 1;
      if (delivery.answer !== undefined) delivery.answer({ ok: false, error: toWire(error) });
      else options.onHandlerError?.(error, delivery.subject);
    }
  };

  return {
    async start() {
      running = true;
      for (const queue of queues) hub.add(queue);
    },
    async stop() {
      running = false;
      for (const queue of queues) {
        hub.remove(queue);
        queue.clear();
      }
      queues.clear();
      for (const leave of [...announced]) leave();
      for (const reject of [...waiting]) reject(busClosed());
    },
    publish(ctx, subject, message) {
      checkSubject(subject);
      const text = encodeMessage(message);
      if (!running) {
        counts.dropped += 1;
        return;
      }
      counts.published += 1;
      hub.send({ ctx: contextOf(ctx), subject, text, answer: undefined }, runtime.random);
    },
    subscribe(pattern, subscribeOptions: SubscribeOptions, handler) {
      checkPattern(pattern);
      const queue: MemoryQueue = new SubscriptionQueue(
        pattern,
        subscribeOptions,
        (delivery) => handle(handler, delivery),
        () => {
          counts.dropped += 1;
        },
      );
      queues.add(queue);
      if (running) hub.add(queue);
      return () => {
        queues.delete(queue);
        hub.remove(queue);
        queue.clear();
      };
    },
    async request(ctx, subject, message) {
      checkSubject(subject);
      const text = encodeMessage(message);
      if (!running) throw busClosed();
      const bounded = withContext(ctx, { deadline: ctx.deadline ?? runtime.clock.now() + defaultRequestMs });
      return await untilSettled<JsonValue>(bounded, (resolve, reject) => {
        const delivery: Delivery = {
          ctx: contextOf(bounded),
          subject,
          text,
          answer: (answer) => (answer.ok ? resolve(JSON.parse(answer.text)) : reject(fromWire(answer.error))),
        };
        waiting.add(reject);
        counts.published += 1;
        if (hub.send(delivery, runtime.random) === 0) reject(noResponder(subject));
        return () => waiting.delete(reject);
      });
    },
    presence: {
      announce(ctx, kind, id, info) {
        const entry: Present = { kind, id, info: decodeMessage(encodeMessage(info, "info")) };
        if (!running) throw busClosed();
        const leave = () => {
          announced.delete(leave);
          ctx.signal.removeEventListener("abort", leave);
          hub.leave(entry);
        };
        hub.arrive(entry);
        announced.add(leave);
        if (ctx.signal.aborted) leave();
        else ctx.signal.addEventListener("abort", leave, { once: true });
        return leave;
      },
      present: (kind) => hub.present(kind).map(copy),
    },
    stats: (): BusStats => ({ ...counts, subscriptions: queues.size, connected: running }),
  };
}

const copy = (entry: Present): Present => ({ ...entry, info: structuredClone(entry.info) as JsonObject });
