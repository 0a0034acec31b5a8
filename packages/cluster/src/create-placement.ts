import type { Context, JsonObject, JsonValue, Part, Runtime, Timer, ViableError } from "@viable/kernel";
import { rootContext, waitFor, withContext } from "@viable/kernel";
import type { Log, RecordChange } from "@viable/log";
import { invalidPlacement, notRunning } from "./errors.ts";
import type { ProcessLife } from "./lease.ts";
import type { LeasedMembership } from "./membership.ts";
import {
  checkPartName,
  fromOwnerRecord,
  offerPrefix,
  partPrefix,
  placementKeys,
  placementPrefix,
} from "./ownership.ts";
import type { EndReason, Holding, PartState } from "./part-keeper.ts";
import { PartKeeper } from "./part-keeper.ts";
import type { PlacedPart, PlaceReason } from "./place-parts.ts";
import { checkParts, checkWeight, countQuotas, placeParts, placeScore } from "./place-parts.ts";

export interface PlacementOptions {
  readonly log: Log;
  readonly membership: LeasedMembership;
  readonly runtime: Runtime;
  /** The service whose parts these are. A process whose lease does not name it among its hosts sees the placement and owns nothing. */
  readonly service: string;
  /** At most 1,000. All processes must name the same. */
  readonly parts: readonly string[];
  /** How much this process takes compared with others: a whole number from 1 to 1,000; default 1. */
  readonly weight?: number;
  /** This process has the part now. The context's signal aborts when it is to be given back; `onLost` is called then. */
  readonly onGained: (ctx: Context, holding: Holding) => void | Promise<void>;
  /** The part is to be given back, or is another's already. What it answers is waited for, `giveBackMs` at most. */
  readonly onLost: (holding: Holding, reason: EndReason) => void | Promise<void>;
  /** Told of what fails: the same codes as a singleton's. */
  readonly onProblem?: (problem: ViableError) => void;
  /** How long `onLost` has before the part is given away all the same, in milliseconds; default 5,000, as a singleton's. */
  readonly giveBackMs?: number;
  /**
   * How long nobody must have come or gone before parts move between processes that are alive, in milliseconds; default 10,000, the time a
   * process takes to be restarted. Orphans are not concerned.
   */
  readonly settleMs?: number;
  /**
   * How many parts this process gives back at once; default 4: as many as may stand still for a moment without a service's being felt to.
   * The next follow as those are taken.
   */
  readonly maxMovesAtOnce?: number;
}

export interface PlacementMember extends ProcessLife {
  readonly weight: number;
  /** How many parts it has. */
  readonly has: number;
  /** How many it is to have. */
  readonly quota: number;
  /** How much this part belongs to it: of those with room, the highest gets it. */
  readonly score: number;
}

/** Where a part is, where it is to be, and why. */
export interface PlacementExplanation {
  readonly part: string;
  /** Who has it by its record; undefined where nobody has. */
  readonly owner: { readonly processId: string; readonly epoch: number; readonly token: number } | undefined;
  /** Who is to have it; undefined where nobody hosts the service. */
  readonly planned: string | undefined;
  readonly reason: PlaceReason;
  /** What keeps it from being where it is to be; undefined where it is there. */
  readonly waitsFor: string | undefined;
  readonly here: PartState;
  /** All who can have it, the highest score first. */
  readonly members: readonly PlacementMember[];
}

/**
 * Spreads a service's parts over the processes that host it, each part with one owner.
 *
 * Promised: what `placeParts` promises, once all processes have heard of each other; of all owners of a part, only the last one's guarded
 * appends (`holding.append`) are written; a part that is moved has been given back before it is taken; orphans (their owner has gone, or
 * stopped) are adopted at once; between the living, parts move only when nobody has come or gone for a while, a few at a time.
 *
 * Not promised: as of singletons, that an owner's code has stopped when the next one's starts. That a part has an owner at every
 * moment: between two there is none.
 */
