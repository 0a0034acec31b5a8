import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";
import { createHistogram, performance } from "node:perf_hooks";

/** So many sessions, in each of which so many events are under way at most, for so long. */
export interface EventLoad {
  readonly sessions: readonly string[];
  /** Events of one session under way at once. */
  readonly underWay: number;
  readonly durationMs: number;
}

export interface EventsPublished {
  /** Events of each session, in the order of the sessions. */
  readonly published: readonly number[];
  /** From the first event to the arrival of the last, at the last of its sockets. */
  readonly tookMs: number;
  /** From an event's publication to its arrival at all sockets of its session, the way back of that news included. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * Publishes as fast as it is taken. Whoever has the sockets says over a connection of its own which session's event has reached all of them
 * (two bytes: the session's number); then the session's next one is published. All subjects are paced by this.
 */
export async function paceEvents(publish: (sessionId: string, n: number) => unknown) {
  let released: (session: number) => void = () => {};
  const server = createServer((socket: Socket) => {
    socket.setNoDelay();
    let half: number | undefined;
    socket.on("data", (chunk) => {
      for (const byte of chunk) {
        if (half === undefined) half = byte;
        else {
          released(half * 256 + byte);
          half = undefined;
        }
      }
    });
    socket.on("error", () => undefined);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  let n = 0;

  return {
    controlPort: (server.address() as AddressInfo).port,
    /** Publishes one, at nobody's pace. */
    publishOne: ({ sessionId }: { sessionId: string }) => publish(sessionId, n++),
    publish: async ({ load }: { load: EventLoad }): Promise<EventsPublished> => {
      const histogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
      const published = load.sessions.map(() => 0);
      const begun: number[][] = load.sessions.map(() => []);
      const beganMs = performance.now();
      let endedMs = beganMs;
      let open = 0;
      await new Promise<void>((resolve, reject) => {
        const next = (session: number) => {
          published[session] = (published[session] as number) + 1;
          begun[session]?.push(performance.now());
          open += 1;
          Promise.resolve(publish(load.sessions[session] as string, n++)).catch(reject);
        };
        released = (session) => {
          endedMs = performance.now();
          open -= 1;
          histogram.record(Math.max(1, Math.round((endedMs - (begun[session]?.shift() as number)) * 1_000)));
          if (endedMs - beganMs < load.durationMs) next(session);
          else if (open === 0) resolve();
        };
        for (let each = 0; each < load.underWay; each++) for (const session of published.keys()) next(session);
      });
      const [p50Ms, p99Ms] = [histogram.percentile(50) / 1_000, histogram.percentile(99) / 1_000];
      return { published, tookMs: endedMs - beganMs, p50Ms, p99Ms };
    },
  };
}
