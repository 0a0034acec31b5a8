import type { Context, JsonValue, Part, Timer } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log, Position, RecordWrite, StoredEvent, Subscription } from "@viable/log";
import { comparePositions, startPosition } from "@viable/log";
import type { Claim, RunEvent } from "@viable/protocol";
import type { RunEnding } from "./read-run.ts";
import { isEnding, toRunEvent } from "./read-run.ts";
import { isRunStream, runIdOf } from "./run-journal.ts";

const prefix = "reactors/open/";
const checkpointKey = "reactors/open-at";
/** How often what is open is noted, in milliseconds: that much of the log is read again after a crash. */
const noteEveryMs = 5_000;
/** Records of one append, below the log's bound. */
const noteRecords = 1_000;

/** A run without an outcome, as far as whoever might take it needs to know. */
export interface OpenRun {
  readonly runId: string;
  readonly tenant: string;
  readonly reactor: string;
  readonly hash: string;
  /** Position of the event that opened it. */
  readonly since: Position;
  readonly parentId: string | undefined;
  claim: Claim | undefined;
  /** Version of the last event of its stream that was seen. */
  version: number;
  /** Nothing of it goes on: until when (wall time in milliseconds), or null where only news can end it. Undefined where it goes on. */
  idle: number | null | undefined;
  /** It stands still until a person has said something, or its definition is here. */
  standing: "needs_review" | "parked" | undefined;
  /** When this process looks at it next; not noted. */
  scheduledMs: number | undefined;
  /** What it waits for from outside, as event and key. */
  awaits: readonly string[];
  /** Approvals that are asked for. */
  approvals: readonly string[];
}

/** What is told of a run as the log brings it. */
export interface OpenRunsListener {
  /** Something that may be of interest to whoever has, or might take, the run. */
  changed(run: OpenRun, event: RunEvent, position: Position): void;
  ended(run: OpenRun, ending: RunEnding): void;
  /** Something was received for an event and a key. */
  received(tenant: string, event: string, key: string): void;
}

/** What is heard of. Successes of steps are not: they are most of all events, and nobody but who wrote them needs them at once. */
const heardTypes = ["run.*", "step.waiting", "step.failed", "step.undo_failed", "approval.decided", "event.received"];

/** How an awaited event is known: its name, key and tenant. */
const awaitedName = (tenant: string, event: string, key: string): string => JSON.stringify([tenant, event, key]);
export const awaitedStream = (tenant: string, event: string, key: string): string =>
  `awaited:${encodeURIComponent(tenant)}/${event}/${key}`;

/**
 * All runs without an outcome, of every process, kept from the log alone (W2). What has been open for some seconds is noted in records, so
 * that a process that starts reads those and the last seconds of the log, however long that has become; a run that ends before costs
 * no note.
 */
export interface OpenRuns extends Part {
  readonly size: number;
  get(runId: string): OpenRun | undefined;
  all(): Iterable<OpenRun>;
  /** Runs that wait for what is received under that name. */
  awaiting(tenant: string, event: string, key: string): Iterable<OpenRun>;
  byApproval(approvalId: string): OpenRun | undefined;
  /** What it may wait for has happened: whoever has it, or takes it, has to look at it. */
  disturb(run: OpenRun): void;
  /** Why the picture is no longer kept, where that is so. */
  failure(): unknown;
}

