import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { design } from "./design.ts";

/** A helper that lies in the wrong folder: the store uses it, and it lives in the user interface. */
const misplaced = {
  "package.json": `{ "name": "house" }`,
  "src/ui/page.ts": `import "../domain/order"; import "./format";`,
  "src/ui/list.ts": `import "../domain/order"; import "../domain/price";`,
  "src/ui/format.ts": "",
  "src/domain/order.ts": `import "../store/rows"; import "../store/columns";`,
  "src/domain/price.ts": `import "../store/rows";`,
  "src/store/rows.ts": `import "../ui/format";`,
  "src/store/columns.ts": `import "../ui/format";`,
};

followsInput(
  design,
  "proposes to move the file that turns imports upward, and nothing where nothing is wrong",
  async (bench) => {
    await using tree = await plantTree(misplaced);
    const first = await bench.run(design, { path: tree.path });
    expect(first).toMatchObject({
      basis: "imports",
      layers: [["src/ui"], ["src/domain"], ["src/store"]],
      upward: [{ from: "src/store", to: "src/ui", imports: 2 }],
      upwardImports: 2,
      moves: [{ file: "src/ui/format.ts", from: "src/ui", to: "src/store", removes: 2 }],
      upwardImportsAfterMoves: 0,
    });

    await using fine = await plantTree({ ...misplaced, "src/store/rows.ts": "", "src/store/columns.ts": "" });
    const second = await bench.run(design, { path: fine.path });
    expect(second).toMatchObject({ upward: [], moves: [] });
    return [first, second];
  },
);

test("judges against the layers that are wished for, and refuses rooms that are not there", async () => {
  await using bench = await openBench();
  await using tree = await plantTree(misplaced);
  const upsideDown = { path: tree.path, layers: ["src/store", "src/domain", "src/ui/"] };
  expect(await bench.run(design, upsideDown)).toMatchObject({
    basis: "declared",
    upward: [
      { from: "src/domain", to: "src/store", imports: 3 },
      { from: "src/ui", to: "src/domain", imports: 3 },
    ],
    upwardImports: 6,
  });
  await expect(bench.run(design, { path: tree.path, layers: ["src/cellar"] })).rejects.toMatchObject({
    code: "design.unknown_room",
    next: expect.stringContaining("src/domain, src/store, src/ui"),
  });
});
