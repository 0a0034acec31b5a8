/**
 * Gateways that are killed under load: two gateways and a worker as processes of one system on a PostgreSQL server, with NATS and without. Clients
 * follow their sessions by server-sent events and by WebSockets, send commands under keys, and know both addresses. One gateway after the other is
 * killed and started again. What each client was told is held against the log: every event of its session once and in order, every command with one
 * execution and one outcome. Short form two kills each, the long form (`npm run test:faults -- gateway-kill --full`) 20.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { startNats } from "@viable/bus-nats/testing";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import { startPostgres } from "@viable/log-postgres/testing";
import type { EventView } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import { expect, test } from "vitest";
import type { Running } from "../e2e/cli.ts";
import { eventually, Place } from "../e2e/cli.ts";
import { Watcher } from "./gateways/watcher.ts";
import { isFull, keepResult, sayReplay } from "./log/result-file.ts";

const config = fileURLToPath(new URL("./gateways/viable.config.ts", import.meta.url));
const kills = isFull ? 20 : 2;
const watchersOfEachWay = 6;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function eventsOf(owner: Client, session: string): Promise<EventView[]> {
  const events: EventView[] = [];
  for (let after = "0"; ; ) {
    const page = await owner.events({ session, after, limit: 1_000 });
    events.push(...page.events);
    if (page.next === undefined || page.events.length === 0) return events;
    after = page.next;
  }
}

test.each(["nats", "no bus"] as const)(
  `${kills} gateways killed under load, with %s`,
  { timeout: 120_000 + kills * 30_000 },
  async (bus) => {
    sayReplay("gateway-kill");
    await using postgres = await startPostgres({ own: true });
    await using nats = bus === "nats" ? await startNats({ own: true }) : undefined;
    await using place = new Place();
    place.environment.DATABASE_URL = postgres.connectionString;
    if (nats !== undefined) place.environment.NATS_URL = nats.urls.join(",");
    const ports = [await freePort(), await freePort()];
    const urls = ports.map((port) => `http://127.0.0.1:${port}`);
    const start = (...words: string[]) => place.start("--config", config, ...words);
    const startGateway = (n: number): Promise<Running> => {
      place.environment.VIABLE_PORT = String(ports[n]);
      return start("--roles", "gateway");
    };
    const gateways = [await startGateway(0), await startGateway(1)];
    place.environment.VIABLE_PORT = "0";
    await start("--roles", "swarm");
    const { token } = JSON.parse(readFileSync(place.path(".viable", "credentials.json"), "utf8"));
    const owner = createClient({ url: urls, token });
    const watchers: Watcher[] = [];
    for (let n = 0; n < watchersOfEachWay; n++)
      for (const way of ["feed", "socket"] as const)
        watchers.push(await Watcher.start({ owner, urls: n % 2 === 0 ? urls : urls.toReversed(), way }));
    const allGoOn = async () => {
      const counts = watchers.map(({ seen }) => seen.length);
      // An event of a command that was sent after this, and its outcome.
      await eventually(
        () => watchers.every(({ seen }, n) => seen.length > (counts[n] as number) + 4),
        () =>
          `Some are told nothing more: ${watchers.map(({ way, seen, failure }) => `${way} ${seen.length} ${failure ?? ""}`).join(", ")}.`,
      );
    };
    await allGoOn();
    /** How long each client was told nothing after each kill, in milliseconds. */
    const silencesMs: number[] = [];
    for (let n = 0; n < kills; n++) {
      const victim = gateways[n % 2] as Running;
      const killedAtMs = performance.now();
      victim.signal("SIGKILL");
      await victim.finished;
      await allGoOn();
      for (const { seenAtMs } of watchers) {
        const next = seenAtMs.find((atMs) => atMs > killedAtMs + 50);
        if (next !== undefined) silencesMs.push(next - killedAtMs);
      }
      gateways[n % 2] = await startGateway(n % 2);
      await allGoOn();
    }
    for (const watcher of watchers) await watcher.stopSending();
    const logs = new Map<Watcher, EventView[]>();
    for (const watcher of watchers) {
      const events = await eventsOf(owner, watcher.sessionId);
      logs.set(watcher, events);
      await eventually(
        () => watcher.seen.length >= events.length,
        () => `A ${watcher.way} was told ${watcher.seen.length} events of ${events.length}.`,
      );
      await watcher.stop();
    }
    let commands = 0;
    for (const [watcher, events] of logs) {
      expect(watcher.failure).toBeUndefined();
      expect(watcher.unanswered).toEqual([]);
      expect(watcher.seen.map(({ id }) => id)).toEqual(events.map(({ id }) => id));
      expect(watcher.told.map(({ n, result }) => [n, result])).toEqual(watcher.told.map(({ n }) => [n, n]));
      const accepted = events.filter(({ type }) => type === "execution.accepted");
      expect(accepted.map(({ stream }) => stream.split(":").at(-1))).toEqual(
        watcher.told.map(({ executionId }) => executionId),
      );
      const ended = events.filter(({ type }) => isOutcome(type.replace("execution.", "") as never));
      expect(new Set(ended.map(({ stream }) => stream)).size).toBe(accepted.length);
      expect(ended).toHaveLength(accepted.length);
      commands += accepted.length;
    }
    const sorted = silencesMs.toSorted((a, b) => a - b);
    keepResult(`gateway-kill-${bus.replace(" ", "-")}`, {
      kills,
      watchers: watchers.length,
      commands,
      events: [...logs.values()].reduce((sum, events) => sum + events.length, 0),
      missed: 0,
      repeated: 0,
      silenceMs: { median: Math.round(sorted[sorted.length >> 1] ?? 0), max: Math.round(sorted.at(-1) ?? 0) },
    });
  },
);
