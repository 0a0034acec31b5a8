import type { Presence } from "@viable/bus";
import type { Runtime } from "@viable/kernel";
import type { SessionPresenceView } from "@viable/protocol";
import type { Present } from "./session-presence.ts";
import { presentIn, SessionPresence } from "./session-presence.ts";

/** The registry of clients: who follows which session, by a socket or by server-sent events, at this gateway or another. */
export interface SessionPresences {
  /** Shows a client to the others of its session until it leaves. */
  enter(sessionId: string, present: Present): void;
  leave(sessionId: string, present: Present): void;
  of(sessionId: string): SessionPresenceView;
}

export interface SessionPresencesSettings {
  readonly runtime: Runtime;
  /** The bus's: it reaches as far as the bus does. */
  readonly presence: Presence;
  /** Whose word it is, among gateways. */
  readonly processId: string;
  /** Told, once, that others do not hear of our clients. */
  onUnheard(error: unknown): void;
}

/** Kept for sessions that somebody follows here, so bounded by the sockets and connections that there may be. */
export function createSessionPresences({
  runtime,
  presence,
  processId,
  onUnheard,
}: SessionPresencesSettings): SessionPresences {
  const followed = new Map<string, SessionPresence>();
  let isUnheardTold = false;
  const open = (sessionId: string): SessionPresence => {
    const made = new SessionPresence({
      runtime,
      presence,
      processId,
      sessionId,
      onUnheard(error) {
        // One word of it is enough: it is tried again each second, for each session.
        if (!isUnheardTold) onUnheard(error);
        isUnheardTold = true;
      },
    });
    followed.set(sessionId, made);
    return made;
  };
  return {
    enter: (sessionId, present) => (followed.get(sessionId) ?? open(sessionId)).enter(present),
    leave(sessionId, present) {
      if (followed.get(sessionId)?.leave(present) === true) followed.delete(sessionId);
    },
    of: (sessionId) => presentIn(presence, processId, sessionId, followed.get(sessionId)?.clients ?? []),
  };
}
