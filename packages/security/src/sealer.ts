import type { Context, Part, Runtime, Timer } from "@viable/kernel";
import { backoffMs, rootContext, sleep, toWire, ViableError, waitFor, withContext } from "@viable/kernel";
import type { Log, Position, StoredEvent, Subscription } from "@viable/log";
import { comparePositions, startPosition } from "@viable/log";
import type { Seal } from "./seal.ts";
import { findBreak, hashOfSeal, leafOf, maxSealedEvents, readSeal, sealEvent, sealLeaves, sealStream } from "./seal.ts";
import type { SealFile } from "./seal-file.ts";
import type { SealKey } from "./seal-key.ts";

export interface SealerSettings {
  readonly log: Pick<Log, "append" | "readStream" | "subscribe">;
  readonly runtime: Runtime;
  readonly key: SealKey;
  /** Where every seal is kept besides. */
  readonly file: SealFile;
  /** Told in a sentence when it cannot seal or write its file, and when it can again. */
  onNotice(level: "info" | "warn", message: string): void;
}

/** How sealing stands, for health. */
export interface SealerStatus {
  /** The last seal in the log that this process knows of. */
  readonly last: Pick<Seal, "number" | "to" | "sealedAt"> | undefined;
  /** Events behind it that this process has seen. */
  readonly unsealed: number;
  /** Why nothing can be sealed at present. */
  readonly problem: string | undefined;
  /** Why the file does not get what is sealed. */
  readonly fileProblem: string | undefined;
}

/**
 * Seals the log as it grows: every 1,000 events, or a minute after the first that stands behind the last seal, and when it stops.
 *
 * States: away (waits to try again) → reading (what is behind the last seal, page by page) ⇄ live (hashes each event as it comes) →
 * stopped. Whatever fails leads to away, and from there it begins anew with what the log says.
 *
 * Any number of processes may seal one log. A seal is appended at the version of the one before it, so of two that are made at once one
 * gets in, and whoever made the other goes on behind it. Every process brings its own file up to what the log has, seal by seal; a file
 * that does not lead to the log's seals is left as it is, since it may be evidence.
 *
 * Promised: nobody waits for it, its memory is bounded by what one seal covers, and it gives the loop to others between pages. Not
 * promised: that an event which was changed before it was sealed shows as changed.
 */
export interface Sealer extends Part {
  status(): SealerStatus;
}

/** How long an event stands unsealed at most, in milliseconds. */
const sealWithinMs = 60_000;
/** What is older than that is sealed so long after it was read, in milliseconds: time to read as much as one seal covers. */
const afterReadingMs = 1_000;
/** How long a stop may take to seal what is there, in milliseconds: what it does not seal the next start does. */
const lastSealMs = 2_000;
/** Seals that are read and written to the file at once: a megabyte. */
const pageSeals = 100;
/** Tries again for ever, and at last twice a minute: a database may be away for a night. */
const again = { baseMs: 1_000, maxMs: 30_000, maxAttempts: Number.POSITIVE_INFINITY };

interface Pending {
  readonly position: Position;
  readonly leaf: string;
  readonly isSeal: boolean;
  readonly time: number;
}

