// Events that go out to many sockets, to each those of its session alone. Beside us frames that were made beforehand, written to Node's sockets
// (the limit), ws by itself and Socket.IO. Ours are durable before they go out, and read from the log; theirs come from nowhere.
import type { Child } from "../harness/child.ts";
import { inTurn } from "../harness/in-turn.ts";
import type { BenchOptions, Row } from "../harness/row.ts";
import type { ProcessUse } from "../harness/watch-process.ts";
import type { EventLoad, EventsPublished } from "./paced-events.ts";
import type { SocketSubject } from "./start-sockets.ts";
import { startSockets } from "./start-sockets.ts";
import { toRows } from "./to-rows.ts";

interface Round extends ProcessUse, Pick<EventsPublished, "p50Ms" | "p99Ms"> {
  /** Frames of events that arrived, at all sockets. */
  readonly frames: number;
  readonly tookMs: number;
  /** What the clients took of their core, in percent. */
  readonly clientsBusy: number;
}

const socketCounts = [1_000, 5_000];
/**
 * How many events of each session are under way at once. With one, each event is a write to each socket, and whoever makes it durable is waited
 * for; with eight, as where a session's work goes on at several places, some of ours come together and go out in one write.
 */
const underWayCounts = [1, 8];

export async function measureSocketEvents({ quick, note }: BenchOptions): Promise<Row[]> {
  const plan = quick ? { rounds: 2, durationMs: 1_500 } : { rounds: 5, durationMs: 4_000 };
  await using started = await startSockets(["limit", "ws", "socket.io"], Math.max(...socketCounts));
  const { clients } = started;
  const rows: Row[] = [];
  const shapes = socketCounts.flatMap((sockets) => underWayCounts.map((underWay) => ({ sockets, underWay })));
  for (const { sockets, underWay } of shapes) {
    const measured = new Map(started.subjects.map(({ name }) => [name, [] as Round[]]));
    for (let round = 0; round < plan.rounds; round++) {
      for (const subject of inTurn(started.subjects, round)) {
        note(
          `gateway: events to ${sockets} sockets, ${underWay} under way, round ${round + 1} of ${plan.rounds}, ${subject.name}`,
        );
        measured
          .get(subject.name)
          ?.push(await measureRound(subject, clients, { sockets, underWay, durationMs: plan.durationMs }));
      }
    }
    const about = `events, ${sockets.toLocaleString("en")} sockets, ${underWay} under way`;
    const rowsOf = (what: string, unit: string, compared: boolean, value: (round: Round) => number) =>
      toRows(measured, { case: `${about}, ${what}`, unit, higherIsBetter: unit === "frames/s", compared, value });
    rows.push(
      ...rowsOf("throughput", "frames/s", true, ({ frames, tookMs }) => (frames * 1_000) / tookMs),
      ...rowsOf("cpu", "µs/frame", true, ({ cpuMs, frames }) => (cpuMs * 1_000) / frames),
      ...rowsOf(
        "cpu, main thread",
        "µs/frame",
        true,
        ({ mainThreadCpuMs, frames }) => (mainThreadCpuMs * 1_000) / frames,
      ),
      ...rowsOf("until all of a session have it, p50", "ms", false, ({ p50Ms }) => p50Ms),
      ...rowsOf("until all of a session have it, p99", "ms", false, ({ p99Ms }) => p99Ms),
      ...rowsOf("clients", "% of a core", false, ({ clientsBusy }) => clientsBusy),
    );
  }
  return rows;
}

/** Opens the sockets, publishes for a while unmeasured and then measured, and holds what arrived against what was published. */
async function measureRound(
  { name, child, plan, sessions }: SocketSubject,
  clients: Child,
  {
    sockets,
    underWay,
    durationMs,
  }: { readonly sockets: number; readonly underWay: number; readonly durationMs: number },
): Promise<Round> {
  await clients.ask({ ask: "open", asked: await plan(sockets) });
  try {
    const publish = async (forMs: number) => {
      const load: EventLoad = { sessions: sessions(sockets), underWay, durationMs: forMs };
      const done = await child.ask<EventsPublished>({ ask: "publish", load });
      return { ...done, frames: await countFrames(name, clients, done.published) };
    };
    await publish(durationMs / 3);
    await Promise.all([child.ask({ ask: "watch" }), clients.ask({ ask: "watch" })]);
    const done = await publish(durationMs);
    const [use, clientsUse] = [
      await child.ask<ProcessUse>({ ask: "use" }),
      await clients.ask<ProcessUse>({ ask: "use" }),
    ];
    return { ...done, ...use, clientsBusy: (clientsUse.cpuMs / done.tookMs) * 100 };
  } finally {
    await clients.ask({ ask: "close" });
  }
}

/** How many frames arrived; throws where a socket heard more or fewer than its session was told. */
async function countFrames(name: string, clients: Child, published: readonly number[]): Promise<number> {
  const counts = await clients.ask<{ session: number; events: number }[]>({ ask: "counts" });
  for (const { session, events } of counts) {
    if (events !== published[session] || events === 0)
      throw new Error(`${name}: a socket heard ${events} events of the ${published[session]} of its session.`);
  }
  return counts.reduce((sum, { events }) => sum + events, 0);
}
