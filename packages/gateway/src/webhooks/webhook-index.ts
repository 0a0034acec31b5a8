import { createHash } from "node:crypto";
import type { Context, JsonValue } from "@viable/kernel";
import type { Log, RecordChange, RecordWrite } from "@viable/log";
import { openWebhooks } from "@viable/swarm";
import type { Delivery } from "./delivery.ts";

const prefix = "webhooks/";
const duePrefix = `${prefix}due/`;
const gonePrefix = `${prefix}gone/`;

/** How long nothing is sent to an address that said it was gone, in milliseconds: a week, in which whoever named it can hear of it. */
const goneMs = 7 * 24 * 3_600_000;

/** A message that is to be sent, as its record has it. */
export interface DueMessage {
  readonly tenant: string;
  readonly url: string;
  /** Wall time in milliseconds. */
  readonly nextAt: number;
}

/** A delivery is to be tried at a time. */
export const writeDue = (
  { deliveryId, tenant, url }: Pick<Delivery, "deliveryId" | "tenant" | "url">,
  nextAt: number,
) => ({ key: duePrefix + deliveryId, value: { tenant, url, nextAt }, expected: "any" }) satisfies RecordWrite;
/** It is not, any more. */
export const deleteDue = (deliveryId: string): RecordWrite => ({
  key: duePrefix + deliveryId,
  value: null,
  expected: "any",
});
/** What becomes of an execution needs not be waited for any more. */
export const deleteOpen = (executionId: string): RecordWrite => ({
  key: openWebhooks + executionId,
  value: null,
  expected: "any",
});
/** An address of a tenant's said that nothing is to be sent there any more. */
export const writeGone = ({ tenant, url }: Pick<Delivery, "tenant" | "url">, now: number): RecordWrite => ({
  key: goneKey(tenant, url),
  value: { tenant },
  expected: "any",
  expiresAt: now + goneMs,
});
/** Somebody says that it may be tried again. */
export const deleteGone = ({ tenant, url }: Pick<Delivery, "tenant" | "url">): RecordWrite => ({
  key: goneKey(tenant, url),
  value: null,
  expected: "any",
});

const goneKey = (tenant: string, url: string): string =>
  gonePrefix +
  createHash("sha256")
    .update(JSON.stringify([tenant, url]))
    .digest("base64url");

/**
 * What is to be sent, as this process has heard of it: kept from the log's records alone (W2), a second behind other processes at most. What is
 * decided by it is read from the log again first; how many messages of a tenant wait is told from here.
 */
export class WebhookIndex {
  /** Executions whose outcome is to be sent, with their tenants. */
  readonly open = new Map<string, string>();
  readonly due = new Map<string, DueMessage>();
  readonly #gone = new Map<string, number>();
  readonly #waiting = new Map<string, number>();
  #onChange: () => void = () => {};

  /** Answers how to stop. */
  watch(ctx: Context, log: Log): Promise<() => void> {
    return log.watchRecords(ctx, prefix, (change) => {
      this.#take(change);
      this.#onChange();
    });
  }

  /** Calls back after each change; one at a time listens. */
  onChange(callback: () => void): () => void {
    this.#onChange = callback;
    return () => {
      this.#onChange = () => {};
    };
  }

  /** Of a tenant: the messages that wait to be sent, and the executions whose outcome will be one. */
  waitingOf(tenant: string): number {
    return this.#waiting.get(tenant) ?? 0;
  }

  isGone(tenant: string, url: string, now: number): boolean {
    const key = goneKey(tenant, url);
    const until = this.#gone.get(key);
    if (until === undefined || until > now) return until !== undefined;
    // Nobody tells of a record that is over.
    this.#gone.delete(key);
    return false;
  }

  #take({ key, value, expiresAt }: RecordChange): void {
    if (key.startsWith(openWebhooks))
      this.#set(this.open, key.slice(openWebhooks.length), value, ({ tenant }) => tenant);
    else if (key.startsWith(duePrefix)) this.#set(this.due, key.slice(duePrefix.length), value, (due) => due);
    else if (value === null) this.#gone.delete(key);
    else this.#gone.set(key, expiresAt ?? Number.POSITIVE_INFINITY);
  }

  #set<T>(entries: Map<string, T>, id: string, value: JsonValue, toEntry: (value: DueMessage) => T): void {
    const before = entries.get(id);
    if (before !== undefined) this.#count(before, -1);
    if (value === null) entries.delete(id);
    else {
      const entry = toEntry(value as unknown as DueMessage);
      entries.set(id, entry);
      this.#count(entry, 1);
    }
  }

  #count(entry: unknown, by: 1 | -1): void {
    const tenant = typeof entry === "string" ? entry : (entry as DueMessage).tenant;
    const waiting = this.waitingOf(tenant) + by;
    if (waiting === 0) this.#waiting.delete(tenant);
    else this.#waiting.set(tenant, waiting);
  }
}
