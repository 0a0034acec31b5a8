/** Verifying kept packages: all of them, those of a name, one version; every damaged file is named and the rest is read on. */
import { createMemory } from "@viable/swarm";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { fetcher } from "./fetcher.ts";
import { publisher } from "./publisher.ts";
import { verifier } from "./verifier.ts";

const publish = (bench: AgentBench, name: string, version: string, ...contents: string[]) =>
  bench.run(publisher, {
    name,
    version,
    kind: "starter",
    description: name,
    files: contents.map((content) => ({ path: `${content}.txt`, content })),
  });

/** Overwrites the pieces in which this text is kept. */
async function damage(bench: AgentBench, text: string): Promise<void> {
  const memory = createMemory(bench.log, bench.ctx, "bench");
  const wanted = Buffer.from(text).toString("base64");
  for (const { key, value } of await memory.list("package-pieces")) {
    if (value === wanted) await memory.set(key, "AAAA", { namespace: "package-pieces" });
  }
}

followsInput(verifier, "sound before the damage, and after it every damaged file by name", async (bench) => {
  await publish(bench, "a", "1.0.0", "one", "shared");
  await publish(bench, "a", "1.1.0", "two", "shared");
  await publish(bench, "b", "1.0.0", "three");
  const sound = await bench.run(verifier, {});
  expect(sound).toEqual({ versions: 3, files: 5, isSound: true, problems: [], truncated: {} });
  await damage(bench, "shared");
  await damage(bench, "three");
  const damaged = await bench.run(verifier, {});
  const reason = "its bytes do not fit its checksum";
  expect(damaged).toEqual({
    versions: 3,
    files: 5,
    isSound: false,
    problems: [
      { name: "a", version: "1.0.0", file: "shared.txt", reason },
      { name: "a", version: "1.1.0", file: "shared.txt", reason },
      { name: "b", version: "1.0.0", file: "three.txt", reason },
    ],
    truncated: {},
  });
  return [sound, damaged];
});

test("only those of a name, and only one version", async () => {
  await using bench = await openBench();
  await publish(bench, "a", "1.0.0", "one");
  await publish(bench, "a", "1.1.0", "two");
  await publish(bench, "ab", "1.0.0", "three");
  await damage(bench, "one");
  expect(await bench.run(verifier, { name: "a" })).toMatchObject({ versions: 2, problems: [{ version: "1.0.0" }] });
  expect(await bench.run(verifier, { name: "a", version: "1.1.0" })).toMatchObject({ versions: 1, isSound: true });
  expect(await bench.run(verifier, { name: "ab" })).toMatchObject({ versions: 1, isSound: true });
});

test("a manifest that is gone is a problem of its version, and the others are verified", async () => {
  await using bench = await openBench();
  const { integrity } = await publish(bench, "a", "1.0.0", "one");
  await publish(bench, "b", "1.0.0", "two");
  await createMemory(bench.log, bench.ctx, "bench").delete(integrity as string, "package-manifests");
  expect(await bench.run(verifier, {})).toMatchObject({
    versions: 2,
    files: 1,
    problems: [{ name: "a", version: "1.0.0", reason: "its manifest is missing" }],
  });
});

test("a label that says other than what was published is a problem, and publishing the same again mends it", async () => {
  await using bench = await openBench();
  const published = await publish(bench, "a", "1.0.0", "one");
  const { integrity: other } = await publish(bench, "b", "1.0.0", "two");
  const memory = createMemory(bench.log, bench.ctx, "bench");
  const key = "a@1.0.0";
  const label = (await memory.get(key, "packages"))?.value as JsonObject;
  const problems = [{ name: "a", version: "1.0.0", reason: "its label does not fit its manifest" }];
  for (const forged of [{ dependencies: { evil: "*" } }, { description: "evil" }, { kind: "agent" }, { bytes: 9 }]) {
    await memory.set(key, { ...label, ...forged }, { namespace: "packages" });
    expect(await bench.run(verifier, {})).toMatchObject({ versions: 2, isSound: false, problems });
    await expect(bench.run(fetcher, { name: "a" })).rejects.toMatchObject({ code: "package.damaged" });
    expect(await publish(bench, "a", "1.0.0", "one")).toEqual({ ...published, isNew: false, mended: 1 });
    expect(await bench.run(verifier, {})).toMatchObject({ isSound: true });
  }
  const { value: otherLabel } = (await memory.get("b@1.0.0", "packages")) as { value: JsonObject };
  for (const forged of [{ ...label, integrity: other as string }, otherLabel]) {
    await memory.set(key, forged, { namespace: "packages" });
    expect(await bench.run(verifier, {})).toMatchObject({ versions: 2, isSound: false, problems });
  }
});

test("an empty registry is sound; a package that is not there, and a version of nothing, are refused", async () => {
  await using bench = await openBench();
  expect(await bench.run(verifier, {})).toMatchObject({ versions: 0, isSound: true });
  await expect(bench.run(verifier, { name: "a" })).rejects.toMatchObject({ code: "package.not_found" });
  await expect(bench.run(verifier, { name: "a", version: "1.0.0" })).rejects.toMatchObject({
    code: "package.not_found",
  });
  expect(verifier.input.safeParse({ version: "1.0.0" }).error?.issues[0]?.path).toEqual(["name"]);
});

test("a cancelled verification stops between two files", async () => {
  await using bench = await openBench();
  await publish(bench, "a", "1.0.0", "one");
  await expect(bench.run(verifier, {}, { signal: AbortSignal.abort(new Error("cancelled")) })).rejects.toThrow(
    "cancelled",
  );
});
