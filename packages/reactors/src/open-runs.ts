import type { Context, Part } from "@viable/kernel";
import type { Log, Position, StoredEvent, Subscription } from "@viable/log";
import { startPosition } from "@viable/log";
import type { RunEvent } from "@viable/protocol";
import type { OpenRun } from "./open-run.ts";
import { asText, awaitedName, foldOpenRun, opensRun, toOpenRun, whyUnreadable } from "./open-run.ts";
import { OpenRunNotes } from "./open-run-notes.ts";
import type { RunEnding } from "./read-run.ts";
import { asRunEvent, endsRun, isEnding, readRun } from "./read-run.ts";
import { isRunStream, runIdOf } from "./run-journal.ts";

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
  /** What it may wait for has happened: whoever has it, or takes it, has to look at it. */
  disturb(run: OpenRun): void;
  /** Why the picture is no longer kept, where that is so. */
  failure(): unknown;
}

export function createOpenRuns(log: Log, listener: OpenRunsListener): OpenRuns {
  const open = new Map<string, OpenRun>();
  const awaiting = new Map<string, Set<string>>();
  const approvals = new Map<string, string>();
  const unreadable = new Set<string>();
  let subscription: Subscription | undefined;
  let parked: unknown;
  const notes = new OpenRunNotes(log, {
    get: (runId) => open.get(runId),
    position: (): Position => subscription?.position ?? startPosition,
    onProblem: (message) => listener.problem(message),
  });

  const index = ({ runId, awaits, approvals: asked }: OpenRun) => {
    for (const name of awaits) awaiting.set(name, (awaiting.get(name) ?? new Set()).add(runId));
    for (const approvalId of asked) approvals.set(approvalId, runId);
  };
  const unindex = ({ runId, awaits, approvals: asked }: Pick<OpenRun, "runId" | "awaits" | "approvals">) => {
    for (const name of awaits) {
      const runs = awaiting.get(name);
      runs?.delete(runId);
      if (runs?.size === 0) awaiting.delete(name);
    }
    for (const approvalId of asked) approvals.delete(approvalId);
  };
  const add = (run: OpenRun) => {
    open.set(run.runId, run);
    if (run.unreadable !== undefined) unreadable.add(run.runId);
    index(run);
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
    if (opensRun(stored)) onOpened(stored);
    else if (known !== undefined && endsRun(stored)) onEnded(known, stored);
    else if (known !== undefined) onChanged(known, stored);
  };

  const onOpened = (stored: StoredEvent) => {
    const run = toOpenRun(stored);
    add(run);
    notes.opened(run.runId);
    const event = asRunEvent(stored);
    if (event === undefined) listener.unreadable(run, false);
    else listener.changed(run, event);
  };

  const onEnded = (run: OpenRun, stored: StoredEvent) => {
    run.version = stored.version;
    open.delete(run.runId);
    unreadable.delete(run.runId);
    unindex(run);
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
    const { runId, awaits, approvals: asked } = run;
    foldOpenRun(run, event);
    if (run.awaits !== awaits || run.approvals !== asked) {
      unindex({ runId, awaits, approvals: asked });
      index(run);
    }
    listener.changed(run, event);
  };

  /** What another release could not read when it noted a run, this one may be able to. */
  const readAgain = async (ctx: Context, run: OpenRun, fromVersion: number) => {
    run.unreadable = undefined;
    unreadable.delete(run.runId);
    run.version = fromVersion - 1;
    for await (const stored of readRun(ctx, log, run.runId, { fromVersion, decoding: "lenient" })) onRunEvent(stored);
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
    *awaiting(tenant, event, key) {
      for (const runId of [...(awaiting.get(awaitedName(tenant, event, key)) ?? [])]) {
        const run = open.get(runId);
        if (run !== undefined) yield run;
      }
    },
    byApproval: (approvalId) => open.get(approvals.get(approvalId) ?? ""),
    disturb(run) {
      run.idle = undefined;
      notes.changed(run.runId);
    },
    failure: () => parked,
    async start(ctx) {
      const after = await notes.read(ctx, add);
      for (const run of [...open.values()])
        if (run.unreadable !== undefined) await readAgain(ctx, run, run.unreadable.version);
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
      await notes.stop(ctx);
      subscription?.stop();
    },
  };
}