export function createSealer({ log, runtime, key, file, onNotice }: SealerSettings): Sealer {
  const life = new AbortController();
  const ctx = rootContext(runtime, { signal: life.signal });
  let last: Seal | undefined;
  /** Hashed and not sealed yet, in order. */
  let pending: Pending[] = [];
  let subscription: Subscription | undefined;
  let timer: Timer | undefined;
  let sealing: Promise<void> | undefined;
  let keeping: Promise<void> | undefined;
  let keepAgain = false;
  let fileTimer: Timer | undefined;
  let problem: string | undefined;
  /** In a row. */
  let failures = 0;
  let fileProblem: string | undefined;

  const note = (error: unknown) => {
    const message = toWire(error).message;
    if (problem === undefined) onNotice("warn", `The log is not sealed at present: ${message}`);
    problem = message;
    failures += 1;
  };
  const clear = () => {
    if (problem !== undefined) onNotice("info", "The log is sealed again.");
    problem = undefined;
    failures = 0;
  };

  const take = (seal: Seal) => {
    last = seal;
    pending = pending.filter(({ position }) => comparePositions(position, seal.to) > 0);
    keep();
  };

  /** Takes up what others have sealed. */
  const takeOthers = async () => {
    for (;;) {
      const number: number = (last?.number ?? 0) + 1;
      const page = await readSeals(log, ctx, number, pageSeals);
      for (const seal of page) {
        const reason = findBreak(last, seal);
        if (reason !== undefined) throw brokenChain(reason);
        take(seal);
      }
      if (page.length < pageSeals) return;
    }
  };

  const seal = (): Promise<void> => {
    sealing ??= sealPending().finally(() => {
      sealing = undefined;
    });
    return sealing;
  };
  /** Of one seal: whether it was ours that got in, or another's. */
  const sealPending = async () => {
    timer?.cancel();
    timer = undefined;
    const covered = pending.slice(0, maxSealedEvents);
    // Seals alone are no reason for another, or it would never end; a thousand of them are for one.
    if (covered.length === maxSealedEvents || covered.some(({ isSeal }) => !isSeal)) {
      const made = sealLeaves(
        covered.map(({ leaf }) => leaf),
        last,
        key,
        runtime.clock.now(),
      );
      const outcome = await log.append(ctx, {
        streams: [{ stream: sealStream, expected: made.number - 1, events: [sealEvent(made)] }],
      });
      if (outcome.ok) {
        // Its event may have come to us before this answer.
        if (made.number === (last?.number ?? 0) + 1) take(made);
      } else if (outcome.reason === "conflict") {
        await takeOthers();
        if ((last?.number ?? 0) < made.number) throw brokenChain(`seal ${made.number - 1} is not the last any more`);
      } else {
        throw new ViableError("security.not_sealed", `The log does not take a seal: ${outcome.reason}.`);
      }
    }
    clear();
    arm();
  };

  const arm = () => {
    const first = pending.find(({ isSeal }) => !isSeal);
    if (timer !== undefined || first === undefined || life.signal.aborted) return;
    const leftMs = first.time + sealWithinMs - runtime.clock.now();
    timer = runtime.clock.setTimer(
      () => {
        // Where a seal is being made already this only waits for it: what came since then needs a timer of its own.
        timer = undefined;
        void seal().catch((error: unknown) => giveUp(error));
      },
      Math.min(sealWithinMs, Math.max(afterReadingMs, leftMs)),
      { background: true },
    );
  };

  /** Ends the following that is under way. */
  let giveUp: (error: unknown) => void = () => {};

  const onEvent = (event: StoredEvent): void | Promise<void> => {
    // Another process has sealed what we had not read yet.
    if (last !== undefined && comparePositions(event.position, last.to) <= 0) return;
    const isSeal = event.stream === sealStream;
    pending.push({ position: event.position, leaf: leafOf(event), isSeal, time: event.time });
    if (isSeal && event.version > (last?.number ?? 0)) return takeNew(event.version);
    if (pending.length >= maxSealedEvents) return sealFull();
    if (!isSeal) arm();
  };
  const sealFull = async () => {
    while (pending.length >= maxSealedEvents) await seal();
  };
  /** Of our own seals the event comes before the append is answered. */
  const takeNew = async (number: number) => {
    await sealing;
    if (number > (last?.number ?? 0)) await takeOthers();
    await sealFull();
  };

  /** Hashes what stands behind the last seal, and what comes, until something fails or it is stopped. */
  const follow = async () => {
    last = await readLastSeal(log, ctx);
    pending = [];
    keep();
    const { promise, reject } = Promise.withResolvers<never>();
    giveUp = reject;
    subscription = log.subscribe(ctx, {
      name: "sealer",
      after: last?.to ?? startPosition,
      decoding: "none",
      handle: onEvent,
      onParked: reject,
    });
    const followed = subscription;
    void followed.caughtUp().then(() => {
      // Where something is left to seal, that will tell.
      if (followed.state === "live" && !pending.some(({ isSeal }) => !isSeal)) clear();
    });
    try {
      await waitFor(ctx, promise);
    } finally {
      followed.stop();
      subscription = undefined;
      timer?.cancel();
      timer = undefined;
      await sealing?.catch(() => undefined);
    }
  };

  const run = async () => {
    while (!life.signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (life.signal.aborted) return;
        note(error);
      }
      await sleep(ctx, backoffMs(again, failures, runtime.random) ?? again.maxMs).catch(() => undefined);
    }
  };

  /** Has the file brought up to the log, once at a time. */
  const keep = () => {
    fileTimer?.cancel();
    fileTimer = undefined;
    if (keeping !== undefined) {
      keepAgain = true;
      return;
    }
    keeping = bringFileUp(log, ctx, file)
      .then(
        () => {
          if (fileProblem !== undefined) onNotice("info", `${file.path} has every seal again.`);
          fileProblem = undefined;
        },
        (error: unknown) => {
          if (life.signal.aborted) return;
          const message = toWire(error).message;
          if (fileProblem !== message) onNotice("warn", `${file.path} does not get what is sealed: ${message}`);
          fileProblem = message;
          fileTimer = runtime.clock.setTimer(keep, again.maxMs, { background: true });
        },
      )
      .finally(() => {
        keeping = undefined;
        if (keepAgain) {
          keepAgain = false;
          keep();
        }
      });
  };

  return {
    status: () => ({
      last: last && { number: last.number, to: last.to, sealedAt: last.sealedAt },
      unsealed: pending.filter(({ isSeal }) => !isSeal).length,
      problem,
      fileProblem,
    }),
    async start() {
      void run();
    },
    async stop(outer) {
      const bounded = withContext(outer, { deadline: outer.runtime.clock.now() + lastSealMs });
      try {
        if (subscription !== undefined) {
          await waitFor(bounded, subscription.caughtUp());
          while (pending.some(({ isSeal }) => !isSeal)) await waitFor(bounded, seal());
        }
        // What was sealed while the file was written has begun another.
        while (keeping !== undefined) await waitFor(bounded, keeping);
      } catch {
        // What is not sealed now is sealed after the next start.
      }
      life.abort();
      timer?.cancel();
      fileTimer?.cancel();
    },
  };
}

