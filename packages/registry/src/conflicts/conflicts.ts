import type { Membership, ProcessLife } from "@viable/cluster";
import type { Context, JsonObject, Part, Timer } from "@viable/kernel";
import { canonicalJson, invariant, rootContext, ViableError } from "@viable/kernel";
import type { AppendOutcome, Log, RecordChange, StoredRecord } from "@viable/log";
import type { Holding } from "./claim-record.ts";
import {
  conflictStream,
  fromHoldingRecord,
  holdingKey,
  holdingPrefix,
  resourceOf,
  tenantPrefix,
  toHoldingRecord,
  tokenKey,
} from "./claim-record.ts";
import type { Claimant, ClaimDecision } from "./decide-claim.ts";
import { decideClaim } from "./decide-claim.ts";
import type { ConflictSettled } from "./event-types.ts";
import { conflictSettledType } from "./event-types.ts";
import type { ConflictPolicy } from "./policy.ts";
import { checkPolicy } from "./settle.ts";

/** As it stands in a key and in the name of a stream, with what must be escaped; both hold 512 characters, a tenant's name included. */
const maxResourceChars = 300;
const maxByChars = 200;
/** A day: what is to be held longer is held for the life of its process. */
const maxHoldMs = 24 * 3_600_000;
/** Resources that one process may hold: each has a place in its memory, and a line in everybody's sweep. */
const maxHeld = 10_000;
/** Holdings with a time of their own that are watched, of all processes. Beyond it their time is not seen to be over. */
const maxTimed = 100_000;
/** Refusals that are remembered so that asking again is not recorded again; the oldest are forgotten, and may be recorded twice. */
const maxTold = 10_000;
/** How often a claim is decided anew because another process was faster. More processes than that do not race for one thing. */
const maxTries = 20;
/** How often this process looks whether it still has its lease, in milliseconds: as often as everybody looks for what no word came of. */
const beatMs = 1_000;
/** How often records are looked through for holdings that are over, in milliseconds: they are nobody's by then, so this is only tidying. */
const sweepEveryMs = 60_000;
/** Records that a sweep reads at most, in pages; the next goes on from there. */
const sweepPages = 20;
const pageRecords = 500;
/** How many a list has unless told, and at most. */
const defaultListed = 100;
const maxListed = 1_000;

export interface ConflictsSettings {
  readonly log: Log;
  readonly membership: Membership;
}

/** What somebody wants. */
export interface ResourceClaim {
  /** Who: a service, an agent, an execution. At most 200 characters. The same name in the same process is the same claimant. */
  readonly by: string;
  /** How a conflict over this resource is settled. All claimants name the same; `vote` settles answers and is none of these. */
  readonly policy: ConflictPolicy;
  /** Default 0; higher displaces lower under `priority` without an order. */
  readonly priority?: number;
  /** Milliseconds for which it is held unless claimed again; at most a day. Without it, for as long as its process lives. */
  readonly holdMs?: number;
}

/** Who has a resource. */
export interface ResourceHolder {
  readonly resource: string;
  readonly by: string;
  readonly processId: string;
  readonly epoch: number;
  /** Its fencing token: of two holders of one resource, the later has the higher. */
  readonly token: number;
  readonly policy: ConflictPolicy;
  readonly priority: number;
  readonly holdMs: number | null;
  /** Wall time in milliseconds, for people. */
  readonly since: number;
}

/** What came of a claim. */
export type ResourceClaimOutcome =
  | {
      readonly ok: true;
      /** Hand it on with every write: whoever keeps the resource refuses a lower one than it has seen. */
      readonly token: number;
      /** It had it already. */
      readonly repeated: boolean;
      /** Who had it and has lost it to this. */
      readonly displaced: ResourceHolder | undefined;
      readonly reason: string;
      /** Aborts when it is held no more: displaced, its time over, its process's life over, or let go. The abort's reason says which. */
      readonly ended: AbortSignal;
    }
  | {
      readonly ok: false;
      /** `held`: it stays with its holder. `policies_differ`: it is held under another policy than this claim names. */
      readonly because: "held" | "policies_differ";
      readonly holder: ResourceHolder;
      readonly reason: string;
    }
  /** This process has no lease, or holds as much as it may. */
  | { readonly ok: false; readonly because: "no_lease" | "too_many"; readonly reason: string }
  | { readonly ok: false; readonly because: "overloaded"; readonly reason: string; readonly retryAfterMs: number };