export interface Placement extends Part {
  /** The parts this process has, in the order of their names. */
  owned(): readonly Holding[];
  /** Throws `cluster.invalid_placement` where there is no such part, `cluster.not_running` before the start. */
  explain(part: string): PlacementExplanation;
}

const defaultGiveBackMs = 5_000;
const defaultSettleMs = 10_000;
const defaultMaxMovesAtOnce = 4;
/** How often it looks whether something is to be done though nobody told it, in milliseconds. It looks at what is in memory. */
const lookMs = 1_000;
/** Parts that never had an owner wait this long, in milliseconds, so that processes that start together find each other: a poll of the log. */
const firstSettleMs = 1_000;
/** Where members come and go without end, parts move all the same after so many times the settling time. */
const maxSettles = 6;
/** How long a part lies free, in milliseconds, before anybody takes it, whoever was to: some polls of the log, so that views have met. */
const lieFreeMs = 5_000;
/** How long it then stays there, in milliseconds, unless members come or go: the longest pause of a process where it fails. */
const staysMs = 60_000;

/** Makes a placement; nothing happens before `start`. The membership must be started first and stopped last. */
export function createPlacement(options: PlacementOptions): Placement {
  return new ClusterPlacement(options);
}

interface Offer extends ProcessLife {
  readonly weight: number;
  readonly version: number;
}

/** What follows from who offers and who owns, at one moment. */
interface Plan {
  readonly members: readonly Offer[];
  readonly placed: ReadonlyMap<string, PlacedPart>;
}

/**
 * idle ── start: owners and offers are watched, ours is written ──▶ running ── stop: ours is deleted, all parts are given back ──▶ stopped
 *
 * An offer is a record (process, epoch, weight): who has one and is alive takes parts. Each part is a `PartKeeper`, whose states are there.
 * The rules above it:
 *   who is to have a part that is free claims it; of parts that never had an owner, once nobody has come or gone for a moment;
 *   who has a part that another is to have gives it back, once nobody has come or gone for `settleMs`, `maxMovesAtOnce` at a time;
 *   a part that has lain free for 5 s anybody takes; it is not moved again for a minute, or until the members change.
 */
class ClusterPlacement implements Placement {
  readonly #options: PlacementOptions;
  readonly #parts: readonly string[];
  readonly #keepers = new Map<string, PartKeeper>();
  readonly #offers = new Map<string, Offer>();
  /** Since when each free part has been, by the monotonic clock. */
  readonly #freeSinceMs = new Map<string, number>();
  /** Given back here to be taken by another, and not taken yet. */
  readonly #moving = new Set<string>();
  /** Taken here though another was to, and it did not: until when they stay, by the monotonic clock. */
  readonly #leftToUs = new Map<string, number>();
  readonly #life = new AbortController();
  readonly #ctx: Context;
  #state: "idle" | "running" | "stopped" = "idle";
  #memberNames = "";
  #changedMs = 0;
  #settledMs = 0;
  #isConsidering = false;
  #offering: Promise<void> | undefined;
  #timer: Timer | undefined;
  #unwatch: () => void = () => {};
  #unlisten: () => void = () => {};

