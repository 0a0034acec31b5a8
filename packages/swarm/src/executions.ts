import type { Context, Part, Timer } from "@viable/kernel";
import { invariant, isId, sleep, untilSettled, ViableError, withContext } from "@viable/kernel";
import type { AppendRequest, Log, Position, StoredEvent, Subscription } from "@viable/log";
import { comparePositions, foldStream, startPosition } from "@viable/log";
import type { Claim } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { EqualWork } from "./equal-work.ts";
import { foldWork, freeWork, maxFollowers, workFinished, workStarted } from "./equal-work.ts";
import type { ExecutionEvent, ExecutionState, UndecodableExecution } from "./execution.ts";
import {
  executionFold,
  executionIdOf,
  executionStream,
  foldExecution,
  foldNext,
  isExecutionStream,
} from "./execution.ts";

/** Where this process notes up to which position it has seen everything, and what was open then. */
const checkpointKey = "executions/open";
/** How often that is noted, in milliseconds; at most this much of the log is read again after a crash. */
const checkpointEveryMs = 5_000;
/** More open executions than this are not noted: reading the log again is then the shorter way. Admission keeps far below. */
const maxCheckpointed = 50_000;
/** Settled executions remembered for whoever asks a moment too late. */
const maxRecent = 1_000;
/** Larger ones, in characters of JSON, are read again instead: so at most 16 MB are held. */
const maxRecentChars = 16_384;
/** How often a waiter looks for itself, in case no word reached it (W3). */
const lookAgainMs = 1_000;
/** How many events of a stream are read at once. */
const pageEvents = 1_000;
/** How many acceptances are looked at for one page of those that are asked for. */
const maxLookedAt = 10_000;
/** How far back a key stream is read for who does its work: more than its followers and those they inherited can be. */
const maxWorkEvents = 4 * maxFollowers;
/** How many characters of JSON one append may carry of a shared outcome; below the log's own bound, with room for the rest. */
const maxSharedChars = 6_000_000;
/** How often a decision is made anew because somebody else appended first. */
const maxDecisions = 20;

/** What a decision sees: the execution and, if it takes part in equal work, that. */
export type Decide = (state: ExecutionState) => ExecutionEvent | undefined;

/**
 * The process's picture of all executions that have no outcome yet, kept from the log alone (W2), and the one way to append
 * to them: decide on the folded state, append at its version, and if somebody was faster, decide again.
 */
export interface Executions extends Part {
  open(): Iterable<ExecutionState>;
  openCount(): number;
  /** Whether it is known here, and known to have no outcome yet. */
  isOpen(executionId: string): boolean;
  /** What this process is about to begin for the last time, after it was lost: for its queens, which share nothing else. */
  readonly lastClaims: Set<string>;
  /** Why the picture is no longer kept, where that is so: then nothing here may be trusted, and the process should be restarted. */
  failure(): unknown;
  /** Rejects with that once it is so. */
  readonly failed: Promise<never>;
  /** The execution as it is now, from memory where it is open, from the log where not. Undefined for other tenants' (W11). */
  get(ctx: Context, executionId: string): Promise<ExecutionState | undefined>;
  /**
   * Whose it is, not how it stands: told also where its events cannot be read, so that they can be looked at. Undefined for other
   * tenants' (W11).
   */
  owner(ctx: Context, executionId: string): Promise<{ readonly session: string | undefined } | undefined>;
  /** Newest first, those whose events cannot be read apart. `before` is the position that the last page ended at. */
  list(
    ctx: Context,
    options: {
      limit: number;
      before?: Position;
      session?: string;
      /** Those alone whose acceptance says that they have this risk; of others that are rare, the page may end before it is full. */
      risk?: "high";
    },
  ): Promise<{
    executions: ExecutionState[];
    undecodable: UndecodableExecution[];
    next: Position | undefined;
  }>;
  /** Waits for the outcome, as long as the context lasts. */
  whenSettled(ctx: Context, executionId: string): Promise<ExecutionState>;
  /** Calls back once with the outcome, if it is not there yet. */
  onSettled(executionId: string, callback: (state: ExecutionState) => void): () => void;
  /** Calls back with each claim of the execution that is heard of from now on, by any process. */
  onClaimed(executionId: string, callback: (state: ExecutionState) => void): () => void;
  /** Calls back whenever an execution that this process had not noted is accepted, loses the work it had joined, is approved, or may be claimed by anyone. */
  onWork(callback: (state: ExecutionState) => void): () => void;
  /**
   * Notes what was just accepted at a position that the tail may be on the way to still. Answers whether that was new here: else more may have
   * come of it already.
   */
  note(state: ExecutionState, position: Position): boolean;
  /** Appends what `decide` says, or nothing where it says so; answers the state after it, with what was appended in it. */
  decide(ctx: Context, executionId: string, decide: Decide): Promise<ExecutionState>;
  /** Who does, and who waits for, the work of a key stream. */
  equalWork(ctx: Context, stream: string, fresh: boolean): Promise<EqualWork>;
}

