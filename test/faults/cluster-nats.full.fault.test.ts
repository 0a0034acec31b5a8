/**
 * The system of `cluster-faults` with NATS beside its PostgreSQL server, so that its processes hear each other at once: NATS servers are killed
 * one by one and all at once, a node is cut off from them, nodes are killed. NATS carries nothing that is not in the database: the accounting is
 * the same, and so is what it must find. Long form only (`npm run test:faults -- cluster-nats --full`): it needs Linux, root and nats-server.
 */
import { expect, test } from "vitest";
import { expectAccounting } from "./cluster/expect-accounting.ts";
import { natsFaults } from "./cluster/faults.ts";
import { whyNoNamespaces } from "./cluster/host-network.ts";
import { tellStory } from "./cluster/tell-story.ts";
import { keepResult, sayReplay } from "./log/result-file.ts";

const story = natsFaults.map((fault) => ({ fault, rounds: fault.rounds }));

test("faults of a system on PostgreSQL and NATS", { timeout: 900_000 }, async () => {
  expect(whyNoNamespaces()).toBeUndefined();
  sayReplay("cluster-nats");
  const ending = await tellStory(story, { hasNats: true });
  keepResult("cluster-nats", ending.summary);
  expectAccounting(ending);
});
