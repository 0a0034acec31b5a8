import type { Context, Part } from "@viable/kernel";
import type { Log, RecordWrite } from "@viable/log";

const keyPrefix = "security/revoked/";
/**
 * Revocations that hold at a time, in memory of every process: 150 bytes each, so 15 MB. A capability is no longer worth anything once it is over, and its
 * revocation is forgotten then. Sessions that end need none.
 */
const maxRevoked = 100_000;
/** How long a revocation is kept beyond the end of what it revokes, in milliseconds: clocks of processes differ. */
const keptMs = 24 * 3_600_000;
/** For how long what others revoked may be unknown, in milliseconds, before nothing of high risk is done on its account. */
const maxStaleMs = 30_000;

/** Links of capabilities that are worth nothing any more, and with each whatever came of it: known here, and to every process of the log. */
export interface Revocations extends Part {
  isRevoked(tenant: string, capabilityIds: Iterable<string>, now: number): boolean;
  /**
   * The write that revokes a link in a tenant, at once or from a wall time on, which holds as long as what it revokes would; undefined where there are too many
   * (100,000) already.
   */
  revocation(tenant: string, capabilityId: string, expiresAt: number | null, from?: number): RecordWrite | undefined;
  /** False where what others revoked has not been heard for 30 seconds, since the database cannot be read. */
  isFresh(): boolean;
  /** Goes up with each revocation that is heard or begins: what was decided before is to be decided again. */
  countAt(now: number): number;
}

/**
 * Promised: a revocation holds here as soon as it is written here, and in other processes as soon as they hear of the record: at once where a bus joins
 * them, within the log's polling interval (a second) where none does.
 */
export function createRevocations(log: Log): Revocations {
  /** By link and tenant: from when on it holds, and until when it is remembered; null for ever. */
  const revoked = new Map<string, { readonly from: number; readonly until: number | null }>();
  /** Those that begin later, and the first moment at which one does. */
  const toCome = new Map<string, number>();
  let nextFrom = Number.POSITIVE_INFINITY;
  let unwatch = () => {};
  let count = 0;
  let clock: Context["runtime"]["clock"] | undefined;

  const sweep = (now: number) => {
    for (const [key, { until }] of revoked) if (until !== null && until <= now) revoked.delete(key);
  };
  const begin = (now: number) => {
    nextFrom = Number.POSITIVE_INFINITY;
    for (const [name, from] of toCome) {
      if (from <= now) toCome.delete(name);
      else nextFrom = Math.min(nextFrom, from);
    }
    count += 1;
  };

  return {
    async start(ctx) {
      clock = ctx.runtime.clock;
      unwatch = await log.watchRecords(ctx, keyPrefix, ({ key, value, expiresAt }) => {
        count += 1;
        const name = key.slice(keyPrefix.length);
        toCome.delete(name);
        if (value === null) revoked.delete(name);
        else {
          const { from = 0 } = value as { readonly from?: number };
          revoked.set(name, { from, until: expiresAt });
          if (from > 0) toCome.set(name, from);
          nextFrom = Math.min(nextFrom, from === 0 ? nextFrom : from);
        }
      });
    },
    async stop() {
      unwatch();
      revoked.clear();
      toCome.clear();
    },
    isRevoked(tenant, capabilityIds, now) {
      if (revoked.size === 0) return false;
      for (const id of capabilityIds) {
        const found = revoked.get(nameOf(tenant, id));
        if (found !== undefined && found.from <= now) return true;
      }
      return false;
    },
    revocation(tenant, capabilityId, expiresAt, from) {
      if (revoked.size >= maxRevoked) sweep(clock?.now() ?? 0);
      if (revoked.size >= maxRevoked) return undefined;
      return {
        key: keyPrefix + nameOf(tenant, capabilityId),
        value: from === undefined ? {} : { from },
        expected: "any",
        expiresAt: expiresAt === null ? null : expiresAt + keptMs,
      };
    },
    isFresh() {
      const { readFailure } = log.stats();
      return readFailure === undefined || (clock?.now() ?? 0) - readFailure.since < maxStaleMs;
    },
    countAt(now) {
      if (now >= nextFrom) begin(now);
      return count;
    },
  };
}

/** By the link first, which has no slash. */
const nameOf = (tenant: string, capabilityId: string): string => `${capabilityId}/${tenant}`;
