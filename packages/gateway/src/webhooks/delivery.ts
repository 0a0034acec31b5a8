import { createHash } from "node:crypto";
import type { Context } from "@viable/kernel";
import { idFromDigest, isId } from "@viable/kernel";
import type { Log, StoredEvent } from "@viable/log";
import type { WebhookApproval, WebhookEventData, WebhookTopic, WebhookView } from "@viable/protocol";

/** A message on its way to a receiver: the fold of its stream. States: pending → delivered | dead; either may be replayed, and is pending then. */
export interface Delivery {
  readonly deliveryId: string;
  readonly tenant: string;
  readonly session: string | undefined;
  readonly version: number;
  readonly executionId: string;
  readonly url: string;
  readonly topic: WebhookTopic;
  readonly approval: WebhookApproval | undefined;
  readonly dueAt: number;
  readonly status: "pending" | "delivered" | "dead";
  /** How often it was tried in all, and of these since it was last due or replayed. */
  readonly attempts: number;
  readonly failures: number;
  /** The last `maxShownTries`. */
  readonly tries: WebhookView["tries"];
  readonly replays: number;
  /** Wall time in milliseconds of the next try, where it is pending. */
  readonly nextAt: number;
  readonly endedAt: number | undefined;
  readonly dead: WebhookEventData<"webhook.dead"> | undefined;
}

/** Tries that a delivery shows: all of one that was never replayed, and room for the next. */
const maxShownTries = 20;
/** Events of one stream: at most 11 times 12 tries with an end, see `maxTries` and `maxReplays`. */
const maxEvents = 200;

const prefix = "webhook:";
export const deliveryStream = (deliveryId: string): string => prefix + deliveryId;
export const deliveryIdOf = (stream: string): string => stream.slice(prefix.length);

/** The message's id follows from what it tells, so that whoever finds it due makes the same one, and no crash makes a second. */
export const deliveryIdFor = (executionId: string, about = "outcome"): string =>
  idFromDigest(
    "msg",
    createHash("sha256")
      .update(JSON.stringify([executionId, about]))
      .digest(),
  );

/** The delivery, or undefined where there is none, or it is another tenant's (W11). */
export async function readDelivery(ctx: Context, log: Log, deliveryId: string): Promise<Delivery | undefined> {
  if (!isId("msg", deliveryId)) return undefined;
  const events = await log.readStream(ctx, deliveryStream(deliveryId), { limit: maxEvents });
  const delivery = events.reduce(foldDelivery, undefined);
  return delivery?.tenant === ctx.tenant ? delivery : undefined;
}

/** An event of a delivery's stream, of which readers have the shape of today. */
function foldDelivery(before: Delivery | undefined, event: StoredEvent): Delivery | undefined {
  if (event.type === "webhook.due") {
    const { executionId, url, topic, approval } = event.data as unknown as WebhookEventData<"webhook.due">;
    return {
      deliveryId: deliveryIdOf(event.stream),
      tenant: event.metadata.tenant,
      session: event.metadata.session,
      version: event.version,
      executionId,
      url,
      topic,
      approval,
      dueAt: event.time,
      status: "pending",
      attempts: 0,
      failures: 0,
      tries: [],
      replays: 0,
      nextAt: event.time,
      endedAt: undefined,
      dead: undefined,
    };
  }
  if (before === undefined) return undefined;
  const known = { ...before, version: event.version };
  switch (event.type) {
    case "webhook.attempted": {
      const data = event.data as unknown as WebhookEventData<"webhook.attempted">;
      const { attempt, retryAt = event.time } = data;
      return {
        ...known,
        attempts: attempt,
        failures: known.failures + 1,
        tries: withTry(known.tries, event.time, data),
        nextAt: retryAt,
      };
    }
    case "webhook.delivered": {
      const data = event.data as unknown as WebhookEventData<"webhook.delivered">;
      const tries = withTry(known.tries, event.time, data);
      return { ...known, status: "delivered", attempts: data.attempt, tries, endedAt: event.time };
    }
    case "webhook.dead": {
      const dead = event.data as unknown as WebhookEventData<"webhook.dead">;
      return { ...known, status: "dead", dead, endedAt: event.time };
    }
    case "webhook.replayed": {
      const replays = known.replays + 1;
      const ended = { endedAt: undefined, dead: undefined };
      return { ...known, ...ended, status: "pending", failures: 0, replays, nextAt: event.time };
    }
    default:
      return known;
  }
}

const withTry = (
  tries: Delivery["tries"],
  time: number,
  { attempt, ms, status, code }: { attempt: number; ms: number; status?: number | undefined; code?: string },
): Delivery["tries"] => [
  ...tries.slice(1 - maxShownTries),
  {
    attempt,
    at: new Date(time).toISOString(),
    ms,
    ...(status !== undefined && { status }),
    ...(code !== undefined && { code }),
  },
];

/** The delivery as clients see it. */
export function toWebhookView(delivery: Delivery): WebhookView {
  const { deliveryId, executionId, session, topic, url, status, attempts, dead, endedAt } = delivery;
  return {
    deliveryId,
    executionId,
    ...(session !== undefined && { sessionId: session }),
    topic,
    url,
    status,
    dueAt: new Date(delivery.dueAt).toISOString(),
    attempts,
    tries: delivery.tries,
    ...(status === "pending" && { nextAt: new Date(delivery.nextAt).toISOString() }),
    ...(endedAt !== undefined && { endedAt: new Date(endedAt).toISOString() }),
    ...(dead !== undefined && { dead }),
  };
}
