import type { Context } from "@viable/kernel";
import { codeOf, sleep, untilSettled, ViableError, withContext } from "@viable/kernel";
import type { AppendRequest, Log, NewEvent, RecordWrite } from "@viable/log";
import type { WebhookEventData, WebhookEventType, WebhookTopic } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { ExecutionState, Executions } from "@viable/swarm";
import { toExecutionView } from "@viable/swarm";
import type { Egress } from "../egress/create-egress.ts";
import type { Delivery } from "./delivery.ts";
import { deliveryIdFor, deliveryStream, readDelivery } from "./delivery.ts";
import { messageText } from "./message-text.ts";
import type { NextStep, Try } from "./next-step.ts";
import { nextStep } from "./next-step.ts";
import { signMessage } from "./sign-message.ts";
import type { DueMessage, WebhookIndex } from "./webhook-index.ts";
import { deleteDue, deleteOpen, writeDue, writeGone } from "./webhook-index.ts";

/**
 * Messages on their way at once: each holds a socket and up to 20 KB. Of one tenant half of them, of one host four: however slow a host is, and
 * however many names a tenant has for it, others are sent theirs.
 */
const maxUnderWay = { inAll: 64, ofTenant: 32, ofHost: 4 };
/** Outcomes that are made into messages at once: each waits for a flush, which takes them together. */
const maxMaking = 100;
/** How often it looks for itself while there is something to do, in milliseconds, as everybody does who may have missed a word (W3). */
const lookMs = 1_000;
/** The longest rest while messages wait, in milliseconds: they wait by the wall clock, which may jump. */
const maxRestMs = 60_000;
/** How long what could not be done, as while the database is away, is left alone, in milliseconds. */
const failedMs = 10_000;

export interface DelivererSettings {
  readonly log: Log;
  readonly index: WebhookIndex;
  readonly executions: Pick<Executions, "get" | "isOpen" | "onSettled">;
  readonly egress: Pick<Egress, "post">;
  secretOf(sessionId: string): string;
  /** Told in a sentence of what keeps messages from being sent. */
  onProblem?(message: string): void;
}

/**
 * Sends what is due, in the one process that has the right to.
 *
 *   open execution ── has its outcome ──▶ due ── sent ──▶ delivered
 *                                          │ ▲
 *                                 not sent │ │ later
 *                                          ▼ │
 *                                       attempted ── the last try, or 410 ──▶ dead
 *
 * Each arrow is one append: the delivery's event at its stream's expected version, with the record by which every process knows what is left to do.
 * A process that dies in between has written none of it, and whoever follows begins again with the arrow: so a message may be sent twice, under the
 * same id, and none is lost.
 */
export class Deliverer {
  readonly #settings: DelivererSettings;
  /** By delivery. */
  readonly #underWay = new Map<string, DueMessage>();
  readonly #making = new Set<string>();
  /** Until when, in monotonic milliseconds, what could not be done is left alone. */
  readonly #heldUntil = new Map<string, number>();
  /** How to stop hearing of the outcomes of open executions. */
  readonly #heard = new Map<string, () => void>();
  /** Open executions of which something was heard; each second, all of them. */
  readonly #unlooked = new Set<string>();
  #lookedMs = Number.NEGATIVE_INFINITY;
  readonly #tasks = new Set<Promise<void>>();
  #isWoken = false;
  #wakeUp: () => void = () => {};
  #isFailing = false;

  constructor(settings: DelivererSettings) {
    this.#settings = settings;
  }