export function createExecutions(log: Log): Executions {
  const open = new Map<string, ExecutionState>();
  const recent = new Map<string, ExecutionState>();
  const work = new Map<string, EqualWork>();
  const settledListeners = new Map<string, Set<(state: ExecutionState) => void>>();
  const claimListeners = new Map<string, Set<(state: ExecutionState) => void>>();
  const workListeners = new Set<(state: ExecutionState) => void>();
  let subscription: Subscription | undefined;
  let checkpointTimer: Timer | undefined;
  let checkpointed: Position = startPosition;
  let parked: unknown;
  const failed = Promise.withResolvers<never>();
  // Whether anybody listens is their affair.
  failed.promise.catch(() => undefined);
  let stopped = false;

  const onEvent = (event: StoredEvent) => {
    if (!isExecutionStream(event.stream)) {
      const known = work.get(event.stream);
      // A decision may have read the key stream ahead of the tail.
      if (known !== undefined && known.version >= event.version) return;
      const next = foldWork(known ?? freeWork, event);
      if (next.leader === undefined) work.delete(event.stream);
      else work.set(event.stream, next);
      return;
    }
    const executionId = executionIdOf(event.stream);
    const before = open.get(executionId);
    // A decision that lost a race may have read the stream ahead of the tail.
    if (before !== undefined && before.version >= event.version) return;
    const state = foldExecution(before, event);
    if (state === undefined) return;
    if (isOutcome(state.status)) settled(state);
    else {
      open.set(executionId, state);
      const isLeft = event.type === "execution.released" && event.data.leaves === true;
      const isFree = event.type === "execution.rejoined" || event.type === "execution.approved" || isLeft;
      if (event.type === "execution.accepted" || isFree) tellWork(state);
      if (event.type === "execution.claimed") tellClaimed(state);
    }
  };
  const tellWork = (state: ExecutionState) => {
    for (const listener of workListeners) listener(state);
  };
  const tellClaimed = (state: ExecutionState) => {
    for (const listener of claimListeners.get(state.executionId) ?? []) listener(state);
  };
  const settled = (state: ExecutionState) => {
    open.delete(state.executionId);
    remember(state);
    const listeners = settledListeners.get(state.executionId);
    if (listeners === undefined) return;
    settledListeners.delete(state.executionId);
    for (const listener of listeners) listener(state);
  };

  const remember = (state: ExecutionState) => {
    // What is waited for is handed over below; what is asked for later and is large is read from the log.
    if (JSON.stringify([state.accepted.args, state.result]).length > maxRecentChars) return;
    if (recent.size >= maxRecent) recent.delete(recent.keys().next().value as string);
    recent.set(state.executionId, state);
  };

  /** The execution as the log has it, read on from what is known of it. */
  const load = async (ctx: Context, executionId: string): Promise<ExecutionState | undefined> => {
    let state = open.get(executionId);
    if (state === undefined) return (await foldStream(ctx, log, executionStream(executionId), executionFold)).state;
    for (;;) {
      const fromVersion = state.version + 1;
      const page = await log.readStreamPage(ctx, executionStream(executionId), { fromVersion, limit: pageEvents });
      for (const event of page.events) state = foldExecution(state, event) ?? state;
      if (page.isEnd || isOutcome(state.status)) return state;
    }
  };
  const read = async (ctx: Context, executionId: string): Promise<ExecutionState | undefined> => {
    const state = await load(ctx, executionId);
    if (state !== undefined) advance(state);
    return state;
  };
  /** What was just read or written may be newer than what the tail has brought. */
  const advance = (state: ExecutionState) => {
    const known = open.get(state.executionId);
    if (known === undefined || known.version >= state.version) return;
    if (isOutcome(state.status)) return settled(state);
    open.set(state.executionId, state);
    // The tail will pass over the event that says so.
    if (state.claim !== undefined && !isSameClaim(state.claim, known.claim)) tellClaimed(state);
    if (state.status === "pending" && state.approval?.decision !== known.approval?.decision) tellWork(state);
  };

  const checkpoint = async (ctx: Context) => {
    const position = subscription?.position ?? startPosition;
    if (comparePositions(position, checkpointed) <= 0 || open.size > maxCheckpointed) return;
    // Several processes note the same thing; the one that is further wins, and a lost race means somebody just did.
    const current = await log.getRecord(ctx, checkpointKey);
    const noted = current?.value as { position?: Position } | undefined;
    if (noted?.position !== undefined && comparePositions(noted.position, position) >= 0) return;
    const value = { position, open: [...open.keys()] };
    await log.append(ctx, { records: [{ key: checkpointKey, value, expected: current?.version ?? 0 }] });
    checkpointed = position;
  };
  const scheduleCheckpoint = (ctx: Context) => {
    checkpointTimer = ctx.runtime.clock.setTimer(
      () => {
        // A note that could not be written costs reading a little more after a crash; the next one is due in seconds.
        checkpoint(ctx)
          .catch(() => undefined)
          .finally(() => {
            if (!stopped) scheduleCheckpoint(ctx);
          });
      },
      checkpointEveryMs,
      { background: true },
    );
  };

  const listenTo =
    (listening: Map<string, Set<(state: ExecutionState) => void>>) =>
    (executionId: string, callback: (state: ExecutionState) => void) => {
      const listeners = listening.get(executionId) ?? new Set();
      listeners.add(callback);
      listening.set(executionId, listeners);
      return () => {
        listeners.delete(callback);
        if (listeners.size === 0 && listening.get(executionId) === listeners) listening.delete(executionId);
      };
    };
  const onSettled = listenTo(settledListeners);

  type ListOptions = Parameters<Executions["list"]>[1];
  const readAccepted = async (ctx: Context, { session }: ListOptions, limit: number, from: Position | undefined) =>
    await log.readAllPage(ctx, {
      direction: "backward",
      limit,
      decoding: "none",
      ...(from !== undefined && { from }),
      filter: { tenant: ctx.tenant, types: ["execution.accepted"], ...(session !== undefined && { session }) },
    });
  /** Acceptances, the newest first, and where what was looked at ends. */
  const acceptedPage = async (ctx: Context, options: ListOptions) => {
    const { limit, risk } = options;
    let end = options.before;
    if (risk === undefined) {
      const { events, isEnd } = await readAccepted(ctx, options, limit, end);
      return { events, isEnd, end: events.at(-1)?.position };
    }
    const events: StoredEvent[] = [];
    for (let looked = 0; looked < maxLookedAt; ) {
      const page = await readAccepted(ctx, options, pageEvents, end);
      for (const event of page.events) {
        looked += 1;
        end = event.position;
        if (riskOf(event) !== risk) continue;
        events.push(event);
        if (events.length === limit) return { events, isEnd: false, end };
      }
      if (page.isEnd) return { events, isEnd: true, end };
    }
    return { events, isEnd: false, end };
  };

  const self: Executions = {
    async start(ctx) {
      const noted = (await log.getRecord(ctx, checkpointKey))?.value as
        | { position: Position; open: string[] }
        | undefined;
      for (const executionId of noted?.open ?? []) {
        const state = await load(ctx, executionId);
        if (state !== undefined && !isOutcome(state.status)) {
          open.set(executionId, state);
          const { joinKey } = state.accepted;
          if (joinKey !== undefined) await self.equalWork(ctx, joinKey, true);
        }
      }
      subscription = log.subscribe(ctx, {
        name: "executions",
        after: noted?.position ?? startPosition,
        filter: { types: ["execution.*", "approval.requested", "work.*"] },
        handle: onEvent,
        onParked: (error) => {
          parked = error;
          failed.reject(error);
        },
      });
      await subscription.caughtUp();
      if (parked !== undefined) throw parked;
      scheduleCheckpoint(ctx);
    },
    async stop(ctx) {
      stopped = true;
      checkpointTimer?.cancel();
      subscription?.stop();
      await checkpoint(ctx).catch(() => undefined);
    },
    open: () => open.values(),
    openCount: () => open.size,
    isOpen: (executionId) => open.has(executionId),
    lastClaims: new Set(),
    failure: () => parked,
    failed: failed.promise,
    async get(ctx, executionId) {
      if (!isId("exe", executionId)) return undefined;
      try {
        const state = open.get(executionId) ?? recent.get(executionId) ?? (await read(ctx, executionId));
        return state?.tenant === ctx.tenant ? state : undefined;
      } catch (error) {
        // Why it cannot be read tells of what stands in it, and that it is there at all.
        if (isUndecodable(error) && (await self.owner(ctx, executionId)) === undefined) return undefined;
        throw error;
      }
    },
    async owner(ctx, executionId) {
      if (!isId("exe", executionId)) return undefined;
      const known = open.get(executionId) ?? recent.get(executionId);
      if (known !== undefined) return known.tenant === ctx.tenant ? known : undefined;
      const [first] = await log.readStream(ctx, executionStream(executionId), { limit: 1, decoding: "none" });
      return first?.metadata.tenant === ctx.tenant ? { session: first.metadata.session } : undefined;
    },
    async list(ctx, options) {
      const page = await acceptedPage(ctx, options);
      const executions: ExecutionState[] = [];
      const undecodable: UndecodableExecution[] = [];
      for (const event of page.events) {
        const executionId = executionIdOf(event.stream);
        try {
          const state = await self.get(ctx, executionId);
          if (state !== undefined) executions.push(state);
        } catch (error) {
          // One that cannot be read must not hide the others.
          if (!isUndecodable(error)) throw error;
          const { session } = event.metadata;
          undecodable.push({ executionId, session, acceptedAt: event.time, reason: error.message });
        }
      }
      return { executions, undecodable, next: page.isEnd ? undefined : page.end };
    },
    async whenSettled(ctx, executionId) {
      // Whoever waits goes on waiting while the database is away: the outcome comes when it is back, or the context ends.
      const readIfThere = (): Promise<ExecutionState | undefined> =>
        read(ctx, executionId).catch((error) => {
          if (error instanceof ViableError && error.retryable) return undefined;
          throw error;
        });
      for (;;) {
        let stop: () => void = () => {};
        const told = new Promise<ExecutionState>((resolve) => {
          stop = onSettled(executionId, resolve);
        });
        try {
          const state = open.get(executionId) ?? recent.get(executionId) ?? (await readIfThere());
          if (state !== undefined && isOutcome(state.status)) return state;
          if (parked !== undefined) {
            throw new ViableError("executions.parked", "The picture of executions is no longer kept.", {
              cause: parked,
            });
          }
          const heard = await untilSettled<ExecutionState | undefined>(ctx, (resolve, reject) => {
            const timer = ctx.runtime.clock.setTimer(() => resolve(undefined), lookAgainMs);
            told.then(resolve, reject);
            return () => timer.cancel();
          });
          if (heard !== undefined) return heard;
          // Nobody told us for a while: what is open here may have been settled elsewhere, unseen so far.
          const stored = await readIfThere();
          if (stored !== undefined && isOutcome(stored.status)) return stored;
        } finally {
          stop();
        }
      }
    },
    onSettled,
    onClaimed: listenTo(claimListeners),
    onWork(callback) {
      workListeners.add(callback);
      return () => workListeners.delete(callback);
    },
    note(state, position) {
      const { executionId } = state;
      // What was seen and is open no more has ended, even where it is forgotten again.
      const isSeen = comparePositions(subscription?.position ?? startPosition, position) >= 0;
      if (isSeen || open.has(executionId) || recent.has(executionId)) return false;
      open.set(executionId, state);
      return true;
    },
    async decide(ctx, executionId, decide) {
      let state = open.get(executionId) ?? (await read(ctx, executionId));
      for (let overtaken = 0; overtaken < maxDecisions; ) {
        if (state === undefined) throw new ViableError("execution.not_found", `There is no execution ${executionId}.`);
        const event = decide(state);
        if (event === undefined) return state;
        const outcome = await log.append(
          withContext(ctx, { tenant: state.tenant }),
          await toRequest(ctx, state, event),
        );
        if (outcome.ok) {
          // Where an earlier try of this append has written it, when is for the log to say.
          if (outcome.time === undefined) return await stateAt(ctx, executionId, outcome.versions[0] ?? 0);
          const next = foldNext(state, event, state.version + 1, outcome.time);
          advance(next);
          return next;
        }
        // A full queue says nothing about the decision: how long to keep asking is the context's to bound.
        if (outcome.reason === "overloaded") await sleep(ctx, outcome.retryAfterMs);
        else {
          overtaken += 1;
          log.wake();
          state = await read(ctx, executionId);
          if (state?.accepted.joinKey !== undefined) await self.equalWork(ctx, state.accepted.joinKey, true);
        }
      }
      throw new ViableError(
        "execution.contended",
        `${executionId}: ${maxDecisions} decisions in a row were overtaken.`,
        { retryable: true },
      );
    },
    async equalWork(ctx, stream, fresh) {
      const known = work.get(stream);
      if (known !== undefined && !fresh) return known;
      const events = await log.readStream(ctx, stream, { limit: maxWorkEvents, direction: "backward" });
      // Only what came after the work was last free matters; the fold forgets the rest.
      const now = events.reverse().reduce(foldWork, freeWork);
      const newest = work.get(stream);
      if (newest !== undefined && newest.version > now.version) return newest;
      if (now.leader !== undefined) work.set(stream, now);
      else work.delete(stream);
      return now;
    },
  };

  /** The execution as it is once the version that was just written is in it. */
  const stateAt = async (ctx: Context, executionId: string, version: number): Promise<ExecutionState> => {
    for (;;) {
      const known = open.get(executionId) ?? recent.get(executionId);
      if (known !== undefined && known.version >= version) return known;
      try {
        const state = await read(ctx, executionId);
        invariant(state !== undefined, "W1", `${executionId} cannot be read though it was just appended to`);
        return state;
      } catch (error) {
        // It is written: a database that is away now must not make it look undone.
        if (stopped || !(error instanceof ViableError && error.retryable)) throw error;
        await sleep(ctx, lookAgainMs);
      }
    }
  };

  /** The append for one event: with an outcome of work that others have joined, theirs too, in the same flush. */
  const toRequest = async (ctx: Context, state: ExecutionState, event: ExecutionEvent): Promise<AppendRequest> => {
    const own = toAppend(state, event);
    const { joinKey } = state.accepted;
    if (joinKey === undefined || state.joinedTo !== undefined || !endsWork(event)) return { streams: [own] };
    let now = await self.equalWork(ctx, joinKey, false);
    // What this process has seen may lag behind: before it says that another does the work, it looks.
    if (now.leader !== state.executionId) now = await self.equalWork(ctx, joinKey, true);
    if (now.leader !== state.executionId) return { streams: [own] };
    const followers: ExecutionState[] = [];
    for (const id of now.followers) {
      const follower = open.get(id) ?? (await read(ctx, id));
      if (follower !== undefined && !isOutcome(follower.status) && follower.joinedTo === state.executionId)
        followers.push(follower);
    }
    const { sharing, left } = shareOutcome(event, followers);
    const [heir] = left;
    const reason = `${state.executionId} ended as ${event.type}`;
    return {
      streams: [
        own,
        {
          stream: joinKey,
          expected: now.version,
          events: [heir === undefined ? workFinished(state.executionId) : workStarted(heir.executionId)],
        },
        ...sharing.map((follower) =>
          toAppend(follower, { ...event, data: { ...event.data, joinedTo: state.executionId } } as ExecutionEvent),
        ),
        // Whoever gets no outcome still wants one: the first of them does the work now, the rest wait for that.
        ...left.map((follower) =>
          toAppend(follower, {
            type: "execution.rejoined",
            data: follower === heir ? { reason } : { reason, joinedTo: heir?.executionId },
          }),
        ),
      ],
    };
  };

  return self;
}

