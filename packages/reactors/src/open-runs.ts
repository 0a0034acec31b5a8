import type { Context, Part } from "@viable/kernel";
import { TransientMap } from "@viable/kernel";
import type { Log, Position, StoredEvent, Subscription } from "@viable/log";
import { startPosition } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import { AwaitedRuns } from "./awaited-runs.ts";
import { EndedWaits } from "./ended-waits.ts";
import type { OpenRun } from "./open-run.ts";
import { asText, awaitedName, foldOpenRun, opensRun, toOpenRun, whyUnreadable } from "./open-run.ts";
import { OpenRunNotes } from "./open-run-notes.ts";
import type { RunEnding } from "./read-run.ts";
import { asRunEvent, endsRun, isEnding, readRun } from "./read-run.ts";
import { isRunStream, runIdOf } from "./run-journal.ts";

/** An approval that an open run asks for. */
export interface AskedApproval {
  readonly approvalId: string;
  readonly runId: string;
  /** The place in the log at which it is asked for. */
  readonly askedAt: Position;
  /** The session that began the run, or the one that it is composed in. */
  readonly session: string | undefined;
}

/** What is told of a run as the log brings it. */
export interface OpenRunsListener {
  /** Something that may be of interest to whoever has, or might take, the run. */
  changed(run: OpenRun, event: RunEvent): void;
  ended(run: OpenRun, ending: RunEnding): void;
  /** An event of a run cannot be read here: as long as it is open, nobody takes it here. */
  unreadable(run: OpenRun, isOver: boolean): void;
  /** Something was received for an event and a key. */
  received(tenant: string, event: string, key: string): void;
  /** What went wrong, in a sentence. */
  problem(message: string): void;
}

const noCounts: ReadonlyMap<string, number> = new Map();

/** What is heard of. Successes of steps are not: they are most of all events, and nobody but who wrote them needs them at once. */
const heardTypes = ["run.*", "step.waiting", "step.failed", "step.undo_failed", "approval.decided", "event.received"];

export const awaitedStream = (tenant: string, event: string, key: string): string =>
  `awaited:${encodeURIComponent(tenant)}/${event}/${key}`;

/**
 * All runs without an outcome, of every process, kept from the log alone (W2). What has been open for some seconds is noted in records, so
 * that a process that starts reads those and the last seconds of the log, however long that has become; a run that ends before costs
 * no note. An event that cannot be read costs what is known of its run, and nothing of the others.
 */
export interface OpenRuns extends Part {
  readonly size: number;
  /** How many of them cannot be read here. */
  readonly unreadable: number;
  get(runId: string): OpenRun | undefined;
  all(): Iterable<OpenRun>;
  /** Runs that wait for what is received under that name. */
  awaiting(tenant: string, event: string, key: string): Iterable<OpenRun>;
  byApproval(approvalId: string): OpenRun | undefined;
  /** What a tenant's runs ask persons for, the longest asked first. */
  approvals(tenant: string): Iterable<AskedApproval>;
  /** How many runs of each reactor a tenant has. */
  counts(tenant: string): ReadonlyMap<string, number>;
  /** Takes an event of a run into account that was read elsewhere: a note may have outlived its run, of which the log says nothing any more. */
  heard(stored: StoredEvent): void;
  /** What it may wait for has happened: whoever has it, or takes it, has to look at it. */
  disturb(run: OpenRun): void;
  /** Why the picture is no longer kept, where that is so. */
  failure(): unknown;
}

