/**
 * How long a token that was taken back still opens something at other processes: two gateways and a worker on a PostgreSQL server, with NATS and without.
 * The worker records the revocation; both gateways are asked with the token every few milliseconds until they refuse. Held: both do, and neither ever opens again.
 * Measured, and kept by the long form (`npm run test:faults -- revocation --full`): from the time that stands in the event to the first refusal.
 */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startNats } from "@viable/bus-nats/testing";
import { createClient } from "@viable/client";
import { startPostgres } from "@viable/log-postgres/testing";
import { expect, test } from "vitest";
import { Place } from "../e2e/cli.ts";
import { isFull, keepResult } from "./log/result-file.ts";

const config = fileURLToPath(new URL("./gateways/viable.config.ts", import.meta.url));
const revocations = isFull ? 200 : 20;
/** Nobody asks on for longer, in milliseconds: what is not refused by then is not going to be. */
const maxAskMs = 20_000;

/** Between two questions, in milliseconds: to know it more exactly would keep those busy who are to hear of it. */
const askEachMs = 5;

/** Asks with a token until it is refused; answers with when that was, wall time in milliseconds. */
async function untilRefused(url: string, token: string): Promise<number> {
  for (const giveUpAt = Date.now() + maxAskMs; Date.now() < giveUpAt; ) {
    const response = await fetch(`${url}/v1/capability`, { headers: { authorization: `Bearer ${token}` } });
    await response.arrayBuffer();
    if (response.status === 401) return Date.now();
    await pause(askEachMs);
  }
  throw new Error(`${url} still opens to a token that was taken back ${maxAskMs} ms ago.`);
}

test.each(["nats", "no bus"] as const)(
  `${revocations} tokens taken back, with %s`,
  { timeout: 600_000 },
  async (bus) => {
    await using postgres = await startPostgres({ own: true });
    await using nats = bus === "nats" ? await startNats({ own: true }) : undefined;
    await using place = new Place();
    place.environment.DATABASE_URL = postgres.connectionString;
    if (nats !== undefined) place.environment.NATS_URL = nats.urls.join(",");
    const urls: string[] = [];
    for (let n = 0; n < 2; n++) {
      await place.start("--config", config, "--roles", "gateway");
      urls.push(JSON.parse(readFileSync(place.path(".viable", "gateway.json"), "utf8")).url);
    }
    await place.start("--config", config, "--roles", "swarm");
    const { token } = JSON.parse(readFileSync(place.path(".viable", "credentials.json"), "utf8"));
    const owner = createClient({ url: urls[0] as string, token });
    const { sessionId } = await owner.openSession({ clientType: "api" });
    const lagsMs: number[] = [];
    for (let n = 0; n < revocations; n++) {
      const { token: taken, capabilityId } = await owner.mintCapability({ expiresInMs: 600_000 });
      for (const url of urls)
        expect((await fetch(`${url}/v1/capability`, { headers: { authorization: `Bearer ${taken}` } })).status).toBe(
          200,
        );
      const [refusedAt] = await Promise.all([
        Promise.all(urls.map((url) => untilRefused(url, taken))),
        owner.send(sessionId, { command: "capability.revoke", args: { capabilityId }, mode: "sync" }),
      ]);
      const { events } = await owner.events({ type: "capability.revoked", limit: 1 });
      expect(events[0]?.stream).toContain(capabilityId);
      const recordedAt = Date.parse(events[0]?.time ?? "");
      for (const atMs of refusedAt) lagsMs.push(atMs - recordedAt);
      for (const url of urls)
        expect((await fetch(`${url}/v1/capability`, { headers: { authorization: `Bearer ${taken}` } })).status).toBe(
          401,
        );
    }
    const sorted = lagsMs.toSorted((a, b) => a - b);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    keepResult(`revocation-${bus.replace(" ", "-")}`, {
      revocations,
      processes: urls.length,
      lagMs: { median: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 },
    });
  },
);