/** Seals of the log from a number on, oldest first. Throws `security.unreadable_seal`. */
async function readSeals(log: Pick<Log, "readStream">, ctx: Context, from: number, limit: number): Promise<Seal[]> {
  const events = await log.readStream(ctx, sealStream, { fromVersion: from, limit, decoding: "none" });
  return events.map(toSeal);
}

async function readLastSeal(log: Pick<Log, "readStream">, ctx: Context): Promise<Seal | undefined> {
  const [event] = await log.readStream(ctx, sealStream, { direction: "backward", limit: 1, decoding: "none" });
  return event && toSeal(event);
}

function toSeal(event: StoredEvent): Seal {
  const seal = readSeal(event.data);
  if (seal?.number === event.version) return seal;
  throw new ViableError(
    "security.unreadable_seal",
    `The event at position ${event.position} should be seal ${event.version}, and is none.`,
    { next: "Somebody may have changed the log: `viable events verify` tells more." },
  );
}

/** Adds to the file the seals of the log that it does not have. Where another process does so too, each goes on behind the other. */
async function bringFileUp(log: Pick<Log, "readStream">, ctx: Context, file: SealFile): Promise<void> {
  for (let isUp = false; !isUp; ) {
    const kept = await file.last();
    if (kept !== undefined) {
      const [same] = await readSeals(log, ctx, kept.number, 1);
      if (same === undefined || hashOfSeal(same) !== hashOfSeal(kept)) {
        throw brokenChain(
          `${same === undefined ? "there is no" : "there is another"} seal ${kept.number} in the log than the one in ${file.path}`,
        );
      }
    }
    isUp = await addFrom(log, ctx, file, kept);
  }
}

/** Adds to the file what follows on its last seal; false where that came to be another meanwhile, or the file was moved away. */
async function addFrom(
  log: Pick<Log, "readStream">,
  ctx: Context,
  file: SealFile,
  kept: Seal | undefined,
): Promise<boolean> {
  let last = kept;
  for (;;) {
    const page = await readSeals(log, ctx, (last?.number ?? 0) + 1, pageSeals);
    let before = last;
    for (const seal of page) {
      const reason = findBreak(before, seal);
      if (reason !== undefined) throw brokenChain(reason);
      before = seal;
    }
    if (page.length > 0 && !(await file.append(ctx, page, last))) return false;
    if (page.length < pageSeals) return true;
    last = before;
  }
}

/** `security.broken_chain`: the seals of the log are not those that were made. */
const brokenChain = (reason: string): ViableError =>
  new ViableError("security.broken_chain", `The chain of seals is broken: ${reason}.`, {
    next: "Look with `viable events verify`. Where a backup was restored on purpose, move the file of seals aside, and keep it.",
  });