export type ReleaseOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly because: "not_holder"; readonly holder: ResourceHolder | undefined }
  | { readonly ok: false; readonly because: "overloaded"; readonly retryAfterMs: number };

/**
 * Who may have what, of everything that is not an execution: claims on resources of a tenant, by name.
 *
 * Promised: of any claims, in any processes, one has a resource, by the declared policy; each grant has a higher token than every one
 * before it; a holder is displaced, and a claim refused, with one `conflict.settled` in the same append; what a gone process held is free; a
 * claim whose time is over is free to a process once that time has gone by since it saw the claim, by its own monotonic clock, which is
 * later than the holder's own end; a holder learns that it was displaced with its next look at the log, and that its lease is over within a
 * second.
 *
 * Not promised: that who has lost a resource knows already. That is what the token is for. That a claim which rejected did not
 * happen: claim again, and it is found. That a claimant that asks again and again is recorded more than once for the same holder.
 */
export interface Conflicts extends Part {
  /** Throws `registry.invalid_claim` and `registry.unknown_policy`: then nothing was asked. */
  claim(ctx: Context, resource: string, claim: ResourceClaim): Promise<ResourceClaimOutcome>;
  /** Lets go of what is held under this token. */
  release(ctx: Context, resource: string, token: number): Promise<ReleaseOutcome>;
  holder(ctx: Context, resource: string): Promise<ResourceHolder | undefined>;
  /** What is held in this tenant, in the order of the escaped names, after a resource; at most `limit` (default 100, at most 1,000) are looked at. */
  list(
    ctx: Context,
    options?: { readonly after?: string; readonly limit?: number },
  ): Promise<{ readonly holders: readonly ResourceHolder[]; readonly next: string | undefined }>;
}

/** What this process holds. States: held → ended. */
interface Held {
  readonly token: number;
  readonly life: ProcessLife;
  /** Of the record as this process last wrote it. */
  version: number;
  readonly abort: AbortController;
  timer: Timer | undefined;
}

/** A claim, and the record that it was decided on. */
interface Found {
  readonly key: string;
  readonly resource: string;
  /** Of the record; 0 where there is none. */
  readonly version: number;
  readonly claimant: Claimant;
}

/** What a grant is recorded with. */
interface Grant {
  readonly wanted: ResourceClaim;
  /** When it was asked for, by the monotonic clock: its time counts from there. */
  readonly beganMs: number;
  /** The record that its token is drawn from. */
  readonly counter: StoredRecord | undefined;
  readonly since: number;
  readonly reason: string;
}

