import type { Membership } from "@viable/cluster";
import type { Context, Part, Runtime, Timer } from "@viable/kernel";
import { rootContext, toWire, ViableError, waitFor, withContext } from "@viable/kernel";
import type { AppendOutcome, Log, RecordChange, StoredRecord } from "@viable/log";
import type { SwarmHealthRecord, SwarmHistory, SwarmReport, SwarmReportList, SwarmView } from "@viable/protocol";
import { swarmStream, toHealthEvent } from "./health-event.ts";
import {
  fromHealthNews,
  fromHealthRecord,
  healthKey,
  healthPrefix,
  isKeyOf,
  maxSamples,
  toHealthRecord,
} from "./health-record.ts";
import type { Look, OwnSwarm, OwnWrite } from "./own-swarm.ts";
import { isDue, lookAt, meetOwn, takeBack, takeUnwritten, takeWritten, toWrite } from "./own-swarm.ts";
import type { HistoryQuery } from "./swarm-history.ts";
import { readSwarmHistory } from "./swarm-history.ts";
import type { HealthWrite, WriteBatch } from "./write-batches.ts";
import { toBatches } from "./write-batches.ts";

/** What the monitor asks a swarm of this process: answered from memory, each second. */
export interface MonitoredSwarm {
  status(): SwarmView;
}

export interface SwarmMonitorSettings {
  readonly log: Pick<Log, "append" | "getRecord" | "listRecords" | "readStreamPage" | "watchRecords">;
  readonly membership: Pick<Membership, "processId" | "epoch" | "canClaim" | "members" | "isGone" | "onGone">;
  readonly runtime: Runtime;
  /** The swarms of this process, by their service. They may come and go. */
  readonly swarms: ReadonlyMap<string, MonitoredSwarm>;
  /** How often every swarm is measured and written, in milliseconds. Default 30,000, the seed's. */
  readonly everyMs?: number;
  /** Told in a sentence when what is measured cannot be written, and when it can again. */
  onProblem?(message: string): void;
}

/**
 * The swarm monitor as one process sees it: how all swarms are, in all processes, and how they were (S8).
 *
 * Every process writes what it measures of its own swarms as one record each, which expires half an hour after it was written last (sixty
 * intervals): every 30 s, and within a second of a change of status (five, where it has just changed). A status that has held for five
 * seconds is a fact, and an event in the same append as the record. Of a process that is gone, whichever process sees it first says that
 * its swarms are lost.
 *
 * Promised: a change is in the log once, whatever becomes of answers and of races between processes, since it goes with its record at an
 * expected version; while the log is away, up to six changes of each swarm wait; how often one swarm is told of is bounded (`told-health.ts`,
 * W10), and the last event before the bound says that it is reached; nobody is shown as alive whose process is known to be gone. Losses are
 * always told: one at most for each life of a process, and one return.
 *
 * Not promised: that a loss is told where no process has lived for half an hour after it; that a status which held for less than five
 * seconds shows anywhere but in the record; that samples are kept for longer than half an hour after their process has ended. Swarms belong to
 * no tenant: what is answered is for whoever operates the system.
 */
export interface SwarmMonitor extends Part {
  /** Looks no more: how swarms come to their end while their process stops is no news. What was told stands until `stop` says that they left. */
  pause(): void;
  /** Every swarm of every living process, by service and process: this process's own as they are now, the others as they last told. */
  all(): SwarmReportList;
  /** What the swarms of a service were, page by page; undefined where nothing is known of it. */
  history(ctx: Context, service: string, query?: HistoryQuery): Promise<SwarmHistory | undefined>;
}

/** A swarm of another process, as its record tells of it. */
interface OtherSwarm {
  readonly view: SwarmView;
  readonly epoch: number;
  readonly measuredAt: number;
  readonly version: number;
  /** When this version arrived here, in monotonic milliseconds. */
  readonly seenAtMs: number;
  /** Whether it was there before this process listened: how old it was then is not known. */
  readonly wasThere: boolean;
}

/** A swarm that is lost, with what is to be written of it. */
interface LostSwarm {
  readonly key: string;
  readonly write: HealthWrite;
}

/** How often this process looks at its own swarms and at who is gone, in milliseconds. */
const lookMs = 1_000;
/** Swarms of other processes that are kept in memory, 2 KB each: a hundred processes of a hundred services. */
const maxOthers = 10_000;
/** How often what another process has written in between is read and written over in one turn; then the next second's turn goes on. */
const maxRounds = 3;
/** How many records are asked for at the same time. */
const readsAtOnce = 50;
/** How long a stop may take to say that the swarms leave, in milliseconds. Where it is not said, others find them lost. */
const leaveMs = 2_000;

