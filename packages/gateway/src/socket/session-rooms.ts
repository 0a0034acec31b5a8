import type { Presence } from "@viable/bus";
import type { Runtime } from "@viable/kernel";
import type { Log } from "@viable/log";
import { SessionFlow } from "./session-flow.ts";
import type { PresentSocket } from "./session-presence.ts";
import { SessionPresence } from "./session-presence.ts";

/** What all sockets of one session share. */
export interface SessionRoom {
  readonly flow: SessionFlow;
  /** Shows a socket to the others. */
  admit(socket: PresentSocket): void;
  /** When the last has left, nothing of the session is followed any more. */
  leave(socket: PresentSocket): void;
}

export interface SessionRoomsSettings {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly presence: Presence;
  readonly processId: string;
  /** Other gateways do not hear of our sockets. */
  onUnheard(error: unknown): void;
}

/** One flow of events and one presence for each session that is followed here, however many sockets follow it (W11: by tenant). */
export function createSessionRooms({ runtime, log, presence, processId, onUnheard }: SessionRoomsSettings) {
  const rooms = new Map<string, SessionRoom>();

  const open = (key: string, tenant: string, sessionId: string): SessionRoom => {
    const flow = new SessionFlow({ runtime, log, tenant, sessionId });
    const present = new SessionPresence({ runtime, presence, processId, sessionId, onUnheard });
    const sockets = new Set<PresentSocket>();
    return {
      flow,
      admit(socket) {
        sockets.add(socket);
        present.enter(socket);
      },
      leave(socket) {
        present.leave(socket);
        if (!sockets.delete(socket) || sockets.size > 0) return;
        flow.stop();
        rooms.delete(key);
      },
    };
  };

  return {
    /** The session's room. Whoever takes it admits a socket in the same turn: it is closed by the last that leaves. */
    enter(tenant: string, sessionId: string): SessionRoom {
      const key = JSON.stringify([tenant, sessionId]);
      const room = rooms.get(key) ?? open(key, tenant, sessionId);
      rooms.set(key, room);
      return room;
    },
    get size(): number {
      return rooms.size;
    },
  };
}
export type SessionRooms = ReturnType<typeof createSessionRooms>;