export function createConflicts({ log, membership }: ConflictsSettings): Conflicts {
  const held = new Map<string, Held>();
  /** What was heard of a resource while the append that asks for it is on its way. */
  const asked = new Map<string, Holding | undefined>();
  /** When this process saw a holding with a time of its own begin, by its monotonic clock. */
  const timed = new Map<string, { readonly token: number; readonly renewals: number; readonly sinceMs: number }>();
  const told = new Set<string>();
  const turns = new Map<string, Promise<unknown>>();
  let unwatch = () => {};
  let beat: Timer | undefined;
  let sweepTimer: Timer | undefined;
  let sweptTo = "";
  let stopped = false;

  const end = (key: string, entry: Held, code: string, message: string) => {
    if (held.get(key) === entry) held.delete(key);
    entry.timer?.cancel();
    entry.abort.abort(new ViableError(code, message, { details: { resource: resourceOf(key), token: entry.token } }));
  };

  const displaced = (key: string, entry: Held, { by, token }: Holding) =>
    end(key, entry, "registry.claim_displaced", `${by} has the resource now, under token ${token}.`);

  const onChange = (ctx: Context, { key, value, version }: RecordChange) => {
    const now = value === null ? undefined : fromHoldingRecord(value);
    if (now === undefined || now.holdMs === null) timed.delete(key);
    else seeTimed(ctx, key, now);
    if (now !== undefined && asked.has(key)) asked.set(key, now);
    const entry = held.get(key);
    if (entry === undefined) return;
    if (now !== undefined && now.token > entry.token) displaced(key, entry, now);
    else if (value === null && version > entry.version) end(key, entry, "registry.claim_released", "It was let go.");
  };

  /** Since when this process knows the present time of a holding. */
  const seeTimed = (ctx: Context, key: string, { token, renewals }: Holding): number => {
    const nowMs = ctx.runtime.clock.monotonicMs();
    const seen = timed.get(key);
    if (seen?.token === token && seen.renewals >= renewals) return seen.sinceMs;
    if (seen !== undefined && seen.token > token) return nowMs;
    if (seen !== undefined || timed.size < maxTimed) timed.set(key, { token, renewals, sinceMs: nowMs });
    return nowMs;
  };

  /** Why a holding is over, although its record is still there. */
  const whyOver = (ctx: Context, key: string, holding: Holding): string | undefined => {
    const { by, processId, epoch, holdMs } = holding;
    if (membership.isGone(processId, epoch)) return `${by} had it, and its process ${processId} is gone`;
    if (holdMs !== null && ctx.runtime.clock.monotonicMs() - seeTimed(ctx, key, holding) >= holdMs)
      return `${by} had it, and its ${holdMs} ms are over`;
    return undefined;
  };

  /** One after the other within this process: of many that ask at once, all but one would lose their append, again and again. */
  const inTurn = async <T>(key: string, act: () => Promise<T>): Promise<T> => {
    const before = turns.get(key) ?? Promise.resolve();
    const turn = before.then(act, act);
    const done = turn.catch(() => undefined);
    turns.set(key, done);
    try {
      return await turn;
    } finally {
      if (turns.get(key) === done) turns.delete(key);
    }
  };

  /** Its time, from before it was recorded: so it ends here before it ends for anybody else. */
  const armTimer = (ctx: Context, key: string, entry: Held, holdMs: number | undefined, fromMs: number) => {
    entry.timer?.cancel();
    entry.timer = undefined;
    if (holdMs === undefined || entry.abort.signal.aborted) return;
    const { clock } = ctx.runtime;
    const message = `It was held for its ${holdMs} ms.`;
    const leftMs = holdMs - (clock.monotonicMs() - fromMs);
    const onTime = () => end(key, entry, "registry.claim_expired", message);
    entry.timer = clock.setTimer(onTime, leftMs, { background: true });
  };

  const decideOnce = async (
    ctx: Context,
    resource: string,
    wanted: ResourceClaim,
    policy: ConflictPolicy,
  ): Promise<ResourceClaimOutcome | undefined> => {
    const key = holdingKey(ctx.tenant, resource);
    const beganMs = ctx.runtime.clock.monotonicMs();
    const counterKey = tokenKey(ctx.tenant, resource);
    const [record, counter] = await Promise.all([log.getRecord(ctx, key), log.getRecord(ctx, counterKey)]);
    const known = record === undefined ? undefined : readHolding(record);
    const over = known === undefined ? undefined : whyOver(ctx, key, known);
    const holding = over === undefined ? known : undefined;
    const claimant: Claimant = {
      by: wanted.by,
      processId: membership.processId,
      epoch: membership.epoch,
      policy,
      priority: wanted.priority ?? 0,
    };
    const found = { key, resource, version: record?.version ?? 0, claimant };
    const decision = decideClaim(holding, claimant);
    if (decision.kind === "grant") {
      const since = ctx.runtime.clock.now();
      const reason = over ?? decision.reason;
      return await hold(ctx, found, { wanted, beganMs, counter, since, reason });
    }
    invariant(holding !== undefined, "W8", `${decision.kind} was decided for ${resource}, which nobody holds`);
    if (decision.kind === "refuse") return await refuse(ctx, found, holding, decision);
    if (decision.kind === "keep") return await keep(ctx, found, holding, { wanted, beganMs });
    const since = ctx.runtime.clock.now();
    return await hold(ctx, found, { wanted, beganMs, counter, since, reason: decision.reason }, { holding, decision });
  };

  /** Records a new holding, in the place of another where there is one. */
  const hold = async (
    ctx: Context,
    { key, resource, version, claimant }: Found,
    { wanted, beganMs, counter, since, reason }: Grant,
    over?: { readonly holding: Holding; readonly decision: ClaimDecision & { readonly kind: "displace" } },
  ): Promise<ResourceClaimOutcome | undefined> => {
    const before = held.get(key);
    if (before === undefined && held.size >= maxHeld)
      return refused("too_many", `This process holds ${maxHeld} resources, as many as it may.`);
    const token = typeof counter?.value === "number" ? counter.value + 1 : 1;
    const next: Holding = { ...claimant, token, holdMs: wanted.holdMs ?? null, renewals: 0, since };
    asked.set(key, undefined);
    let heard: Holding | undefined;
    let outcome: AppendOutcome;
    try {
      outcome = await log.append(ctx, {
        records: [
          { key, value: toHoldingRecord(next), expected: version },
          { key: tokenKey(ctx.tenant, resource), value: token, expected: counter?.version ?? 0 },
        ],
        ...(over !== undefined && {
          streams: [settled(ctx, resource, over.holding, { ...claimant, token }, { ...over.decision, winner: 1 })],
        }),
      });
    } finally {
      heard = asked.get(key);
      asked.delete(key);
    }
    if (!outcome.ok) return busy(outcome);
    if (before !== undefined) displaced(key, before, next);
    const entry = toHeld(claimant, token, outcome.recordVersions[0] ?? 0);
    held.set(key, entry);
    armTimer(ctx, key, entry, wanted.holdMs, beganMs);
    // Another process may have been heard to displace it before the append was answered.
    if (heard !== undefined && heard.token > token) displaced(key, entry, heard);
    // Its life may have ended on the way.
    endLostLives();
    const loser = over === undefined ? undefined : toHolder(resource, over.holding);
    return { ok: true, token, repeated: false, displaced: loser, reason, ended: entry.abort.signal };
  };

  /** Its holder asks again: the same token, and its time from now on. */
  const keep = async (
    ctx: Context,
    { key, version, claimant }: Found,
    holding: Holding,
    { wanted, beganMs }: Pick<Grant, "wanted" | "beganMs">,
  ): Promise<ResourceClaimOutcome | undefined> => {
    const { token } = holding;
    const before = held.get(key);
    // None is here where its time ran out in this process, or where nobody knew whether it was recorded.
    const entry = before?.token === token ? before : toHeld(claimant, token, version);
    const holdMs = wanted.holdMs ?? null;
    const next = { ...holding, priority: claimant.priority, holdMs, renewals: holding.renewals + 1 };
    if (holdMs !== null || holding.holdMs !== null || next.priority !== holding.priority) {
      const outcome = await log.append(ctx, { records: [{ key, value: toHoldingRecord(next), expected: version }] });
      if (!outcome.ok) return busy(outcome);
      entry.version = outcome.recordVersions[0] ?? 0;
    }
    // It may have ended meanwhile: who hears of that asks once more.
    if (!entry.abort.signal.aborted) held.set(key, entry);
    armTimer(ctx, key, entry, wanted.holdMs, beganMs);
    const reason = `${claimant.by} has it already`;
    return { ok: true, token, repeated: true, displaced: undefined, reason, ended: entry.abort.signal };
  };

  const refuse = async (
    ctx: Context,
    { key, resource, version, claimant }: Found,
    holding: Holding,
    decision: ClaimDecision & { readonly kind: "refuse" },
  ): Promise<ResourceClaimOutcome | undefined> => {
    const note = canonicalJson([key, holding.token, claimant.by, claimant.priority, claimant.policy]);
    const { because, reason } = decision;
    const outcome = { ok: false, because, holder: toHolder(resource, holding), reason } as const;
    if (told.has(note)) return outcome;
    const appended = await log.append(ctx, {
      // Written as it was: so the event stands in the log only if it was held so, just then.
      records: [{ key, value: toHoldingRecord(holding), expected: version }],
      streams: [settled(ctx, resource, holding, claimant, { ...decision, winner: 0 })],
    });
    if (!appended.ok) return busy(appended);
    const mine = held.get(key);
    if (mine?.token === holding.token) mine.version = appended.recordVersions[0] ?? mine.version;
    if (told.size >= maxTold) told.delete(told.values().next().value as string);
    told.add(note);
    return outcome;
  };

  const endLostLives = () => {
    for (const [key, entry] of [...held])
      if (membership.isGone(entry.life.id, entry.life.epoch))
        end(key, entry, "registry.claim_gone", "The process lost its lease, and with it what it held.");
  };

  /** A lease that runs out is told of only once there is a new one: who holds what must know before. */
  const scheduleBeat = (ctx: Context) => {
    const turn = () => {
      endLostLives();
      scheduleBeat(ctx);
    };
    beat = ctx.runtime.clock.setTimer(turn, beatMs, { background: true });
  };

  /** Forgets the records of what is over. Every process does it; where two do at once, one loses its append and that is all. */
  const sweep = async (ctx: Context): Promise<void> => {
    for (let page = 0; page < sweepPages; page++) {
      const { records, isEnd } = await log.listRecords(ctx, holdingPrefix, { after: sweptTo, limit: pageRecords });
      for (const record of records) {
        const holding = fromHoldingRecord(record.value);
        if (holding === undefined || whyOver(ctx, record.key, holding) === undefined) continue;
        await log.append(ctx, { records: [{ key: record.key, value: null, expected: record.version }] });
      }
      sweptTo = isEnd ? "" : (records.at(-1)?.key ?? "");
      if (isEnd) return;
    }
  };
  const scheduleSweep = (ctx: Context) => {
    const turn = () => {
      // What could not be looked through now will be in a minute.
      sweep(ctx)
        .catch(() => undefined)
        .finally(() => {
          if (!stopped) scheduleSweep(ctx);
        });
    };
    sweepTimer = ctx.runtime.clock.setTimer(turn, sweepEveryMs, { background: true });
  };

  const find = async (ctx: Context, resource: string) => {
    const key = holdingKey(ctx.tenant, resource);
    const record = await log.getRecord(ctx, key);
    if (record === undefined) return undefined;
    const holding = readHolding(record);
    return whyOver(ctx, key, holding) === undefined ? { record, holding } : undefined;
  };

  return {
    async start(ctx) {
      unwatch = await log.watchRecords(ctx, holdingPrefix, (change) => onChange(ctx, change));
      scheduleBeat(ctx);
      scheduleSweep(rootContext(ctx.runtime));
    },
    async stop() {
      stopped = true;
      sweepTimer?.cancel();
      unwatch();
      beat?.cancel();
      for (const [key, entry] of [...held]) end(key, entry, "registry.claim_gone", "The process stops.");
      timed.clear();
      told.clear();
    },
    async claim(ctx, resource, wanted) {
      const policy = checkClaim(resource, wanted);
      return await inTurn(tokenKey(ctx.tenant, resource), async () => {
        for (let tries = 0; tries < maxTries; tries++) {
          if (!membership.canClaim)
            return refused("no_lease", "This process has no lease, so nothing can be held in its name.");
          const outcome = await decideOnce(ctx, resource, wanted, policy);
          if (outcome !== undefined) return outcome;
        }
        return { ok: false, because: "overloaded", reason: "Too many ask for it at once.", retryAfterMs: 50 };
      });
    },
    async release(ctx, resource, token) {
      const key = holdingKey(ctx.tenant, resource);
      return await inTurn(tokenKey(ctx.tenant, resource), async () => {
        for (let tries = 0; tries < maxTries; tries++) {
          const found = await find(ctx, resource);
          if (found?.holding.token !== token) {
            const holder = found === undefined ? undefined : toHolder(resource, found.holding);
            return { ok: false, because: "not_holder", holder };
          }
          const outcome = await log.append(ctx, {
            records: [{ key, value: null, expected: found.record.version }],
          });
          if (outcome.ok) {
            const entry = held.get(key);
            if (entry?.token === token) end(key, entry, "registry.claim_released", "It was let go.");
            return { ok: true };
          }
          if (outcome.reason === "overloaded")
            return { ok: false, because: "overloaded", retryAfterMs: outcome.retryAfterMs };
        }
        return { ok: false, because: "overloaded", retryAfterMs: 50 };
      });
    },
    async holder(ctx, resource) {
      const found = await find(ctx, resource);
      return found === undefined ? undefined : toHolder(resource, found.holding);
    },
    async list(ctx, options = {}) {
      const prefix = tenantPrefix(ctx.tenant);
      const limit = Math.min(options.limit ?? defaultListed, maxListed);
      const after = options.after === undefined ? {} : { after: holdingKey(ctx.tenant, options.after) };
      const { records, isEnd } = await log.listRecords(ctx, prefix, { limit, ...after });
      const holders = records.flatMap((record) => {
        const holding = fromHoldingRecord(record.value);
        return holding === undefined || whyOver(ctx, record.key, holding) !== undefined
          ? []
          : [toHolder(resourceOf(record.key), holding)];
      });
      const last = records.at(-1);
      return { holders, next: isEnd || last === undefined ? undefined : resourceOf(last.key) };
    },
  };
}

