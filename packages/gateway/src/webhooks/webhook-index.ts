import { createHash } from "node:crypto";
import type { Context } from "@viable/kernel";
import type { Log, RecordChange, RecordWrite } from "@viable/log";
import { openWebhooks } from "@viable/swarm";
import type { Delivery } from "./delivery.ts";

const prefix = "webhooks/";
const duePrefix = `${prefix}due/`;
const gonePrefix = `${prefix}gone/`;

/** How long nothing is sent to an address that said it was gone, in milliseconds: a week, in which whoever named it can hear of it. */
const goneMs = 7 * 24 * 3_600_000;

/** A message that is to be sent, as its record says. */
export interface DueMessage {
  readonly tenant: string;
  readonly host: string;
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
  #onChange: (executionId?: string) => void = () => {};

  /** Answers how to stop. */
  watch(ctx: Context, log: Log): Promise<() => void> {
    return log.watchRecords(ctx, prefix, (change) => {
      this.#take(change);
      const { key } = change;
      this.#onChange(key.startsWith(openWebhooks) ? key.slice(openWebhooks.length) : undefined);
    });
  }

  /** Calls back after each change, with the execution where it is about one that is open; one at a time listens. */
  onChange(callback: (executionId?: string) => void): () => void {
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
      this.#set(this.open, key.slice(openWebhooks.length), (value as unknown as NoteValue | null)?.tenant);
    else if (key.startsWith(duePrefix))
      this.#set(this.due, key.slice(duePrefix.length), toDueMessage(value as unknown as DueValue | null));
    else if (value === null) this.#gone.delete(key);
    else this.#gone.set(key, expiresAt ?? Number.POSITIVE_INFINITY);
  }

  #set<T extends string | DueMessage>(entries: Map<string, T>, id: string, entry: T | undefined): void {
    const before = entries.get(id);
    if (before !== undefined) this.#count(before, -1);
    if (entry === undefined) entries.delete(id);
    else {
      entries.set(id, entry);
      this.#count(entry, 1);
    }
  }

  #count(entry: string | DueMessage, by: 1 | -1): void {
    const tenant = typeof entry === "string" ? entry : entry.tenant;
    const waiting = this.waitingOf(tenant) + by;
    if (waiting === 0) this.#waiting.delete(tenant);
    else this.#waiting.set(tenant, waiting);
  }
}

interface NoteValue {
  readonly tenant: string;
}
interface DueValue extends NoteValue {
  readonly url: string;
  readonly nextAt: number;
}

/** Of the address only its host is remembered: whoever sends it reads the rest. */
const toDueMessage = (value: DueValue | null): DueMessage | undefined =>
  value === null ? undefined : { tenant: value.tenant, host: new URL(value.url).hostname, nextAt: value.nextAt };
