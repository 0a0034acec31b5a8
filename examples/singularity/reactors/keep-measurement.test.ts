/** What is kept is what was measured, a person is asked of a large folder alone, and what fails says so. */
import { fromJson, toJson } from "@viable/reactors";
import { testReactor } from "@viable/reactors/testing";
import { describe, expect, test } from "vitest";
import { keepMeasurement } from "./keep-measurement.ts";

const input = { path: "src", name: "sizes" };
const doTask =
  (files: number) =>
  ({ capability, args }: { capability: string; args: unknown }) =>
    capability === "code_analysis.sizes" ? { languages: [{ language: "TypeScript", files }] } : { saw: args };

describe("keep-measurement", () => {
  test("keeps what it measured of a small folder, and asks nobody", async () => {
    const run = await testReactor(keepMeasurement, { input, doTask: doTask(12) });
    expect(run.result).toEqual({
      files: 12,
      agreedBy: "nobody",
      kept: { saw: { name: "sizes", document: { languages: [{ language: "TypeScript", files: 12 }] } } },
    });
  });

  test("waits for a person where the folder is large", async () => {
    const run = await testReactor(keepMeasurement, { input, doTask: doTask(20_000) });
    expect(run.status).toBe("waiting");
    await run.approve();
    expect(run.result).toMatchObject({ files: 20_000 });
  });

  test("fails where the person says no, and where nobody answers for a week", async () => {
    const refused = await testReactor(keepMeasurement, { input, doTask: doTask(20_000) });
    await refused.reject();
    expect(refused.error).toMatchObject({ code: "reactor.rejected" });
    const forgotten = await testReactor(keepMeasurement, { input, doTask: doTask(20_000) });
    await forgotten.advance(8 * 24 * 3_600_000);
    expect(forgotten.error).toMatchObject({ code: "reactor.run_timed_out" });
  });

  test("does not measure again what it had measured when its process died", async () => {
    const run = await testReactor(keepMeasurement, {
      input,
      doTask: doTask(12),
      crashAt: [{ step: "keep", role: "task" }],
    });
    expect(run.status).toBe("completed");
    expect(run.calls.filter(({ step }) => step === "measure")).toHaveLength(1);
  });

  test("is the same when it was written out and read again", async () => {
    const again = fromJson(JSON.parse(JSON.stringify(toJson(keepMeasurement))), keepMeasurement);
    expect(again.hash).toBe(keepMeasurement.hash);
    expect((await testReactor(again, { input, doTask: doTask(12) })).status).toBe("completed");
  });
});
