import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
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

test("a service that went is a change, and the same execution looks once", async () => {
  await using bench = await openBench();
  const looked = { executionId: "exe_a", delegate: answerAsSystem(well) };
  await bench.run(healthMonitor, {}, { delegate: answerAsSystem(well) });
  await bench.run(healthMonitor, {}, looked);
  const { storage } = well;
  expect(await bench.run(healthMonitor, {}, { delegate: answerAsSystem({ storage }) })).toMatchObject({
    changes: [{ service: "tools", from: "healthy", to: "absent" }],
    observations: 3,
  });
});

test("without the system's own commands there is nothing to say", async () => {
  await using bench = await openBench();
  const nobody = answerAsSystem({});
  await expect(bench.run(healthMonitor, {}, { delegate: () => nobody("something else") })).rejects.toMatchObject({
    code: "core.no_answer",
  });
});
