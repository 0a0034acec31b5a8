import type { Context } from "@viable/kernel";
import { waitFor } from "@viable/kernel";
import type { AppendOutcome, AppendRequest, Log } from "@viable/log";
import type { PartKeys } from "./ownership.ts";
import { readToken } from "./ownership.ts";

/** What comes of a guarded append: as of any other, or that the part is another's by now, and nothing was written. */
export type GuardedOutcome =
  | AppendOutcome
  | { readonly ok: false; readonly reason: "superseded"; readonly token: number };

/**
 * How many guarded appends of one part may wait. Each takes a flush of its own, a few milliseconds: the last of so many waits about a
 * second, and who brings more should put several changes into one.
 */
const maxWaiting = 200;
/** What those who find it full are told to wait, in milliseconds: some flushes. */
const retryAfterMs = 100;
/** An append whose answer was lost moves the fence's version without our knowing, once for each; more in a row means something else. */
const maxAttempts = 3;

/**
 * Lets appends through as long as the part is ours by the database's word. Each writes the fence's record at the version last seen, with
 * what it guards: whoever takes the part over writes that record too, so a zombie's append is refused whatever it believes, and whole.
 *
 * They go one after the other, since each needs the version that the last one left behind.
 */
export class Fence {
  readonly #log: Log;
  readonly #keys: PartKeys;
  readonly #token: number;
  /** Undefined where it is not known, and has to be read: the last append was refused, or its answer was lost. */
  #version: number | undefined;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(log: Log, keys: PartKeys, token: number, version: number) {
    this.#log = log;
    this.#keys = keys;
    this.#token = token;
    this.#version = version;
  }

  async append(ctx: Context, request: AppendRequest): Promise<GuardedOutcome> {
    if (this.#waiting >= maxWaiting) {
      return { ok: false, reason: "overloaded", waiting: this.#waiting, retryAfterMs };
    }
    this.#waiting += 1;
    const turn = this.#last
      .then(() => this.#append(ctx, request))
      .finally(() => {
        this.#waiting -= 1;
      });
    this.#last = turn.catch(() => undefined);
    return await waitFor(ctx, turn);
  }

  async #append(ctx: Context, request: AppendRequest): Promise<GuardedOutcome> {
    for (let attempt = 1; ; attempt++) {
      const version = this.#version ?? (await this.#readVersion(ctx));
      if (version === undefined) return { ok: false, reason: "superseded", token: this.#token };
      this.#version = undefined;
      const guard = { key: this.#keys.fenceKey, value: { token: this.#token }, expected: version };
      const outcome = await this.#log.append(ctx, { ...request, records: [...(request.records ?? []), guard] });
      if (outcome.ok) {
        // 0 where it is a repeat, and the fence was written since.
        this.#version = outcome.recordVersions.at(-1) || undefined;
        return { ...outcome, recordVersions: outcome.recordVersions.slice(0, -1) };
      }
      const isFence = outcome.reason === "record_conflict" && outcome.key === this.#keys.fenceKey;
      if (!isFence || attempt === maxAttempts) return outcome;
    }
  }

  /** The fence's version where it still has our token. */
  async #readVersion(ctx: Context): Promise<number | undefined> {
    const record = await this.#log.getRecord(ctx, this.#keys.fenceKey);
    return record !== undefined && readToken(record.value) === this.#token ? record.version : undefined;
  }
}
