import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { cycles } from "./cycles.ts";

followsInput(cycles, "circles by their shortest way round and all their members", async (bench) => {
  await using knot = await plantTree({
    "a.ts": `import "./b";`,
    "b.ts": `import "./c"; import "./d";`,
    "c.ts": `import "./a";`,
    "d.ts": `import "./b";`,
    "free.ts": `import "./a";`,
  });
  const first = await bench.run(cycles, { path: knot.path });
  expect(first).toMatchObject({
    count: 1,
    runtime: 1,
    cycles: [{ path: ["b.ts", "d.ts"], kind: "runtime", size: 4, members: ["a.ts", "b.ts", "c.ts", "d.ts"] }],
  });

  await using straight = await plantTree({ "a.ts": `import "./b";`, "b.ts": "" });
  const second = await bench.run(cycles, { path: straight.path });
  expect(second).toMatchObject({ count: 0, cycles: [] });
  return [first, second];
});

test("a circle that closes only through types stands apart, behind those at run time", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "a.ts": `import type { B } from "./b";`,
    "b.ts": `import "./a";`,
    "x.ts": `import "./y";`,
    "y.ts": `const x = import("./x");`,
    "self.ts": `import "./self";`,
  });
  expect(await bench.run(cycles, { path: tree.path })).toMatchObject({
    count: 3,
    runtime: 2,
    cycles: [
      { path: ["x.ts", "y.ts"], kind: "runtime" },
      { path: ["self.ts"], kind: "runtime" },
      { path: ["a.ts", "b.ts"], kind: "types" },
    ],
  });
});
