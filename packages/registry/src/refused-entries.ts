import type { Discovery } from "@viable/protocol";
import type { RefusedEntry } from "./entry-record.ts";
import { isOpenTo } from "./is-open-to.ts";

/** Entries that do not hold and are remembered with their reason: far more than anybody mends by hand. The oldest go first. */
const maxRefused = 1_000;
/** Of those, how many one answer tells of. */
const maxTold = 20;

/** The records that are not obeyed, each until its time is over or another is written under its key. */
export class RefusedEntries {
  readonly #byKey = new Map<string, RefusedEntry & { readonly expiresAt: number }>();

  get size(): number {
    return this.#byKey.size;
  }

  put(key: string, refused: RefusedEntry, expiresAt: number): void {
    if (this.#byKey.size >= maxRefused) this.#byKey.delete(this.#byKey.keys().next().value as string);
    this.#byKey.set(key, { ...refused, expiresAt });
  }

  remove(key: string): void {
    this.#byKey.delete(key);
  }

  forgetExpired(now: number): void {
    for (const [key, { expiresAt }] of this.#byKey) if (expiresAt <= now) this.#byKey.delete(key);
  }

  /** Those where one that did hold might have been an answer to a tenant's question (W11). */
  find(capability: string | undefined, tenant: string | undefined): NonNullable<Discovery["refused"]> {
    return [...this.#byKey.values()]
      .filter(
        ({ capabilities, tenants }) =>
          (tenants === "all" || (tenants !== undefined && isOpenTo({ tenants }, tenant))) &&
          (capability === undefined || capabilities === undefined || capabilities.includes(capability)),
      )
      .slice(-maxTold)
      .map(({ service, processId, reason }) => ({ service, processId, reason }));
  }

  clear(): void {
    this.#byKey.clear();
  }
}