  /** Sends until the context ends, and what was being sent then is broken off. */
  async run(ctx: Context): Promise<void> {
    const stopListening = this.#settings.index.onChange((executionId) => this.#wake(executionId));
    try {
      while (!ctx.signal.aborted) {
        this.#begin(ctx);
        await this.#rest(ctx);
      }
    } finally {
      stopListening();
      for (const unlisten of this.#heard.values()) unlisten();
      this.#heard.clear();
      await Promise.all(this.#tasks);
    }
  }

  #wake(executionId?: string): void {
    if (executionId !== undefined) this.#unlooked.add(executionId);
    this.#isWoken = true;
    this.#wakeUp();
  }

  /** Begins all that can be begun now. */
  #begin(ctx: Context): void {
    const nowMs = ctx.runtime.clock.monotonicMs();
    for (const [id, untilMs] of this.#heldUntil) if (untilMs <= nowMs) this.#heldUntil.delete(id);
    this.#beginMaking(ctx, nowMs);
    this.#beginTries(ctx);
  }

  #beginMaking(ctx: Context, nowMs: number): void {
    const { index, executions } = this.#settings;
    if (nowMs - this.#lookedMs >= lookMs) {
      for (const executionId of index.open.keys()) this.#unlooked.add(executionId);
      this.#lookedMs = nowMs;
    }
    for (const executionId of this.#unlooked) {
      if (this.#making.size >= maxMaking) return;
      this.#unlooked.delete(executionId);
      const tenant = index.open.get(executionId);
      if (tenant === undefined) {
        this.#heard.get(executionId)?.();
        this.#heard.delete(executionId);
        continue;
      }
      if (!this.#heard.has(executionId)) this.#heard.set(executionId, this.#hear(executionId));
      if (executions.isOpen(executionId) || this.#making.has(executionId) || this.#heldUntil.has(executionId)) continue;
      this.#making.add(executionId);
      this.#start(ctx, executionId, tenant, this.#making, (own) => this.#makeDue(own, executionId));
    }
  }

  #beginTries(ctx: Context): void {
    const now = ctx.runtime.clock.now();
    const ready = [...this.#settings.index.due].filter(
      ([id, { nextAt }]) => nextAt <= now && !this.#underWay.has(id) && !this.#heldUntil.has(id),
    );
    ready.sort(([, one], [, other]) => one.nextAt - other.nextAt);
    const tenants = new Map<string, number>();
    const hosts = new Map<string, number>();
    const count = (counts: Map<string, number>, of: string) => counts.set(of, (counts.get(of) ?? 0) + 1);
    for (const { tenant, host } of this.#underWay.values()) {
      count(tenants, tenant);
      count(hosts, host);
    }
    for (const [deliveryId, due] of ready) {
      const { tenant, host } = due;
      if (this.#underWay.size >= maxUnderWay.inAll) return;
      if ((tenants.get(tenant) ?? 0) >= maxUnderWay.ofTenant || (hosts.get(host) ?? 0) >= maxUnderWay.ofHost) continue;
      count(tenants, tenant);
      count(hosts, host);
      this.#underWay.set(deliveryId, due);
      this.#start(ctx, deliveryId, tenant, this.#underWay, (own) => this.#try(own, deliveryId));
    }
  }

  /** Goes on as soon as there is an outcome, also where it was looked for a moment ago. Answers how to stop. */
  #hear(executionId: string): () => void {
    return this.#settings.executions.onSettled(executionId, () => {
      this.#heldUntil.delete(executionId);
      this.#wake(executionId);
    });
  }