export function createOpenRuns(log: Log, listener: OpenRunsListener): OpenRuns {
  const open = new TransientMap<string, OpenRun>();
  const counts = new Map<string, Map<string, number>>();
  const awaited = new AwaitedRuns();
  const endedWaits = new EndedWaits(log, awaited, (run) => open.get(run.runId) === run);
  const unreadable = new Set<string>();
  let subscription: Subscription | undefined;
  let parked: unknown;
  const notes = new OpenRunNotes(log, {
    get: (runId) => open.get(runId),
    position: (): Position => subscription?.position ?? startPosition,
    onProblem: (message) => listener.problem(message),
  });

  const count = ({ tenant, reactor }: OpenRun, more: 1 | -1) => {
    const ofTenant = counts.get(tenant) ?? new Map<string, number>();
    counts.set(tenant, ofTenant.set(reactor, (ofTenant.get(reactor) ?? 0) + more));
    if (ofTenant.get(reactor) === 0) ofTenant.delete(reactor);
    if (ofTenant.size === 0) counts.delete(tenant);
  };
  const add = (run: OpenRun) => {
    open.set(run.runId, run);
    if (run.unreadable !== undefined) unreadable.add(run.runId);
    count(run, 1);
    awaited.add(run);
  };
  const remove = (run: OpenRun) => {
    open.delete(run.runId);
    unreadable.delete(run.runId);
    count(run, -1);
    awaited.remove(run);
    endedWaits.ended(run);
  };

  /** A run is open as long as what it is composed of, so its root is here. */
  const sessionOf = (run: OpenRun): string | undefined => {
    let root: OpenRun | undefined = run;
    while (root?.parentId !== undefined) root = open.get(root.parentId);
    return root?.session;
  };

  const onEvent = (stored: StoredEvent) => {
    if (stored.type === "event.received") onReceived(stored);
    else if (isRunStream(stored.stream)) onRunEvent(stored);
  };

  const onReceived = ({ metadata, data }: StoredEvent) => {
    const event = asText(data.event);
    const key = asText(data.key);
    if (event !== undefined && key !== undefined) listener.received(metadata.tenant, event, key);
  };

  const onRunEvent = (stored: StoredEvent) => {
    const known = open.get(runIdOf(stored.stream));
    if (known !== undefined && known.version >= stored.version) return;
    if (opensRun(stored)) onOpened(known, stored);
    else if (known !== undefined && endsRun(stored)) onEnded(known, stored);
    else if (known !== undefined) onChanged(known, stored);
  };

  const onOpened = (known: OpenRun | undefined, stored: StoredEvent) => {
    if (known !== undefined) remove(known);
    const run = toOpenRun(stored);
    add(run);
    notes.opened(run.runId);
    const event = asRunEvent(stored);
    if (event === undefined) listener.unreadable(run, false);
    else listener.changed(run, event);
  };

  const onEnded = (run: OpenRun, stored: StoredEvent) => {
    run.version = stored.version;
    remove(run);
    notes.ended(run);
    const ending = asRunEvent(stored);
    if (ending !== undefined && isEnding(ending)) listener.ended(run, ending);
    else {
      run.unreadable ??= whyUnreadable(stored);
      listener.unreadable(run, true);
    }
  };

  const onChanged = (run: OpenRun, stored: StoredEvent) => {
    const event = asRunEvent(stored);
    run.version = stored.version;
    // What comes after what cannot be read may say something else with it.
    if (run.unreadable !== undefined) return;
    notes.changed(run.runId);
    if (event === undefined) {
      run.unreadable = whyUnreadable(stored);
      unreadable.add(run.runId);
      listener.unreadable(run, false);
      return;
    }
    foldOpenRun(run, event);
    awaited.apply(run, event, stored.position);
    if (event.type === "step.waiting") endedWaits.waits(run);
    listener.changed(run, event);
  };

  /** What another release could not read when it noted a run, this one may be able to. */
  const readAgain = async (ctx: Context, run: OpenRun, fromVersion: number) => {
    run.unreadable = undefined;
    unreadable.delete(run.runId);
    run.version = fromVersion - 1;
    for await (const stored of readRun(ctx, log, run.runId, { fromVersion, decoding: "lenient" })) onRunEvent(stored);
  };

  /** A run whose note does not say how it stands. */
  const readWhole = async (ctx: Context, runId: string) => {
    for await (const stored of readRun(ctx, log, runId, { decoding: "lenient" })) onRunEvent(stored);
    // Of a run that is over, or that there is none of, nothing is to be noted.
    if (!open.has(runId)) notes.ended({ runId, since: startPosition });
  };

  const tellUnread = (notes: readonly { readonly runId: string; readonly unreadable: string | undefined }[]) => {
    const [one] = notes;
    if (one === undefined) return;
    const others = notes.length === 1 ? "" : `, nor those of ${notes.length - 1} other runs`;
    listener.problem(
      `What was noted of the open run ${one.runId} could not be read${others} (${one.unreadable}): the log was read instead.`,
    );
  };

  return {
    get size() {
      return open.size;
    },
    get unreadable() {
      return unreadable.size;
    },
    get: (runId) => open.get(runId),
    all: () => open.values(),
    awaiting: (tenant, event, key) => awaited.byName(awaitedName(tenant, event, key)),
    byApproval: (approvalId) => awaited.byApproval(approvalId)?.run,
    *approvals(tenant) {
      for (const { approvalId, run, askedAt } of awaited.approvals(tenant))
        yield { approvalId, runId: run.runId, askedAt, session: sessionOf(run) };
    },
    counts: (tenant) => counts.get(tenant) ?? noCounts,
    heard: onRunEvent,
    disturb(run) {
      run.idle = undefined;
      notes.changed(run.runId);
    },
    failure: () => parked,
    async start(ctx) {
      endedWaits.start(ctx);
      const unknown: { readonly runId: string; readonly unreadable: string | undefined }[] = [];
      const after = await notes.read(ctx, {
        noted: add,
        unknown: (runId, unreadable) => void unknown.push({ runId, unreadable }),
      });
      for (const run of [...open.values()])
        if (run.unreadable !== undefined) await readAgain(ctx, run, run.unreadable.version);
      for (const { runId } of unknown) await readWhole(ctx, runId);
      tellUnread(unknown.filter(({ unreadable }) => unreadable !== undefined));
      subscription = log.subscribe(ctx, {
        name: "open-runs",
        after,
        filter: { types: heardTypes },
        decoding: "lenient",
        handle: onEvent,
        onParked: (error) => {
          parked = error;
        },
      });
      await subscription.caughtUp();
      if (parked !== undefined) throw parked;
      notes.start(ctx);
    },
    async stop(ctx) {
      endedWaits.stop();
      await notes.stop(ctx);
      subscription?.stop();
    },
  };
}
