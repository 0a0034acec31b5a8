/**
 * `kill -9` of the whole process in the middle of `analyze`, then `viable start`: the analysis goes on to completion by itself, and
 * no agent's result that was recorded before is computed again. On the reference system, its embedded database and this repository.
 * Short form one round, full form 20 (`npm run test:faults -- --full`).
 */
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { EventView, ExecutionView } from "@viable/protocol";
import { expect, test } from "vitest";
import { eventually, Place } from "../e2e/cli.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const config = join(root, "examples", "singularity", "viable.config.ts");
const rounds = process.env.VIABLE_TEST_FULL === "1" ? 20 : 1;

/** Starts the reference system in a place and connects to it as its owner. */
async function startReference(
  place: Place,
): Promise<{ pid: number; client: Client; end(signal: NodeJS.Signals): Promise<void> }> {
  const system = place.begin("start", "--config", config);
  await system.saw("durability");
  const read = (name: string) => JSON.parse(readFileSync(place.path(".viable", name), "utf8"));
  return {
    pid: system.pid,
    client: createClient({ url: read("gateway.json").url, token: read("credentials.json").token }),
    async end(signal) {
      system.signal(signal);
      await system.finished;
    },
  };
}

const eventsOf = async (client: Client, executions: readonly ExecutionView[]): Promise<Map<string, EventView[]>> => {
  const found = new Map<string, EventView[]>();
  for (const { executionId } of executions) found.set(executionId, (await client.executionEvents(executionId)).events);
  return found;
};
const children = async (client: Client, parentId: string): Promise<ExecutionView[]> =>
  (await client.executions({ limit: 200 })).executions.filter((each) => each.parentId === parentId);

test(`analyze survives kill -9: ${rounds} times`, { timeout: rounds * 120_000 }, async () => {
  for (let round = 0; round < rounds; round++) {
    await using place = new Place();
    const first = await startReference(place);
    const session = await first.client.openSession({ clientType: "api" });
    const { executionId } = await first.client.send(session.sessionId, {
      command: "analyze",
      args: { path: root },
      mode: "async",
    });
    // Somewhere in the middle: some agents are done, some are not.
    const doneBefore = randomInt(1, 8);
    let recorded: ExecutionView[] = [];
    await eventually(
      async () => {
        recorded = (await children(first.client, executionId)).filter((each) => each.status === "completed");
        return recorded.length >= doneBefore;
      },
      () => "The agents did not come on.",
    );
    const before = await eventsOf(first.client, recorded);
    await first.end("SIGKILL");

    const second = await startReference(place);
    await eventually(
      async () => (await second.client.execution(executionId)).status !== "running",
      () => "The analysis did not end after the restart.",
    );
    const analysis = await second.client.execution(executionId);
    expect(analysis, `round ${round}`).toMatchObject({ status: "completed", attempts: 2 });
    expect((analysis.result as { modules: number }).modules).toBeGreaterThan(100);
    // What was recorded before the kill has not been touched since.
    expect(await eventsOf(second.client, recorded)).toEqual(before);
    const after = await children(second.client, executionId);
    expect(after.length).toBeGreaterThan(recorded.length);
    for (const [id, events] of await eventsOf(second.client, after)) {
      const outcomes = events.filter((event) => /\.(completed|failed|cancelled|timed_out)$/.test(event.type));
      expect(outcomes, id).toHaveLength(1);
    }
    await second.end("SIGTERM");
  }
});
