import type { Runtime } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { Present } from "../session-presence.ts";
import type { SessionPresences } from "../session-presences.ts";
import type { PageReaders } from "./page-readers.ts";
import { SessionFlow } from "./session-flow.ts";

/** What all sockets of one session share. */
export interface SessionRoom {
  readonly flow: SessionFlow;
  /** Shows a socket to the others. */
  admit(socket: Present): void;
  /** When the last has left, nothing of the session is followed any more. */
  leave(socket: Present): void;
}

export interface SessionRoomsSettings {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly presences: SessionPresences;
  readonly readers: PageReaders;
  /** Makes a message a frame of the sockets. */
  toFrame(message: Buffer): Buffer;
}

/** One flow of events for each session that is followed here, however many sockets follow it (W11: by tenant). */
export function createSessionRooms({ runtime, log, presences, readers, toFrame }: SessionRoomsSettings) {
  const rooms = new Map<string, SessionRoom>();

  const open = (key: string, tenant: string, sessionId: string): SessionRoom => {
    const flow = new SessionFlow({ runtime, log, tenant, sessionId, readers, toFrame });
    const sockets = new Set<Present>();
    return {
      flow,
      admit(socket) {
        sockets.add(socket);
        presences.enter(sessionId, socket);
      },
      leave(socket) {
        presences.leave(sessionId, socket);
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