  /** Does it in the tenant's name. What could not be done is left alone for a moment, as is what turned out to be done already. */
  #start(
    ctx: Context,
    id: string,
    tenant: string,
    among: { delete(id: string): boolean },
    task: (own: Context) => Promise<"done" | "held">,
  ): void {
    const own = withContext(ctx, { tenant, principal: "webhooks" });
    const hold = (ms: number) => this.#heldUntil.set(id, ctx.runtime.clock.monotonicMs() + ms);
    const begun = task(own)
      .then(
        (came) => {
          this.#isFailing = false;
          if (came === "held") hold(lookMs);
        },
        (error: unknown) => {
          // It is begun again by whoever has the right to.
          if (ctx.signal.aborted) return;
          hold(failedMs);
          if (!this.#isFailing)
            this.#settings.onProblem?.(
              `Webhooks wait: ${error instanceof Error ? error.message : String(error)} (${codeOf(error)})`,
            );
          this.#isFailing = true;
        },
      )
      .finally(() => {
        among.delete(id);
        this.#tasks.delete(begun);
        this.#wake();
      });
    this.#tasks.add(begun);
  }

  /** Makes the message of an execution that has its outcome. */
  async #makeDue(ctx: Context, executionId: string): Promise<"done" | "held"> {
    const { executions } = this.#settings;
    const state = await executions.get(ctx, executionId);
    const url = state?.accepted.webhookUrl;
    if (state !== undefined && !isOutcome(state.status)) return "held";
    // Lost with a log that has gone back: nothing will come of it.
    if (state === undefined || url === undefined) {
      await this.#write(ctx, { records: [deleteOpen(executionId)] });
      return "held";
    }
    const request = dueRequest(ctx, state, { url, topic: `execution.${state.status}` as WebhookTopic });
    // Who lost the race to say so, before it was gone for good, has a note that tells of nothing.
    if (!(await this.#write(ctx, request))) await this.#write(ctx, { records: [deleteOpen(executionId)] });
    // The record that says so may still be on its way here.
    return "held";
  }

  /** Tries one delivery, once. */
  async #try(ctx: Context, deliveryId: string): Promise<"done" | "held"> {
    const { log, index } = this.#settings;
    const { clock, random } = ctx.runtime;
    const delivery = await readDelivery(ctx, log, deliveryId);
    // What was heard of it is older than what is written.
    if (delivery?.status !== "pending" || delivery.nextAt > clock.now()) return "held";
    if (index.isGone(ctx.tenant, delivery.url, clock.now())) {
      const message = "Its receiver answered 410 to another message: nothing is to be sent there any more.";
      await this.#write(ctx, {
        streams: [append(delivery, [toEvent(ctx, "webhook.dead", { code: "webhook.gone", message })])],
        records: [deleteDue(deliveryId)],
      });
      return "held";
    }
    const begunMs = clock.monotonicMs();
    const answer = await this.#send(ctx, delivery);
    const tried: Try = { answer, ms: clock.monotonicMs() - begunMs };
    const step = nextStep(delivery, tried, clock.now(), random);
    await this.#write(ctx, stepRequest(ctx, delivery, step));
    return step.kind === "failed" && step.retryAt !== undefined ? "done" : "held";
  }

  async #send(ctx: Context, delivery: Delivery): Promise<Try["answer"]> {
    const { executions, egress, secretOf } = this.#settings;
    const { deliveryId, url, executionId, session } = delivery;
    try {
      const state = await executions.get(ctx, executionId);
      if (state === undefined || session === undefined) return { ok: false, code: "webhook.nothing_to_tell" };
      const body = messageText(delivery, toExecutionView(state));
      const signed = signMessage(secretOf(session), deliveryId, ctx.runtime.clock.now(), body);
      const headers = { "content-type": "application/json", "user-agent": "viable-webhooks/1", ...signed };
      return await egress.post(ctx, { url, headers, body });
    } catch (error) {
      if (ctx.signal.aborted || (error instanceof ViableError && error.retryable)) throw error;
      // Such as an outcome that only another release can read: it counts as a try, so that it is not tried for ever (W10).
      return { ok: false, code: codeOf(error) };
    }
  }

  /** Writes what was decided; false where another process has decided it first, which holds. Goes on trying while the log takes nothing. */
  async #write(ctx: Context, request: AppendRequest): Promise<boolean> {
    for (;;) {
      let waitMs: number;
      try {
        const outcome = await this.#settings.log.append(ctx, request);
        if (outcome.ok || outcome.reason !== "overloaded") return outcome.ok;
        waitMs = outcome.retryAfterMs;
      } catch (error) {
        if (ctx.signal.aborted || !(error instanceof ViableError && error.retryable)) throw error;
        // What was sent should not be sent again only because the database was away for a moment.
        waitMs = lookMs;
      }
      await sleep(ctx, waitMs);
    }
  }

  async #rest(ctx: Context): Promise<void> {
    if (!this.#isWoken) {
      const { index } = this.#settings;
      const isIdle = index.open.size === 0 && index.due.size === 0;
      const rested = untilSettled(ctx, (resolve) => {
        this.#wakeUp = resolve;
        const timer = isIdle ? undefined : ctx.runtime.clock.setTimer(resolve, this.#restMs(ctx), { background: true });
        return () => timer?.cancel();
      });
      await rested.catch(() => undefined);
    }
    this.#isWoken = false;
  }

  /** Until the next try, or the next look: an outcome that nobody told of is found by that, and what was left alone begun again. */
  #restMs(ctx: Context): number {
    const { open, due } = this.#settings.index;
    const now = ctx.runtime.clock.now();
    let restMs = open.size > 0 || this.#heldUntil.size > 0 ? lookMs : maxRestMs;
    for (const { nextAt } of due.values()) if (nextAt > now) restMs = Math.min(restMs, nextAt - now);
    return restMs;
  }
}