export function createOpenRuns(log: Log, listener: OpenRunsListener): OpenRuns {
  const open = new Map<string, OpenRun>();
  const awaiting = new Map<string, Set<string>>();
  const approvals = new Map<string, string>();
  /** Whose record is not as the run is: noted with the next checkpoint. */
  const changed = new Set<string>();
  /** Runs that ended since the last notes, and where they had been opened: those before a checkpoint may have a record. */
  const ended = new Map<string, Position>();
  let subscription: Subscription | undefined;
  let timer: Timer | undefined;
  let notedAt: Position = startPosition;
  let parked: unknown;
  let stopped = false;

  const add = (run: OpenRun) => {
    open.set(run.runId, run);
    ended.delete(run.runId);
    for (const name of run.awaits) {
      const runs = awaiting.get(name) ?? new Set();
      awaiting.set(name, runs.add(run.runId));
    }
    for (const approvalId of run.approvals) approvals.set(approvalId, run.runId);
  };
  const forget = (run: OpenRun) => {
    open.delete(run.runId);
    for (const name of run.awaits) {
      const runs = awaiting.get(name);
      runs?.delete(run.runId);
      if (runs?.size === 0) awaiting.delete(name);
    }
    for (const approvalId of run.approvals) approvals.delete(approvalId);
  };

  const onEvent = (stored: StoredEvent) => {
    if (stored.type === "event.received") {
      const { event, key } = stored.data as { event: string; key: string };
      listener.received(stored.metadata.tenant, event, key);
      return;
    }
    if (!isRunStream(stored.stream)) return;
    const runId = runIdOf(stored.stream);
    const event = toRunEvent(stored);
    let run = open.get(runId);
    if (run !== undefined && run.version >= stored.version) return;
    if (event.type === "run.started" || event.type === "run.undo_requested") {
      const { reactor, hash } = event.data;
      const parentId = event.type === "run.started" ? event.data.parent?.runId : event.data.parentId;
      const claim = event.type === "run.started" ? event.data.claim : undefined;
      run = {
        runId,
        tenant: stored.metadata.tenant,
        reactor,
        hash,
        since: stored.position,
        parentId,
        claim,
        version: stored.version,
        idle: undefined,
        standing: undefined,
        scheduledMs: undefined,
        awaits: [],
        approvals: [],
      };
      add(run);
      changed.add(runId);
      listener.changed(run, event, stored.position);
      return;
    }
    if (run === undefined) return;
    run.version = stored.version;
    if (isEnding(event)) {
      forget(run);
      changed.delete(runId);
      ended.set(runId, run.since);
      listener.ended(run, event);
      return;
    }
    note(run, event);
    changed.add(runId);
    listener.changed(run, event, stored.position);
  };
  const note = (run: OpenRun, event: RunEvent) => {
    // Whoever writes has its definition.
    if (run.standing === "parked" && (event.type === "run.claimed" || event.type.startsWith("step.")))
      run.standing = undefined;
    switch (event.type) {
      case "run.claimed":
        run.claim = event.data;
        run.idle = undefined;
        return;
      case "run.parked":
        run.standing = "parked";
        return;
      case "run.needs_review":
        run.standing = "needs_review";
        return;
      case "run.reviewed":
        run.standing = undefined;
        run.idle = undefined;
        return;
      case "approval.decided":
        approvals.delete(event.data.approvalId);
        run.approvals = run.approvals.filter((each) => each !== event.data.approvalId);
        run.idle = undefined;
        return;
      case "step.waiting": {
        const { wait, idle } = event.data;
        run.idle = idle;
        if (wait.for === "event") {
          const name = awaitedName(run.tenant, wait.event, wait.key);
          run.awaits = [...run.awaits.filter((each) => each !== name), name];
          add(run);
        } else if (wait.for === "approval") {
          run.approvals = [...run.approvals, wait.approvalId];
          add(run);
        }
        return;
      }
      default:
        run.idle = undefined;
    }
  };

  /** Writes down what changed since, and then up to where. Several processes note the same; who is further has the last word. */
  const writeNotes = async (ctx: Context) => {
    const position = subscription?.position ?? startPosition;
    if (comparePositions(position, notedAt) <= 0) return;
    const current = await log.getRecord(ctx, checkpointKey);
    const theirs = (current?.value as { position?: Position } | undefined)?.position;
    const mayBeNoted = theirs !== undefined && comparePositions(theirs, notedAt) > 0 ? theirs : notedAt;
    const writes: RecordWrite[] = [];
    for (const runId of changed) {
      const run = open.get(runId);
      if (run !== undefined) writes.push({ key: prefix + runId, value: toNote(run), expected: "any" });
    }
    for (const [runId, since] of ended) {
      if (comparePositions(since, mayBeNoted) <= 0) writes.push({ key: prefix + runId, value: null, expected: "any" });
    }
    const before = { changed: [...changed], ended: [...ended] };
    changed.clear();
    ended.clear();
    // Another process has noted all of this already.
    if (theirs !== undefined && comparePositions(theirs, position) >= 0) {
      notedAt = position;
      return;
    }
    try {
      await appendNotes(ctx, writes, { from: theirs ?? startPosition, to: position }, current?.version ?? 0);
      notedAt = position;
    } catch {
      // The next notes say it again: until then a start reads a little more.
      for (const runId of before.changed) if (open.has(runId)) changed.add(runId);
      for (const [runId, since] of before.ended) if (!open.has(runId)) ended.set(runId, since);
    }
  };

  /** Each append writes the checkpoint too, at the version that was read: whoever is slow, and has older notes, is refused. */
  const appendNotes = async (
    ctx: Context,
    writes: readonly RecordWrite[],
    place: { from: Position; to: Position },
    version: number,
  ) => {
    let expected = version;
    for (let from = 0; from === 0 || from < writes.length; from += noteRecords) {
      const isLast = from + noteRecords >= writes.length;
      const fence = { key: checkpointKey, value: { position: isLast ? place.to : place.from }, expected };
      const outcome = await log.append(ctx, { records: [...writes.slice(from, from + noteRecords), fence] });
      if (!outcome.ok)
        throw new ViableError("reactor.notes_refused", `The notes of open runs were not taken: ${outcome.reason}.`);
      expected = outcome.recordVersions.at(-1) as number;
    }
  };
  const scheduleNotes = (ctx: Context) => {
    timer = ctx.runtime.clock.setTimer(
      () => {
        writeNotes(ctx)
          .catch(() => undefined)
          .finally(() => {
            if (!stopped) scheduleNotes(ctx);
          });
      },
      noteEveryMs,
      { background: true },
    );
  };

  return {
    get size() {
      return open.size;
    },
    get: (runId) => open.get(runId),
    all: () => open.values(),
    *awaiting(tenant, event, key) {
      for (const runId of [...(awaiting.get(awaitedName(tenant, event, key)) ?? [])]) {
        const run = open.get(runId);
        if (run !== undefined) yield run;
      }
    },
    byApproval: (approvalId) => open.get(approvals.get(approvalId) ?? ""),
    disturb(run) {
      run.idle = undefined;
      changed.add(run.runId);
    },
    failure: () => parked,
    async start(ctx) {
      const checkpoint = (await log.getRecord(ctx, checkpointKey))?.value as { position: Position } | undefined;
      for (let after: string | undefined = ""; after !== undefined; ) {
        const page = await log.listRecords(ctx, prefix, { after, limit: noteRecords });
        for (const { key, value } of page) {
          add(fromNote(key.slice(prefix.length), value));
        }
        after = page.length < noteRecords ? undefined : page.at(-1)?.key;
      }
      notedAt = checkpoint?.position ?? startPosition;
      subscription = log.subscribe(ctx, {
        name: "open-runs",
        after: notedAt,
        filter: { types: heardTypes },
        handle: onEvent,
        onParked: (error) => {
          parked = error;
        },
      });
      await subscription.caughtUp();
      if (parked !== undefined) throw parked;
      scheduleNotes(ctx);
    },
    async stop(ctx) {
      stopped = true;
      timer?.cancel();
      await writeNotes(ctx).catch(() => undefined);
      subscription?.stop();
    },
  };
}

const toNote = ({ runId: _, scheduledMs: __, ...run }: OpenRun): JsonValue =>
  JSON.parse(JSON.stringify(run)) as JsonValue;

function fromNote(runId: string, value: JsonValue): OpenRun {
  const noted = value as unknown as Omit<OpenRun, "runId">;
  return {
    runId,
    tenant: noted.tenant,
    reactor: noted.reactor,
    hash: noted.hash,
    since: noted.since,
    parentId: noted.parentId,
    claim: noted.claim,
    version: noted.version,
    idle: noted.idle,
    standing: noted.standing,
    scheduledMs: undefined,
    awaits: noted.awaits,
    approvals: noted.approvals,
  };
}
