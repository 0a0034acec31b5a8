import type { JsonValue } from "@viable/kernel";
import type { DelegateOutcome } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { answerAsSystem, type SystemState } from "../testing/answer-as-system.ts";
import { optimizer } from "./optimizer.ts";

const busy: SystemState = {
  tools: { capabilities: ["sizes"], running: 3, queued: 9 },
  storage: { capabilities: ["keep"] },
};
const idle: SystemState = { tools: { capabilities: ["sizes"] }, storage: { capabilities: ["keep"] } };

/** Everybody gets what they want, as whoever allocates does where there is enough; what is scaled is written down. */
function withEnough(state: SystemState, scaled: JsonValue[] = []) {
  const system = answerAsSystem(state);
  return async (capability: string, args: JsonValue): Promise<DelegateOutcome> => {
    if (capability === "swarm.scale") {
      scaled.push(args);
      return { ok: true, executionId: "exe_2", result: null };
    }
    if (capability !== "resource_allocation") return await system(capability);
    const { demands } = args as unknown as { demands: { name: string; wanted: number }[] };
    const shares = demands.map(({ name, wanted }) => ({ name, amount: wanted }));
    return { ok: true, executionId: "exe_1", result: { isFeasible: true, shares } };
  };
}

followsInput(optimizer, "who has more to do is given more, who has nothing keeps what it must have", async (bench) => {
  const moved = await bench.run(optimizer, { workers: 20 }, { delegate: withEnough(busy) });
  expect(moved).toEqual({
    applied: false,
    workers: 20,
    changes: [{ service: "tools", before: 3, workers: 12 }],
    refused: [],
    missing: [],
  });
  const still = await bench.run(optimizer, { workers: 20 }, { delegate: withEnough(idle) });
  expect(still).toMatchObject({ workers: 20, changes: [] });
  return [moved, still];
});

test("only what changes is set, and only when asked to", async () => {
  await using bench = await openBench();
  const scaled: JsonValue[] = [];
  await bench.run(optimizer, { workers: 20 }, { delegate: withEnough(busy, scaled) });
  expect(scaled).toEqual([]);
  expect(
    await bench.run(optimizer, { workers: 20, apply: true }, { delegate: withEnough(busy, scaled) }),
  ).toMatchObject({
    applied: true,
    refused: [],
  });
  expect(scaled).toEqual([{ service: "tools", workers: 12 }]);
});

test("without anybody who allocates nothing is changed, and the answer says who is missing", async () => {
  await using bench = await openBench();
  expect(await bench.run(optimizer, { apply: true }, { delegate: answerAsSystem(busy) })).toMatchObject({
    applied: false,
    workers: 6,
    changes: [],
    missing: [{ capability: "resource_allocation", reason: 'There is no command "resource_allocation".' }],
  });
});

test("how long tasks take weighs no more than an allocator takes, be it for hours", async () => {
  await using bench = await openBench();
  const asked: JsonValue[] = [];
  const system = withEnough({ tools: { capabilities: ["sizes"], running: 9, latencyMs: 3_600_000 } });
  await bench.run(
    optimizer,
    { workers: 20 },
    {
      delegate: async (capability, args) => {
        if (capability === "resource_allocation") asked.push(args);
        return await system(capability, args);
      },
    },
  );
  expect(asked).toMatchObject([{ demands: [{ name: "tools", weight: 1_000_000, wanted: 9 }] }]);
});
