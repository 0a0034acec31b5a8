import type { Ids } from "@viable/kernel";
import type { NewEvent } from "@viable/log";
import type { StoredSwarmSample, SwarmHealthRecord, SwarmView } from "@viable/protocol";
import { swarmStream, toHealthEvent } from "./health-event.ts";
import { boundReasons, healthKey, maxSamples, toHealthRecord, toStoredSample } from "./health-record.ts";
import type { ToldDecision, ToldHealth } from "./told-health.ts";
import { beginTold, decideTold, tellReturn } from "./told-health.ts";
import type { HealthWrite } from "./write-batches.ts";

/**
 * How far apart, in milliseconds, two records are at least that are written because a status changed: one that changes at each look is in the
 * database no more often than six times in an interval.
 */
const minGapMs = 5_000;

/** What a look needs to know of the moment. */
export interface Look {
  readonly ids: Ids;
  readonly epoch: number;
  readonly nowMs: number;
  /** Wall time. */
  readonly measuredAt: number;
  /** Whether an interval is over: a sample is kept, and the record written. */
  readonly isInterval: boolean;
}

/** A swarm of this process, and how far the log knows of it. */
export interface OwnSwarm {
  readonly key: string;
  view: SwarmView;
  measuredAt: number;
  samples: readonly StoredSwarmSample[];
  told: ToldHealth;
  /** Decided, and not known to be in the log; at most six, oldest first. */
  waiting: readonly NewEvent[];
  /** Whether the record is to be written whatever it says. */
  isDue: boolean;
  /** Whether the swarm is gone from this process, or the process stops. */
  isLeaving: boolean;
  /** Whether its record says that it is lost: what it is next goes before everything else. */
  isReturning: boolean;
  /** The record's version; undefined where it must be read. */
  version: number | undefined;
  /** What is known to be written. */
  written: Written | undefined;
}

interface Written {
  readonly epoch: number;
  readonly status: SwarmView["status"];
  /** When it was sent, in monotonic milliseconds. */
  readonly atMs: number;
}

/** What of a swarm goes into an append. */
export interface OwnWrite {
  readonly own: OwnSwarm;
  readonly write: HealthWrite;
  readonly written: Written;
  readonly isLeaving: boolean;
}

/** A process's id is new, so nothing was written under it. */
export const meetOwn = (view: SwarmView, { nowMs, measuredAt }: Look): OwnSwarm => ({
  key: healthKey(view.service, view.processId),
  view,
  measuredAt,
  samples: [],
  told: beginTold(nowMs),
  waiting: [],
  isDue: true,
  isLeaving: false,
  isReturning: false,
  version: 0,
  written: undefined,
});

/** Takes in how a swarm is now. Whether it was measured at an interval, a sample is kept of it. */
export function lookAt(own: OwnSwarm, view: SwarmView, look: Look): void {
  own.view = view;
  own.measuredAt = look.measuredAt;
  own.isLeaving = false;
  if (look.isInterval || own.samples.length === 0) {
    own.samples = [
      ...own.samples.slice(-(maxSamples - 1)),
      toStoredSample(look.measuredAt, view.status, view.measurement),
    ];
    own.isDue = true;
  }
  decide(own, decideTold(own.told, view.status, look.nowMs, own.waiting.length), look);
}

/** Whether there is something to write of it, of a process with that epoch. */
export function isDue({ isDue, isLeaving, waiting, written, view }: OwnSwarm, epoch: number, nowMs: number): boolean {
  if (isDue || isLeaving || waiting.length > 0 || written?.epoch !== epoch) return true;
  return view.status !== written.status && nowMs - written.atMs >= minGapMs;
}

/** What is to be written of it. Its version must be known. */
export function toWrite(own: OwnSwarm, version: number, { epoch, nowMs }: Look): OwnWrite {
  const { view, isLeaving } = own;
  own.isDue = false;
  const record: SwarmHealthRecord = {
    epoch,
    state: isLeaving ? "left" : "living",
    told: own.told.told,
    measuredAt: own.measuredAt,
    view,
    samples: [...own.samples],
  };
  return {
    own,
    isLeaving,
    written: { epoch, status: view.status, atMs: nowMs },
    write: {
      key: own.key,
      value: toHealthRecord(record),
      expected: version,
      stream: swarmStream(view.service),
      events: own.waiting,
    },
  };
}

/** It is written. `version` is 0 where another has written it since. */
export function takeWritten({ own, write, written }: OwnWrite, version: number): void {
  own.version = version === 0 ? undefined : version;
  own.written = written;
  own.waiting = own.waiting.slice(write.events.length);
  own.isReturning = false;
}

/** It is not written, or nobody knows. `isVersionKnown`: whether the record may be taken to be what it was. */
export function takeUnwritten({ own }: OwnWrite, isVersionKnown: boolean): void {
  own.isDue = true;
  if (!isVersionKnown) own.version = undefined;
}

/** Takes in what the log holds of it, after somebody else has written there. */
export function takeBack(own: OwnSwarm, version: number, record: SwarmHealthRecord | undefined, look: Look): void {
  own.version = version;
  if (record?.state === "lost") {
    if (own.isReturning) return;
    own.isReturning = true;
    const decision = tellReturn(own.told, look.nowMs, own.waiting.length);
    own.waiting = [];
    decide(own, decision, look);
  } else if (record !== undefined && own.waiting.length === 0) {
    // A log that has gone back has lost what it was told last.
    own.told = { ...own.told, told: record.told };
  }
}

function decide(own: OwnSwarm, { next, change }: ToldDecision, { ids, epoch }: Look): void {
  own.told = next;
  if (change === undefined) return;
  const { service, processId, reasons, measurement } = own.view;
  const of = { service, processId, epoch, reasons: boundReasons(reasons), measurement, measuredAt: own.measuredAt };
  own.waiting = [...own.waiting, toHealthEvent(ids, of, change)];
}
