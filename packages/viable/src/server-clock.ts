import type { Clock, Context, Part, Timer } from "@viable/kernel";
import { rootContext, throwIfDone, waitFor } from "@viable/kernel";

/** How often the server is asked for its time, in milliseconds: a cheap quartz is wrong by some milliseconds a minute. */
const askEveryMs = 60_000;
/** How often it is looked whether this machine slept or had its clock set, in milliseconds; then the server is asked at once. */
const lookEveryMs = 1_000;
/** By how much wall and monotonic time may part between two looks, in milliseconds, before one of them is taken to have jumped. */
const jumpMs = 500;
/** Of so many answers the quickest counts: the less time it took, the less is not known about when it was given. */
const tries = 3;
/** An answer that takes longer than this, in milliseconds, tells nothing worth knowing. */
const answerWithinMs = 2_000;
/** From so much on an operator is told, in milliseconds: it shows in this machine's own log lines. */
const toldFromMs = 2_000;

export interface ServerClockOptions {
  /** This machine's. Its monotonic time and timers are this clock's, too. */
  readonly clock: Clock;
  /** Wall time of the database server, in milliseconds since 1970. */
  serverMs(): Promise<number>;
  /** Told when this machine's wall clock was found to be off, by so many milliseconds ahead of the server's (behind where negative). */
  onOff(aheadMs: number): void;
}

/** A clock that is brought into step with a server by `start`, and kept there until `stop`. */
export interface ServerClock extends Clock, Part {
  /** How far this machine's wall clock was ahead of the server's when it was last looked, in milliseconds; undefined before `start`. */
  readonly aheadMs: number | undefined;
}

/**
 * Wall time as the database server has it. Processes of one system write times that others act upon (deadlines, expiries, due times), so all of
 * them go by one clock, and no machine's own is compared with another's: one that is ten minutes off would end others' tasks.
 *
 * Between two answers of the server the monotonic clock goes on from the last, so that whoever sets this machine's clock moves nothing.
 *
 * Promised: as exact as half of what the quickest answer took; where the server does not answer, what was known goes on. Not promised: that it never
 * steps back: it does, by as little as it was wrong.
 *
 * States: own (this machine's time) → in step (`start`) → asked again, each minute or after a jump → in step … → stopped (goes on from the last).
 */
export function createServerClock({ clock, serverMs, onOff }: ServerClockOptions): ServerClock {
  /** What is added to the monotonic time. */
  let baseMs: number | undefined;
  let aheadMs: number | undefined;
  let timer: Timer | undefined;
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let apartMs = 0;
  let toldMs = 0;
  let isStopped = false;

  const ask = async (ctx: Context) => {
    askedAtMs = clock.monotonicMs();
    let best: { readonly tookMs: number; readonly baseMs: number } | undefined;
    for (let attempt = 0; attempt < tries; attempt++) {
      const sentMs = clock.monotonicMs();
      const answerMs = await waitFor(withinOf(ctx, clock), serverMs());
      const tookMs = clock.monotonicMs() - sentMs;
      if (best === undefined || tookMs < best.tookMs) best = { tookMs, baseMs: answerMs - sentMs - tookMs / 2 };
    }
    if (best === undefined) return;
    // What is within what is not known is no news.
    if (baseMs === undefined || Math.abs(best.baseMs - baseMs) > best.tookMs / 2) baseMs = best.baseMs;
    aheadMs = clock.now() - self.now();
    if (Math.abs(aheadMs - toldMs) < toldFromMs) return;
    toldMs = aheadMs;
    onOff(aheadMs);
  };

  const look = (ctx: Context) => {
    timer = clock.setTimer(
      () => {
        const nowApartMs = clock.now() - clock.monotonicMs();
        const hasJumped = Math.abs(nowApartMs - apartMs) > jumpMs;
        apartMs = nowApartMs;
        const isDue = hasJumped || clock.monotonicMs() - askedAtMs >= askEveryMs;
        // A server that does not answer now is asked again when it is next due.
        void (isDue ? ask(ctx).catch(() => undefined) : Promise.resolve()).then(() => {
          if (!isStopped) look(ctx);
        });
      },
      lookEveryMs,
      { background: true },
    );
  };

  const self: ServerClock = {
    get aheadMs() {
      return aheadMs;
    },
    // Whole ones, as the machine gives them: a deadline that is counted from here must not lie behind a fraction.
    now: () => (baseMs === undefined ? clock.now() : Math.floor(baseMs + clock.monotonicMs())),
    monotonicMs: () => clock.monotonicMs(),
    nextTurn: () => clock.nextTurn(),
    setTimer: (fire, delayMs, options) => clock.setTimer(fire, delayMs, options),
    async start(ctx) {
      throwIfDone(ctx);
      apartMs = clock.now() - clock.monotonicMs();
      await ask(ctx);
      look(ctx);
    },
    async stop() {
      isStopped = true;
      timer?.cancel();
    },
  };
  return self;
}

/** By this machine's own clock, which the wait for an answer must not change. */
const withinOf = ({ runtime, signal }: Context, clock: Clock): Context =>
  rootContext({ ...runtime, clock }, { signal, deadline: clock.now() + answerWithinMs });