  constructor(options: PlacementOptions) {
    checkPartName(options.service);
    checkParts(options.parts);
    checkWeight(options.weight ?? 1, "this process");
    if (!((options.maxMovesAtOnce ?? 1) >= 1)) throw invalidPlacement("maxMovesAtOnce is less than 1.");
    this.#options = options;
    this.#parts = [...options.parts].sort();
    this.#ctx = rootContext(options.runtime, { signal: this.#life.signal });
    for (const part of this.#parts) this.#keepers.set(part, this.#makeKeeper(part));
  }

  async start(ctx: Context): Promise<void> {
    if (this.#state === "stopped") throw notRunning("A placement");
    if (this.#state === "running") return;
    const { log, membership, service } = this.#options;
    const bounded = withContext(ctx, { signal: this.#life.signal });
    this.#unwatch = await log.watchRecords(bounded, placementPrefix(service), (change) => this.#onRecord(change));
    this.#unlisten = membership.onChange(() => this.#considerSoon());
    this.#state = "running";
    this.#changedMs = this.#nowMs();
    this.#settledMs = this.#changedMs;
    this.#look();
  }

  async stop(ctx: Context): Promise<void> {
    if (this.#state === "stopped") return;
    const wasRunning = this.#state === "running";
    this.#state = "stopped";
    this.#timer?.cancel();
    this.#unlisten();
    const letGo = async () => {
      // First, so that others do not count on us for what we give back.
      if (wasRunning) await this.#withdraw();
      await Promise.all([...this.#keepers.values()].map((keeper) => keeper.stop()));
    };
    await waitFor(ctx, letGo()).catch(() => {
      // Time is up. What still runs is told to end below, and the lease says the rest.
    });
    this.#life.abort();
    this.#unwatch();
  }

  owned(): readonly Holding[] {
    return [...this.#keepers.values()].flatMap(({ holding }) => holding ?? []);
  }

  explain(part: string): PlacementExplanation {
    if (this.#state === "idle") throw notRunning("A placement");
    const keeper = this.#keepers.get(part);
    if (keeper === undefined) throw invalidPlacement(`${part} is none of the parts of ${this.#options.service}.`);
    const { members, placed } = this.#plan();
    const heldBy = this.#heldBy(members);
    const quotas = countQuotas(this.#parts, members, heldBy);
    const { owner: planned, reason } = placed.get(part) as PlacedPart;
    const { owner } = keeper;
    const explained = members.map(({ id, epoch, weight }) => ({
      id,
      epoch,
      weight,
      has: heldBy.get(id)?.length ?? 0,
      quota: quotas.get(id) ?? 0,
      score: placeScore(part, id, weight),
    }));
    return {
      part,
      owner:
        owner?.processId === undefined
          ? undefined
          : { processId: owner.processId, epoch: owner.epoch, token: owner.token },
      planned,
      reason,
      waitsFor: this.#waitsFor(keeper, planned),
      here: keeper.state,
      members: explained.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1)),
    };
  }

  #makeKeeper(part: string): PartKeeper {
    const { log, membership, runtime, service, giveBackMs = defaultGiveBackMs } = this.#options;
    return new PartKeeper(placementKeys(service, part), {
      log,
      membership,
      runtime,
      ctx: this.#ctx,
      giveBackMs,
      run: async (ctx, holding, endReason) => {
        try {
          await this.#options.onGained(ctx, holding);
          await untilAborted(ctx);
        } finally {
          await this.#options.onLost(holding, endReason());
        }
      },
      onProblem: (problem) => queueMicrotask(() => this.#options.onProblem?.(problem)),
      onChange: () => this.#considerSoon(),
    });
  }

  #look(): void {
    this.#considerSoon();
    const { clock } = this.#options.runtime;
    this.#timer = clock.setTimer(() => this.#look(), lookMs, { background: true });
  }

  #onRecord({ key, value, version }: RecordChange): void {
    const { service } = this.#options;
    if (key.startsWith(partPrefix(service))) {
      const owner = fromOwnerRecord(value, version);
      if (owner !== undefined) this.#keepers.get(key.slice(partPrefix(service).length))?.sees(owner);
    } else if (key.startsWith(offerPrefix(service))) {
      const id = key.slice(offerPrefix(service).length);
      const offer = fromOfferRecord(id, value, version);
      // News may come late: our own offer is known by its answer.
      if ((this.#offers.get(id)?.version ?? 0) > version) return;
      if (offer === undefined) this.#offers.delete(id);
      else this.#offers.set(id, offer);
    }
    this.#considerSoon();
  }

  /** All news of one turn is considered once. */
  #considerSoon(): void {
    if (this.#isConsidering || this.#state !== "running") return;
    this.#isConsidering = true;
    queueMicrotask(() => {
      this.#isConsidering = false;
      if (this.#state === "running") this.#consider();
    });
  }

  #consider(): void {
    const { processId } = this.#options.membership;
    this.#offer();
    const { members, placed } = this.#plan();
    this.#noteMembers(members);
    const takesParts = members.some(({ id }) => id === processId);
    for (const keeper of this.#keepers.values()) keeper.checkLease();
    for (const keeper of this.#keepers.values()) {
      const { owner } = placed.get(keeper.part) as PlacedPart;
      this.#noteFree(keeper);
      if (keeper.state === "held") {
        this.#giveBackWhereDue(keeper, owner);
      } else if (keeper.state === "none" && keeper.isFree) {
        if (owner === processId ? this.#mayTake(keeper) : takesParts && this.#liesFree(keeper)) {
          if (owner !== processId) this.#leftToUs.set(keeper.part, this.#nowMs() + staysMs);
          void keeper.claim();
        } else if (keeper.isOurs && owner !== processId && !keeper.isPausing) {
          void keeper.disown();
        }
      }
    }
  }

  #mayTake(keeper: PartKeeper): boolean {
    return keeper.owner !== undefined || this.#isAlone || this.#nowMs() - this.#changedMs >= firstSettleMs;
  }

  #liesFree({ part }: PartKeeper): boolean {
    return this.#nowMs() - (this.#freeSinceMs.get(part) ?? Number.POSITIVE_INFINITY) >= lieFreeMs;
  }

  #stays({ part }: PartKeeper): boolean {
    return this.#nowMs() < (this.#leftToUs.get(part) ?? Number.NEGATIVE_INFINITY);
  }

  #giveBackWhereDue(keeper: PartKeeper, planned: string | undefined): void {
    const { membership, maxMovesAtOnce = defaultMaxMovesAtOnce } = this.#options;
    if (planned === undefined || planned === membership.processId || this.#stays(keeper)) return;
    if (!this.#isSettled || this.#moving.size >= maxMovesAtOnce) return;
    this.#moving.add(keeper.part);
    void keeper.end("moved");
  }

  #noteFree(keeper: PartKeeper): void {
    const { part } = keeper;
    if (!keeper.isFree) this.#freeSinceMs.delete(part);
    else if (!this.#freeSinceMs.has(part)) this.#freeSinceMs.set(part, this.#nowMs());
    // It has been taken, by whoever. Before it is given back it is held or ending here.
    if ((keeper.state === "none" || keeper.state === "held") && !keeper.isFree && this.#moving.has(part)) {
      this.#moving.delete(part);
    }
  }

  #noteMembers(members: readonly Offer[]): void {
    const names = members.map(({ id, epoch, weight }) => `${id} ${epoch} ${weight}`).join("\n");
    if (names === this.#memberNames) return;
    if (this.#isSettled) this.#settledMs = this.#nowMs();
    this.#memberNames = names;
    this.#changedMs = this.#nowMs();
    this.#leftToUs.clear();
  }

  /** Where nobody has come or gone for a while, or somebody always does. */
  get #isSettled(): boolean {
    const { settleMs = defaultSettleMs } = this.#options;
    const now = this.#nowMs();
    return this.#isAlone || now - this.#changedMs >= settleMs || now - this.#settledMs >= maxSettles * settleMs;
  }

  /** Where our lease needs no renewal nobody else can be alive. */
  get #isAlone(): boolean {
    return this.#options.membership.leaseEndsMs === Number.POSITIVE_INFINITY;
  }

  #plan(): Plan {
    const alive = new Map(this.#options.membership.members().map(({ id, epoch }) => [id, epoch]));
    const members = [...this.#offers.values()]
      .filter(({ id, epoch }) => alive.get(id) === epoch)
      .sort((a, b) => (a.id < b.id ? -1 : 1));
    const now = new Map<string, string>();
    for (const { part, owner } of this.#keepers.values()) {
      if (owner?.processId !== undefined && alive.get(owner.processId) === owner.epoch) now.set(part, owner.processId);
    }
    return { members, placed: new Map(placeParts(this.#parts, members, now).map((placed) => [placed.part, placed])) };
  }

  #heldBy(members: readonly Offer[]): ReadonlyMap<string, readonly string[]> {
    const heldBy = new Map<string, string[]>(members.map(({ id }) => [id, []]));
    for (const { part, owner } of this.#keepers.values()) heldBy.get(owner?.processId ?? "")?.push(part);
    return heldBy;
  }

  #waitsFor(keeper: PartKeeper, planned: string | undefined): string | undefined {
    const { owner } = keeper;
    if (planned === undefined) return "a process that hosts the service";
    if (owner?.processId === planned && !keeper.isFree) return undefined;
    if (keeper.isFree) {
      if (keeper.isPausing) return "the end of a pause, since it ended by itself or could not be claimed here";
      return keeper.owner === undefined && !this.#mayTake(keeper)
        ? "processes that start now to find each other"
        : `process ${planned} to claim it`;
    }
    if (this.#stays(keeper)) return "a minute to pass, or the members to change: who is to have it did not take it";
    if (!this.#isSettled) return "the members to settle";
    return `process ${owner?.processId} to give it back, in its turn`;
  }

  // Our offer

  #offer(): void {
    const { membership, service, weight = 1 } = this.#options;
    const { processId, epoch } = membership;
    const self = membership.members().find(({ id }) => id === processId);
    this.#forgetOffersOfTheGone();
    if (self === undefined || !self.hosts.includes(service) || this.#offering !== undefined) return;
    const written = this.#offers.get(processId);
    if (written?.epoch === epoch && written.weight === weight) return;
    this.#offering = this.#writeOffer({ id: processId, epoch, weight });
  }

  async #writeOffer({ id, epoch, weight }: Omit<Offer, "version">): Promise<void> {
    const { log, runtime, service } = this.#options;
    try {
      const write = { key: `${offerPrefix(service)}${id}`, value: { epoch, weight }, expected: "any" as const };
      const outcome = await log.append(rootContext(runtime), { records: [write] });
      if (!outcome.ok) return;
      this.#offers.set(id, { id, epoch, weight, version: outcome.recordVersions[0] as number });
      this.#considerSoon();
    } catch {
      // The log is away. The next look writes it.
    } finally {
      this.#offering = undefined;
    }
  }

  async #withdraw(): Promise<void> {
    const { log, runtime, service, membership } = this.#options;
    await this.#offering;
    const write = { key: `${offerPrefix(service)}${membership.processId}`, value: null, expected: "any" as const };
    // Where it fails it counts for nothing once our lease is deleted.
    await log.append(rootContext(runtime), { records: [write] }).catch(() => undefined);
  }

  /** One of the living, the first by id, takes away what the dead have left. */
  #forgetOffersOfTheGone(): void {
    const { log, runtime, service, membership } = this.#options;
    if (membership.members()[0]?.id !== membership.processId) return;
    for (const { id, epoch, version } of [...this.#offers.values()]) {
      if (id === membership.processId || !membership.isGone(id, epoch)) continue;
      this.#offers.delete(id);
      const write = { key: `${offerPrefix(service)}${id}`, value: null, expected: version };
      // Where it fails it stays, and counts for nothing.
      void log.append(rootContext(runtime), { records: [write] }).catch(() => undefined);
    }
  }

  #nowMs(): number {
    return this.#options.runtime.clock.monotonicMs();
  }
}

function fromOfferRecord(id: string, value: JsonValue, version: number): Offer | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { epoch, weight } = value as JsonObject;
  if (typeof epoch !== "number" || typeof weight !== "number") return undefined;
  return { id, epoch, weight, version };
}

const untilAborted = (ctx: Context): Promise<void> =>
  new Promise((resolve) => {
    if (ctx.signal.aborted) resolve();
    else ctx.signal.addEventListener("abort", () => resolve(), { once: true });
  });
