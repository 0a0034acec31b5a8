import { createMemory } from "@viable/swarm";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { answerAsSystem } from "../testing/answer-as-system.ts";
import { healthMonitor } from "./health-monitor.ts";

const well = { tools: { capabilities: ["sizes"] }, storage: { capabilities: ["keep"] } };
const ill = { ...well, tools: { capabilities: ["sizes"], isBroken: true } };

followsInput(healthMonitor, "all is well, and what is not", async (bench) => {
  const first = await bench.run(healthMonitor, {}, { delegate: answerAsSystem(well) });
  expect(first).toMatchObject({
    status: "ok",
    services: [
      { service: "tools", status: "healthy", healthyShare: 1 },
      { service: "storage", status: "healthy", healthyShare: 1 },
    ],
    troubled: [],
    changes: [],
    observations: 1,
  });
  const second = await bench.run(healthMonitor, {}, { delegate: answerAsSystem(ill) });
  expect(second).toMatchObject({
    status: "degraded",
    services: [
      { service: "tools", status: "degraded", reasons: ["queen is restarting"], healthyShare: 0.5 },
      { service: "storage", status: "healthy", healthyShare: 1 },
    ],
    troubled: [{ name: "swarm tools", status: "degraded" }],
    changes: [{ service: "tools", from: "healthy", to: "degraded" }],
    observations: 2,
  });
  return [first, second];
});

test("a service that went is a change", async () => {
  await using bench = await openBench();
  await bench.run(healthMonitor, {}, { delegate: answerAsSystem(well) });
  const { storage } = well;
  expect(await bench.run(healthMonitor, {}, { delegate: answerAsSystem({ storage }) })).toMatchObject({
    changes: [{ service: "tools", from: "healthy", to: "absent" }],
    observations: 2,
  });
});

/** A look as it is remembered. */
async function remember(bench: AgentBench, executionId: string, at: number, tools: string): Promise<void> {
  const look = { at, status: "ok", services: { tools, storage: "healthy" } };
  const key = `${String(at).padStart(16, "0")}-${executionId}`;
  await createMemory(bench.log, bench.ctx, "bench").set(key, look, { namespace: "observations" });
}

test("an execution that is begun again has looked once, at what it saw last", async () => {
  await using bench = await openBench();
  await remember(bench, "exe_1", 1, "healthy");
  await remember(bench, "exe_a", 2, "degraded");
  const again = await bench.run(healthMonitor, {}, { executionId: "exe_a", delegate: answerAsSystem(well) });
  expect(again).toMatchObject({ changes: [], observations: 2, services: [{ healthyShare: 1 }, { healthyShare: 1 }] });
  expect(await bench.run(healthMonitor, {}, { delegate: answerAsSystem(well) })).toMatchObject({
    observations: 3,
    services: [{ healthyShare: 1 }, { healthyShare: 1 }],
  });
});

test("the latest thousand looks are remembered, and the last of them is compared with", async () => {
  await using bench = await openBench();
  // More than there may be, as after looks at the same moment.
  for (let at = 1; at <= 1_003; at++) await remember(bench, `exe_${at}`, at, at === 1_003 ? "degraded" : "healthy");
  expect(await bench.run(healthMonitor, {}, { delegate: answerAsSystem(well) })).toMatchObject({
    observations: 1_000,
    since: new Date(5).toISOString(),
    changes: [{ service: "tools", from: "degraded", to: "healthy" }],
  });
  const memory = createMemory(bench.log, bench.ctx, "bench");
  expect(await memory.list("observations", { limit: 1_000 })).toHaveLength(1_000);
  expect(await bench.run(healthMonitor, {}, { delegate: answerAsSystem(well) })).toMatchObject({
    observations: 1_000,
    since: new Date(6).toISOString(),
  });
});

test("without the system's own commands there is nothing to say", async () => {
  await using bench = await openBench();
  const nobody = answerAsSystem({});
  await expect(bench.run(healthMonitor, {}, { delegate: () => nobody("something else") })).rejects.toMatchObject({
    code: "core.no_answer",
  });
});
