import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { layers } from "./layers.ts";

const house = {
  "package.json": `{ "name": "house" }`,
  "src/ui/page.ts": `import "../domain/order"; import "../domain/price";`,
  "src/ui/list.ts": `import "../domain/order";`,
  "src/domain/order.ts": `import "../store/rows"; import "./price";`,
  "src/domain/price.ts": "",
  "src/store/rows.ts": "",
};

followsInput(
  layers,
  "folders in layers, in a tree that keeps the direction and in one that does not",
  async (bench) => {
    await using good = await plantTree(house);
    const first = await bench.run(layers, { path: good.path });
    expect(first).toMatchObject({
      levels: [["src/store"], ["src/domain"], ["src/ui"]],
      upward: [],
    });

    await using bad = await plantTree({ ...house, "src/domain/price.ts": `\nimport "../ui/page";` });
    const second = await bench.run(layers, { path: bad.path });
    expect(second).toMatchObject({
      levels: [["src/store"], ["src/domain"], ["src/ui"]],
      upward: [{ file: "src/domain/price.ts", line: 2, imports: "src/ui/page.ts" }],
    });
    return [first, second];
  },
);

test("packages of a tree are its rooms, and tests say nothing about direction", async () => {
  await using bench = await openBench();
  await using tree = await plantTree({
    "packages/low/package.json": `{ "name": "low", "main": "a.js" }`,
    "packages/low/a.js": "",
    "packages/low/a.test.js": `require("high");`,
    "packages/high/package.json": `{ "name": "high", "main": "b.js" }`,
    "packages/high/b.js": `require("low");`,
  });
  expect(await bench.run(layers, { path: tree.path })).toMatchObject({
    levels: [["packages/low"], ["packages/high"]],
    rooms: [
      { room: "packages/high", modules: 1, level: 1, uses: ["packages/low"] },
      { room: "packages/low", modules: 1, level: 0, uses: [] },
    ],
    upward: [],
  });
});