export function createSwarmMonitor(settings: SwarmMonitorSettings): SwarmMonitor {
  const { log, membership, runtime, swarms } = settings;
  const { clock, ids } = runtime;
  const everyMs = settings.everyMs ?? 30_000;
  const keepMs = everyMs * maxSamples;
  const life = new AbortController();
  const ctx = rootContext(runtime, { signal: life.signal });
  const own = new Map<string, OwnSwarm>();
  const others = new Map<string, OtherSwarm>();
  let isListening = false;
  let turnedAwayMs = Number.NEGATIVE_INFINITY;
  let nextIntervalMs = Number.NEGATIVE_INFINITY;
  /** An append of which nobody knows whether it happened: sent again as it was, before anything else. */
  let unanswered: WriteBatch<OwnWrite> | undefined;
  let acting: Promise<void> | undefined;
  let problem: string | undefined;
  let timer: Timer | undefined;
  let stopWatching = () => {};
  let stopListening = () => {};

  const lookNow = (isInterval = false): Look => ({
    ids,
    epoch: membership.epoch,
    nowMs: clock.monotonicMs(),
    measuredAt: clock.now(),
    isInterval,
  });

  const onChange = ({ key, value, version }: RecordChange) => {
    // What this process measures it knows from its swarms.
    if (isKeyOf(membership.processId, key)) return;
    const record = value === null ? undefined : fromHealthNews(value);
    const known = others.get(key);
    // One of a later version that we cannot read is none that we can tell of.
    if (record?.state !== "living") return void others.delete(key);
    // The watch may show once more what there is.
    if (known?.version === version) return;
    const seenAtMs = clock.monotonicMs();
    if (known === undefined && others.size >= maxOthers) {
      turnedAwayMs = seenAtMs;
      return;
    }
    const { view, epoch, measuredAt } = record;
    others.set(key, { view, epoch, measuredAt, version, seenAtMs, wasThere: !isListening });
  };

  const isAlive = ({ view, epoch }: OtherSwarm) => !membership.isGone(view.processId, epoch);

  // Own swarms

  const observe = () => {
    const nowMs = clock.monotonicMs();
    const isInterval = nowMs >= nextIntervalMs;
    // From now on, not from when it should have been: a process that slept owes no samples.
    if (isInterval) nextIntervalMs = nowMs + everyMs;
    const look = lookNow(isInterval);
    for (const [service, swarm] of swarms) {
      const view = swarm.status();
      const met = own.get(service) ?? meetOwn(view, look);
      own.set(service, met);
      lookAt(met, view, look);
    }
    for (const [service, each] of own) if (!swarms.has(service)) each.isLeaving = true;
  };

  const readBack = async (each: OwnSwarm) => {
    const record = await log.getRecord(ctx, each.key);
    const value = record && fromHealthRecord(record.value);
    takeBack(each, record?.version ?? 0, value, lookNow());
  };

  /** Answers whether it is written; false where somebody else has written one of the records meanwhile, or the log is overloaded. */
  const send = async (batch: WriteBatch<OwnWrite>): Promise<"written" | "conflict" | "overloaded"> => {
    unanswered = batch;
    let outcome: AppendOutcome;
    try {
      outcome = await log.append(ctx, batch.request);
    } catch (error) {
      // What can never be taken is not sent again; what was meant is decided anew.
      if (error instanceof ViableError && !error.retryable && !life.signal.aborted) {
        unanswered = undefined;
        for (const item of batch.items) takeUnwritten(item, false);
      }
      throw error;
    }
    unanswered = undefined;
    if (outcome.ok) {
      for (const [index, item] of batch.items.entries()) {
        takeWritten(item, outcome.recordVersions[index] ?? 0);
        if (item.isLeaving && item.own.isLeaving) own.delete(item.own.view.service);
      }
      return "written";
    }
    const isOverloaded = outcome.reason === "overloaded";
    for (const item of batch.items) takeUnwritten(item, isOverloaded);
    return isOverloaded ? "overloaded" : "conflict";
  };

  const writeOwn = async () => {
    if (unanswered !== undefined && membership.canClaim) await send(unanswered);
    // Others hold a process without a lease for gone, or will: it tells nothing. It may have lost it while it waited.
    for (let round = 0; round < maxRounds && membership.canClaim; round++) {
      const due = [...own.values()].filter((each) => isDue(each, membership.epoch, clock.monotonicMs()));
      if (due.length === 0) return;
      await inGroups(
        due.filter(({ version }) => version === undefined),
        readBack,
      );
      const look = lookNow();
      const writes = due.map((each) => toWrite(each, each.version ?? 0, look));
      const expiresAt = clock.now() + keepMs;
      let isMet = false;
      for (const [index, batch] of toBatches(writes, expiresAt, () => ids.next("apd")).entries()) {
        const outcome = await send(batch);
        if (outcome === "overloaded") throw overloaded(index);
        if (outcome === "conflict") isMet = true;
      }
      if (!isMet) return;
    }
  };

  // Swarms of others

  /** A record that is still to be marked: fresh, and of a life that is gone. What is settled already is forgotten here. */
  const toLost = async (key: string, lost: LostSwarm[]) => {
    const stored = await log.getRecord(ctx, key);
    const record = stored && fromHealthRecord(stored.value);
    if (stored === undefined || record === undefined || record.state !== "living") return void others.delete(key);
    if (!membership.isGone(record.view.processId, record.epoch)) return;
    lost.push({ key, write: toLostWrite(key, stored, record) });
  };
  const toLostWrite = (key: string, { version }: StoredRecord, record: SwarmHealthRecord): HealthWrite => {
    const { epoch, told, view, measuredAt } = record;
    const { service, processId, measurement } = view;
    const reasons = [`its process is gone, as ${membership.processId} has found`];
    const of = { service, processId, epoch, reasons, measurement, measuredAt };
    const change = { from: told, to: "lost", unrecorded: 0, isFlapping: false } as const;
    return {
      key,
      value: toHealthRecord({ ...record, state: "lost", told: "lost" }),
      expected: version,
      stream: swarmStream(service),
      events: [toHealthEvent(ids, of, change)],
    };
  };
  const markLost = async () => {
    // One that has lost a life and lives another will tell of its swarms itself.
    const members = new Set(membership.members().map(({ id }) => id));
    const gone = [...others].filter(([, each]) => !members.has(each.view.processId) && !isAlive(each));
    if (gone.length === 0) return;
    const lost: LostSwarm[] = [];
    await inGroups(gone, ([key]) => toLost(key, lost));
    for (const { items, request } of toBatches(lost, clock.now() + keepMs, () => ids.next("apd"))) {
      const outcome = await log.append(ctx, request);
      // Where somebody was quicker the watch tells of it, and the next turn looks again at what is left.
      if (outcome.ok) for (const { key } of items) others.delete(key);
    }
  };
  const forget = () => {
    const nowMs = clock.monotonicMs();
    for (const [key, { seenAtMs }] of others) if (nowMs - seenAtMs >= keepMs) others.delete(key);
  };

  // Turns

  const act = async () => {
    await writeOwn();
    // Nor does it judge others.
    if (membership.canClaim) await markLost();
  };
  const turn = () => {
    observe();
    forget();
    acting ??= act()
      .then(noteGood, noteProblem)
      .finally(() => {
        acting = undefined;
      });
  };
  const noteGood = () => {
    if (problem !== undefined) settings.onProblem?.("The health of swarms is written again.");
    problem = undefined;
  };
  const noteProblem = (error: unknown) => {
    if (life.signal.aborted) return;
    const { code } = toWire(error);
    if (problem === undefined) settings.onProblem?.(`The health of swarms cannot be written at present (${code}).`);
    problem = code;
  };
  const beat = () => {
    turn();
    timer = clock.setTimer(beat, lookMs, { background: true });
  };

  const leave = async () => {
    await acting;
    for (const each of own.values()) each.isLeaving = true;
    await writeOwn();
  };

  return {
    async start(startCtx) {
      stopWatching = await log.watchRecords(withContext(startCtx, { signal: life.signal }), healthPrefix, onChange);
      isListening = true;
      stopListening = membership.onGone(turn);
      // Nobody waits for what is written of them.
      beat();
    },
    pause() {
      timer?.cancel();
      stopListening();
    },
    async stop(stopCtx) {
      if (life.signal.aborted) return;
      timer?.cancel();
      stopListening();
      stopWatching();
      if (isListening) {
        const bounded = withContext(stopCtx, { deadline: clock.now() + leaveMs });
        // Where it cannot be said, the others see that the process is gone.
        await waitFor(bounded, leave()).catch(() => undefined);
      }
      life.abort();
    },
    all() {
      const measuredAt = new Date(clock.now()).toISOString();
      const nowMs = clock.monotonicMs();
      const ours = [...swarms.values()].map((swarm): SwarmReport => ({ ...swarm.status(), measuredAt, ageMs: 0 }));
      const theirs = [...others.values()].filter(isAlive).map(
        (each): SwarmReport => ({
          ...each.view,
          measuredAt: new Date(each.measuredAt).toISOString(),
          ...(!each.wasThere && { ageMs: nowMs - each.seenAtMs }),
        }),
      );
      return {
        swarms: [...ours, ...theirs].sort((a, b) => compareText(keyOf(a), keyOf(b))),
        // One that was turned away tells of itself again with its next interval.
        ...(nowMs - turnedAwayMs < 2 * everyMs && { isPartial: true }),
      };
    },
    history: (historyCtx, service, query = {}) => readSwarmHistory(historyCtx, log, service, query),
  };
}

const keyOf = ({ service, processId }: SwarmView): string => healthKey(service, processId);

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

async function inGroups<T>(all: readonly T[], act: (each: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += readsAtOnce) await Promise.all(all.slice(at, at + readsAtOnce).map(act));
}

/** `registry.health_not_written`: the log is overloaded. The next turn, a second later, tries again. */
const overloaded = (batches: number): ViableError =>
  new ViableError("registry.health_not_written", `The log is overloaded; ${batches} appends were taken before.`, {
    retryable: true,
    next: "Nothing: it is tried again.",
  });