/** Who is given the outcome of the work they joined: all of them, unless it is none to share, or too large for one append. */
function shareOutcome(
  event: ExecutionEvent,
  followers: readonly ExecutionState[],
): { sharing: readonly ExecutionState[]; left: readonly ExecutionState[] } {
  const shareable = event.type === "execution.completed" || event.type === "execution.failed";
  const fitting = shareable ? Math.max(0, Math.floor(maxSharedChars / JSON.stringify(event.data).length) - 1) : 0;
  return { sharing: followers.slice(0, fitting), left: followers.slice(fitting) };
}

/** Read as it is stored, an event may have any shape. */
function riskOf({ data }: StoredEvent): unknown {
  const { audit } = data;
  return typeof audit === "object" && audit !== null && "risk" in audit ? audit.risk : undefined;
}

const isSameClaim = (one: Claim, other: Claim | undefined): boolean =>
  one.processId === other?.processId && one.epoch === other.epoch && one.attempt === other.attempt;

const isUndecodable = (error: unknown): error is ViableError =>
  error instanceof ViableError && error.code === "log.undecodable_event";

const endsWork = (event: ExecutionEvent): boolean =>
  event.type === "execution.completed" ||
  event.type === "execution.failed" ||
  event.type === "execution.cancelled" ||
  event.type === "execution.timed_out";

function toAppend(state: ExecutionState, event: ExecutionEvent) {
  return {
    stream: executionStream(state.executionId),
    expected: state.version,
    events: [event as { type: string; data: never }],
    session: state.session,
    correlation: state.correlation,
    causation: state.executionId,
  };
}