const toHeld = ({ processId, epoch }: Claimant, token: number, version: number): Held => ({
  token,
  life: { id: processId, epoch },
  version,
  abort: new AbortController(),
  timer: undefined,
});

/** The append of one settled conflict. */
function settled(
  ctx: Context,
  resource: string,
  { by, processId, epoch, priority, token, policy }: Holding,
  claimant: Claimant & { readonly token?: number },
  how: { readonly reason: string; readonly lost: string; readonly winner: 0 | 1 },
) {
  const data: ConflictSettled = {
    resource,
    policy,
    claims: [
      { by, processId, epoch, priority, token, ...(how.winner === 1 && { lost: how.lost }) },
      {
        by: claimant.by,
        processId: claimant.processId,
        epoch: claimant.epoch,
        priority: claimant.priority,
        ...(claimant.token !== undefined && { token: claimant.token }),
        ...(how.winner === 0 && { lost: how.lost }),
      },
    ],
    winner: how.winner,
    reason: how.reason,
  };
  return {
    stream: conflictStream(ctx.tenant, resource),
    expected: "any",
    events: [{ type: conflictSettledType, data: data as unknown as JsonObject }],
  } as const;
}

/** Undefined where it is to be decided again, because another was faster. */
function busy(outcome: AppendOutcome & { readonly ok: false }): ResourceClaimOutcome | undefined {
  if (outcome.reason !== "overloaded") return undefined;
  const reason = `${outcome.waiting} appends are waiting for the database.`;
  return { ok: false, because: "overloaded", reason, retryAfterMs: outcome.retryAfterMs };
}

