/**
 * What the ranker finds in histories whose law is known because they were made by it: real repositories, read through git. Where
 * fixes follow churn it must find that, where they follow nothing it must not claim to know better than counting commits.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { plantTree } from "../../../testing/plant-tree.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { lines, type PlannedCommit, plantHistory, planWork } from "../plant-history.ts";
import { riskRanker } from "./risk-ranker.ts";

const calm = Array.from({ length: 45 }, (_, index) => `src/calm${index}.ts`);
const wild = Array.from({ length: 15 }, (_, index) => `src/wild${index}.ts`);

/** Calm files change often and a little, wild ones seldom and much; only the wild ones are ever mended. */
const fixesFollowChurn = (): PlannedCommit[] =>
  planWork(7, 300, (dice, index) => {
    if (dice.chance(0.7)) {
      return {
        subject: "Add a little",
        files: { [dice.pick(calm)]: lines(5, index), [dice.pick(calm)]: lines(5, index) },
      };
    }
    const file = dice.pick(wild);
    return dice.chance(0.5)
      ? { subject: "Write it anew", files: { [file]: lines(80, index) } }
      : { subject: "fix: wrong answer", author: "bob", files: { [file]: lines(80, `${index} fixed`) } };
  });

/** Whatever happens, it happens anywhere. */
const fixesFollowNothing = (seed: number): PlannedCommit[] =>
  planWork(seed, 300, (dice, index) => ({
    subject: dice.chance(0.3) ? "fix: wrong answer" : "Add a little",
    files: { [dice.pick([...calm, ...wild])]: lines(20, index) },
  }));

type Ranking = {
  origin: string;
  reason: string;
  files: { path: string; score: number; because: { feature: string; value: number }[] }[];
  heldOut: { model: { auc: number }; baseline: { auc: number } };
  truncated: { [list: string]: number };
};

async function rank(path: string): Promise<Ranking> {
  await using bench = await openBench();
  return (await bench.run(riskRanker, { path })) as never;
}

followsInput(
  riskRanker,
  "churn that leads to fixes is found, and where nothing leads to fixes nobody claims it",
  async (bench) => {
    await using churn = await plantHistory(fixesFollowChurn());
    await using nothing = await plantHistory(fixesFollowNothing(1));
    const found = await bench.run(riskRanker, { path: churn.path });
    expect(found).toMatchObject({ origin: "model", heldOut: { commits: 60 }, history: { commits: 300 } });
    const { files, heldOut, reason } = found as unknown as Ranking;
    expect(new Set(files.slice(0, 15).map((each) => each.path))).toEqual(new Set(wild));
    expect(heldOut.model.auc).toBeGreaterThan(0.85);
    expect(heldOut.baseline.auc).toBeLessThan(0.5);
    expect(reason).toContain("the model is better");

    const random = await bench.run(riskRanker, { path: nothing.path });
    expect(random).toMatchObject({ origin: "baseline", reason: expect.stringContaining("the model is not better") });
    expect(random.reason).toContain("not surely better than chance");
    return [found, random];
  },
);

describe("what it says of a ranking", () => {
  test("where fixes follow the number of commits, the baseline ranks, by that number, and is better than chance", async () => {
    const busy = wild.slice(0, 10);
    await using tree = await plantHistory([
      { subject: "begin", files: Object.fromEntries([...calm, ...wild].map((file) => [file, lines(9, "a")])) },
      ...planWork(3, 300, (dice, index) => ({
        subject: dice.chance(0.3) ? "Fix the answer" : "Add a little",
        files: { [dice.chance(0.8) ? dice.pick(busy) : dice.pick([...calm, ...wild])]: lines(9, index) },
      })),
    ]);
    const { origin, reason, files, heldOut } = await rank(tree.path);
    expect(origin).toBe("baseline");
    expect(reason).not.toContain("not surely better");
    expect(heldOut.baseline.auc).toBeGreaterThan(0.7);
    expect(new Set(files.slice(0, 10).map((each) => each.path))).toEqual(new Set(busy));
    expect(files[0]).toMatchObject({ because: [{ feature: "commits", value: files[0]?.score }] });
  });

  test("tests and files that are not code are not ranked, and the list is bounded", async () => {
    const work = fixesFollowChurn().map(({ files, ...commit }, index) => ({
      ...commit,
      files: { ...files, "CHANGELOG.md": lines(index, "x"), "src/wild.test.ts": lines(index, "x") },
    }));
    await using tree = await plantHistory(work);
    const { files, truncated } = await rank(tree.path);
    expect(files.every(({ path }) => path.startsWith("src/") && !path.includes(".test."))).toBe(true);
    expect(files).toHaveLength(50);
    expect(truncated).toEqual({ files: 10 });
  });
});

describe("where there is nothing to rank by, it says what is missing", () => {
  test("no repository, no commits, too few commits, too few fixes, fixes of one file only", async () => {
    await using plain = await plantTree({ "a.ts": "" });
    expect(await rank(plain.path)).toMatchObject({
      origin: "none",
      files: [],
      reason: expect.stringContaining("no git"),
    });
    await using fresh = await plantHistory([]);
    expect(await rank(fresh.path)).toMatchObject({ origin: "none", reason: expect.stringContaining("no commits") });
    await using young = await plantHistory(fixesFollowChurn().slice(0, 20));
    expect(await rank(young.path)).toMatchObject({ origin: "none", reason: expect.stringContaining("20 commits") });
    await using quiet = await plantHistory(fixesFollowChurn().map((each) => ({ ...each, subject: "fix typo" })));
    expect(await rank(quiet.path)).toMatchObject({ origin: "none", reason: expect.stringContaining("0 of 300") });
    await using single = await plantHistory(
      planWork(1, 100, (dice, index) => ({
        subject: "fix",
        files: { [dice.pick(["a.ts", "b.ts"])]: lines(3, index) },
      })),
    );
    expect(await rank(single.path)).toMatchObject({ origin: "none", reason: expect.stringContaining("fewer than 5") });
  });

  test("a path that is not there is an error", async () => {
    await using tree = await plantTree();
    await expect(rank(join(tree.path, "gone"))).rejects.toMatchObject({ code: "source.not_found" });
  });
});