/** Makes a message due: of an outcome, whose note is taken away with it, or of something on the way there. */
export function dueRequest(
  ctx: Context,
  state: ExecutionState,
  { url, topic, approval }: Pick<WebhookEventData<"webhook.due">, "url" | "topic" | "approval">,
): AppendRequest {
  const { executionId, tenant, session } = state;
  const deliveryId = deliveryIdFor(executionId, approval?.approvalId);
  const data = { executionId, url, topic, ...(approval !== undefined && { approval }) };
  const event = toEvent(ctx, "webhook.due", data);
  return {
    streams: [{ stream: deliveryStream(deliveryId), expected: 0, events: [event], session, causation: executionId }],
    records: [
      writeDue({ deliveryId, tenant, url }, ctx.runtime.clock.now()),
      ...(approval === undefined ? [deleteOpen(executionId)] : []),
    ],
  };
}

/** What is written of a try, and when the next is. */
function stepRequest(ctx: Context, delivery: Delivery, step: NextStep): AppendRequest {
  const { deliveryId } = delivery;
  if (step.kind === "delivered") {
    const { attempt, ms, status } = step;
    return {
      streams: [append(delivery, [toEvent(ctx, "webhook.delivered", { attempt, ms, status })])],
      records: [deleteDue(deliveryId)],
    };
  }
  const { attempt, ms, status, code, retryAt, dead, isGone } = step;
  const attempted = toEvent(ctx, "webhook.attempted", {
    attempt,
    ms,
    ...(status !== undefined && { status }),
    code,
    ...(retryAt !== undefined && { retryAt }),
  });
  const records: RecordWrite[] = [retryAt === undefined ? deleteDue(deliveryId) : writeDue(delivery, retryAt)];
  if (isGone) records.push(writeGone(delivery, ctx.runtime.clock.now()));
  const events: [NewEvent, ...NewEvent[]] = [attempted];
  if (dead !== undefined) events.push(toEvent(ctx, "webhook.dead", dead));
  return { streams: [append(delivery, events)], records };
}

/** With an id, so that an append whose answer was lost is known when it is tried again. */
export const toEvent = <T extends WebhookEventType>(ctx: Context, type: T, data: WebhookEventData<T>): NewEvent => ({
  id: ctx.runtime.ids.next("evt"),
  type,
  data: data as NewEvent["data"],
});

export const append = (
  { deliveryId, version, session, executionId }: Delivery,
  events: readonly NewEvent[],
): NonNullable<AppendRequest["streams"]>[number] => ({
  stream: deliveryStream(deliveryId),
  expected: version,
  events,
  session,
  causation: executionId,
});
