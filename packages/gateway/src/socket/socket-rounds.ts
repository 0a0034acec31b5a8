import type { Runtime, Timer } from "@viable/kernel";
import { rootContext, toWire } from "@viable/kernel";
import { feedHeartbeatMs } from "@viable/protocol";
import type { ProblemParts } from "../problems.ts";
import { HttpProblem, unauthenticated } from "../problems.ts";
import type { Authenticated, Receive } from "../receive.ts";

/** A socket that is looked after. */
export interface WatchedSocket {
  /** Whether it is told of any session. */
  readonly isJoined: boolean;
  /** In which of the rounds between two heartbeats it has its own. */
  readonly beatRound: number;
  beat(): void;
  /** Ends what is over in time. */
  look(now: number): void;
  /** What it was let in with opens nothing any more. */
  endWithAuthority(parts: ProblemParts): void;
  /** The session that its token is bound to is over. */
  endAfterLastEvent(): void;
}

/** All sockets that were let in with one token. */
interface Holder {
  readonly who: Authenticated;
  readonly sockets: Set<WatchedSocket>;
  isLookedAt: boolean;
}

export interface SocketRoundsSettings {
  readonly runtime: Runtime;
  readonly receive: Pick<Receive, "standing" | "mayRead">;
  /** Told of errors that are ours and whose text does not go out. */
  onError(error: unknown): void;
}

/** How often it is looked whether tokens and their sessions still hold, in milliseconds: a revocation is known about as late anyway. */
const roundMs = 1_000;
const roundsOfBeat = feedHeartbeatMs / roundMs;
/** How many tokens are looked at before others have their turn: some milliseconds' work. */
const looksInTurn = 500;

/**
 * Looks after all sockets of a process with one timer: each second whether what they were let in with still holds, asked once for each token
 * however many sockets were opened with it, and every fifteenth second since it was opened a heartbeat of each. Keeps no timer where no
 * socket is open.
 */
export function createSocketRounds({ runtime, receive, onError }: SocketRoundsSettings) {
  const holders = new Map<string, Holder>();
  let timer: Timer | undefined;
  let round = 0;

  const setTimer = () => {
    const own = runtime.clock.setTimer(
      () => {
        void goRound().finally(() => {
          // All may have left meanwhile, and others come, who have set their own.
          if (timer !== own) return;
          timer = undefined;
          if (holders.size > 0) setTimer();
        });
      },
      roundMs,
      { background: true },
    );
    timer = own;
  };

  const goRound = async (): Promise<void> => {
    round = (round + 1) % roundsOfBeat;
    let looks = 0;
    for (const holder of [...holders.values()]) {
      const now = runtime.clock.now();
      for (const socket of [...holder.sockets]) {
        if (socket.beatRound === round) socket.beat();
        socket.look(now);
      }
      // Not waited for: one that cannot be told at present must not hold up the others.
      void lookAt(holder);
      looks += 1;
      if (looks % looksInTurn === 0) await runtime.clock.nextTurn();
    }
  };

  const lookAt = async (holder: Holder): Promise<void> => {
    if (holder.isLookedAt) return;
    holder.isLookedAt = true;
    const { who, sockets } = holder;
    try {
      const standing = await receive.standing(who);
      if (standing === "worthless") for (const each of [...sockets]) each.endWithAuthority(unauthenticated().parts);
      else if (standing === "session_over") for (const each of [...sockets]) each.endAfterLastEvent();
      else if ([...sockets].some(({ isJoined }) => isJoined)) receive.mayRead(who, "session.events", "session");
    } catch (error) {
      if (error instanceof HttpProblem) {
        for (const each of [...sockets]) if (each.isJoined) each.endWithAuthority(error.parts);
        // Where it cannot be told at present it is asked again; nothing new is let in meanwhile.
      } else if (!toWire(error).retryable) onError(error);
    } finally {
      holder.isLookedAt = false;
    }
  };

  return {
    /** What all sockets of a token share: who it is, without what belonged to the one request. */
    whoOf({ token, grant, ctx }: Authenticated): Authenticated {
      const { tenant, principal } = ctx;
      return holders.get(token)?.who ?? { token, grant, ctx: rootContext(runtime, { tenant, principal }) };
    },
    /** The round of the heartbeats of a socket that is opened now: its first comes when the time between two is over. */
    get round(): number {
      return round;
    },
    enter(who: Authenticated, socket: WatchedSocket): void {
      const holder = holders.get(who.token) ?? { who, sockets: new Set(), isLookedAt: false };
      holders.set(who.token, holder);
      holder.sockets.add(socket);
      if (timer === undefined) setTimer();
    },
    leave(who: Authenticated, socket: WatchedSocket): void {
      const holder = holders.get(who.token);
      if (holder?.sockets.delete(socket) !== true || holder.sockets.size > 0) return;
      holders.delete(who.token);
      if (holders.size > 0) return;
      timer?.cancel();
      timer = undefined;
    },
  };
}
export type SocketRounds = ReturnType<typeof createSocketRounds>;
