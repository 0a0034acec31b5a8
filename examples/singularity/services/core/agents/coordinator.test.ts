import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { answerAsSystem } from "../testing/answer-as-system.ts";
import { coordinator } from "./coordinator.ts";

const delegate = answerAsSystem({
  tools: { capabilities: ["sizes"], running: 2, queued: 1 },
  swarm: { capabilities: ["sizes"], isBroken: true },
  storage: { capabilities: ["keep"], isBroken: true },
});

followsInput(coordinator, "who offers what is needed, and what nobody can do now", async (bench) => {
  const ready = await bench.run(coordinator, { capabilities: "sizes" }, { delegate });
  expect(ready).toEqual({
    isReady: true,
    missing: [],
    capabilities: [
      {
        capability: "sizes",
        isServed: true,
        offered: [
          { service: "tools", processId: "prc_1", status: "healthy", workers: 3, running: 2, queued: 1 },
          { service: "swarm", processId: "prc_1", status: "degraded", workers: 3, running: 0, queued: 0 },
        ],
      },
    ],
  });
  const lacking = await bench.run(coordinator, { capabilities: ["keep", "sizes", "fly", "fly"] }, { delegate });
  expect(lacking).toMatchObject({
    isReady: false,
    // One is offered by a swarm that is not well, the other by nobody.
    missing: ["keep", "fly"],
    capabilities: [{ capability: "keep" }, { capability: "sizes" }, { capability: "fly", offered: [] }],
  });
  return [ready, lacking];
});

test("what is needed may come in one text, in a list, or, as the command line sends it, as a text in a list", async () => {
  await using bench = await openBench();
  for (const capabilities of ["sizes, fly", ["sizes", "fly"], ["sizes,fly"]]) {
    expect(await bench.run(coordinator, { capabilities }, { delegate })).toMatchObject({
      missing: ["fly"],
      capabilities: [{ capability: "sizes" }, { capability: "fly" }],
    });
  }
  for (const capabilities of ["", ",", [], ["sizes", ""]]) {
    expect(coordinator.input.safeParse({ capabilities }).success, JSON.stringify(capabilities)).toBe(false);
  }
});
