/** Services that ask each other, and the system itself, as they run: what their own tests hold against planted answers is held here against the real ones. */
import { expect, test } from "vitest";
import { core } from "./services/core/index.ts";
import { infra } from "./services/infra/index.ts";
import { security } from "./services/security/index.ts";
import { startServices } from "./testing/start-services.ts";

test("Core divides workers by what Infra allots, and sets them", async () => {
  await using running = await startServices([core, infra]);
  const answer = await running.run("resource_optimization", { workers: 20, apply: true });
  expect(answer).toMatchObject({
    status: "completed",
    result: { applied: true, workers: 20, refused: [], missing: [] },
  });
  const before = await running.run("swarm.scale", { service: "infra", workers: 9 });
  expect(before).toMatchObject({ status: "completed", result: { swarms: [{ workers: 9 }] } });
  // Idle swarms need no more than the least.
  expect(await running.run("resource_optimization", { workers: 20, apply: true })).toMatchObject({
    result: { changes: [{ service: "infra", before: 9, workers: 3 }] },
  });
});

test("Core sees the system's health, and who offers what", async () => {
  await using running = await startServices([core, infra]);
  expect(await running.run("health_monitoring", {})).toMatchObject({
    status: "completed",
    result: { services: expect.arrayContaining([expect.objectContaining({ service: "infra", status: "healthy" })]) },
  });
  expect(await running.run("central_coordination", { capabilities: "resource_inventory,fly" })).toMatchObject({
    result: { isReady: false, missing: ["fly"] },
  });
});

test("Security says who calls and what they may do, as the intake would", async () => {
  await using running = await startServices([security]);
  expect(await running.run("authentication", {})).toMatchObject({
    result: { principal: "owner", clientType: "cli", operations: ["read", "write", "execute"] },
  });
  expect(await running.run("authorization", { commands: "secret_scan,swarm.restart,secret_scam" })).toMatchObject({
    result: {
      isGranted: false,
      decisions: [
        { command: "secret_scan", decision: "granted" },
        { command: "swarm.restart", risk: "high", decision: "granted" },
        { command: "secret_scam", decision: "unknown", reasons: ["Did you mean secret_scan?"] },
      ],
    },
  });
});