const refused = (because: "no_lease" | "too_many", reason: string): ResourceClaimOutcome => ({
  ok: false,
  because,
  reason,
});

const toHolder = (resource: string, { renewals: _, ...holding }: Holding): ResourceHolder => ({ resource, ...holding });

/** Throws `registry.unreadable_claim`: what cannot be read may be held by somebody, so it is given to nobody. */
function readHolding(record: StoredRecord): Holding {
  const holding = fromHoldingRecord(record.value);
  if (holding !== undefined) return holding;
  throw new ViableError(
    "registry.unreadable_claim",
    `Who holds "${resourceOf(record.key)}" is written in a way that this version cannot read.`,
    { next: "Upgrade this process, or let the process that holds it let go." },
  );
}

/** The policy of a claim that may be made. Throws `registry.invalid_claim` or `registry.unknown_policy`. */
function checkClaim(resource: string, { by, priority, holdMs, policy }: ResourceClaim): ConflictPolicy {
  const fail = (what: string): never => {
    throw new ViableError("registry.invalid_claim", `The claim cannot be made: ${what}.`);
  };
  if (!resource.isWellFormed() || !isWithin(encodeURIComponent(resource).length, 1, maxResourceChars))
    fail(`a resource's name has 1 to ${maxResourceChars} characters, as in a URL`);
  if (!by.isWellFormed() || !isWithin(by.length, 1, maxByChars))
    fail(`the name of who claims has 1 to ${maxByChars} characters`);
  if (priority !== undefined && !Number.isFinite(priority)) fail("priority must be a finite number");
  if (holdMs !== undefined && !isWithin(holdMs, 1, maxHoldMs))
    fail(`holdMs must be 1 to ${maxHoldMs}, a day in milliseconds`);
  const known = checkPolicy(policy);
  if (known.kind === "vote")
    fail("a vote is about answers, and claims on a resource have none: take priority, lock or newest");
  return known;
}

const isWithin = (value: number, least: number, most: number): boolean => value >= least && value <= most;
