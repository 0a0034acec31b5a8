/**
 * Publishing on the real memory: a version is kept once with the checksums of its files, never another under its number, whoever comes
 * at the same moment; what must not be in a package is refused with its place.
 */
import { createHash } from "node:crypto";
import { createMemory } from "@viable/swarm";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { publisher } from "./publisher.ts";

const basic = {
  name: "@house/greeter",
  version: "1.0.0",
  kind: "agent",
  description: "Greets.",
  files: [{ path: "index.ts", content: "export const a = 1;\n" }],
};

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const memoryOf = (bench: AgentBench) => createMemory(bench.log, bench.ctx, "bench");

followsInput(publisher, "checksums are of the files, the integrity is of the whole", async (bench) => {
  const first = await bench.run(publisher, basic, { executionId: "exe_a" });
  // Both computed by hand from what is documented: canonical JSON of the manifest, SHA-512, base64.
  const manifest = `{"dependencies":{},"description":"Greets.","files":[{"bytes":20,"path":"index.ts","sha256":"${sha256("export const a = 1;\n")}"}],"kind":"agent","name":"@house/greeter","version":"1.0.0"}`;
  const integrity = `sha512-${createHash("sha512").update(manifest).digest("base64")}`;
  expect(first).toEqual({
    name: "@house/greeter",
    version: "1.0.0",
    kind: "agent",
    description: "Greets.",
    dependencies: {},
    integrity,
    files: 1,
    bytes: 20,
    publishedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    publishedBy: "exe_a",
    isNew: true,
    checksums: [{ path: "index.ts", bytes: 20, sha256: sha256("export const a = 1;\n") }],
  });
  const second = await bench.run(publisher, {
    ...basic,
    version: "1.1.0",
    files: [{ path: "b.bin", content: Buffer.from([0, 255]).toString("base64"), encoding: "base64" }, ...basic.files],
    dependencies: { other: "^2.0.0" },
  });
  expect(second).toMatchObject({ files: 2, bytes: 22, isNew: true, dependencies: { other: "^2.0.0" } });
  expect(second.integrity).not.toBe(integrity);
  return [first, second];
});

test("the same content again is there already, in whatever order its files come; other content is refused", async () => {
  await using bench = await openBench();
  const files = [
    { path: "b.ts", content: "2" },
    { path: "a.ts", content: "1" },
  ];
  const first = await bench.run(publisher, { ...basic, files });
  const again = await bench.run(publisher, { ...basic, files: files.toReversed() });
  expect(again).toEqual({ ...first, isNew: false });
  for (const other of [
    { files: [{ path: "b.ts", content: "3" }, files[1]] },
    { files, description: "Greets you." },
    { files, dependencies: { x: "*" } },
  ]) {
    await expect(bench.run(publisher, { ...basic, ...other } as JsonObject)).rejects.toMatchObject({
      code: "package.version_taken",
    });
  }
});

test("an execution that is begun again after a crash answers what it did", async () => {
  await using bench = await openBench();
  const first = await bench.run(publisher, basic, { executionId: "exe_a" });
  expect(await bench.run(publisher, basic, { executionId: "exe_a" })).toEqual(first);
});

test("of many at once with different content one is published, and the others are refused", async () => {
  await using bench = await openBench();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) =>
      bench.run(publisher, { ...basic, files: [{ path: "a.ts", content: String(index % 2) }] }),
    ),
  );
  const kept = outcomes.filter((each) => each.status === "fulfilled").map((each) => each.value);
  expect(kept.filter((each) => each.isNew)).toHaveLength(1);
  expect(new Set(kept.map((each) => each.integrity)).size).toBe(1);
  expect(kept).toHaveLength(4);
});

test("equal files of many versions are kept once, large ones in pieces that fit", async () => {
  await using bench = await openBench();
  const content = Buffer.alloc(1_500_000, 7).toString("base64");
  for (const version of ["1.0.0", "1.0.1"]) {
    await bench.run(publisher, { ...basic, version, files: [{ path: "large", content, encoding: "base64" }] });
  }
  const kept = await memoryOf(bench).list("package-pieces");
  expect(kept.map((each) => (each.value as string).length)).toEqual([983_040, 983_040, 33_920]);
});

test("what is damaged is mended by publishing the same again", async () => {
  await using bench = await openBench();
  const first = await bench.run(publisher, basic);
  const [piece] = await memoryOf(bench).list("package-pieces");
  await memoryOf(bench).set(piece?.key as string, "AAAA", { namespace: "package-pieces" });
  expect(await bench.run(publisher, basic)).toEqual({ ...first, isNew: false, mended: 1 });
  expect(await memoryOf(bench).get(piece?.key as string, "package-pieces")).toMatchObject({ value: piece?.value });
});

const place = (args: unknown): string[] | undefined =>
  publisher.input.safeParse(args).error?.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);

test.for([
  ["../a", "leaves the package"],
  ["a/../../b", "leaves the package"],
  ["/etc/passwd", "is absolute"],
  ["C:/a", "is absolute"],
  ["a\\b", "character"],
  ["a\u0000b", "character"],
  ["a//b", "empty"],
  ["./a", "empty"],
  ["a/", "empty"],
  ["a.", "ends in a dot"],
  ["\ud800", "is no text"],
] as const)("the path %j is refused: it %s", ([path, reason]) => {
  expect(place({ ...basic, files: [{ path, content: "" }] })).toEqual([
    expect.stringMatching(new RegExp(`^files\\.0\\.path: .*${reason}`)),
  ]);
});

test("files that are one file on some machines, and a file where a folder is needed, are refused", () => {
  const files = (...paths: string[]) => ({ ...basic, files: paths.map((path) => ({ path, content: "" })) });
  expect(place(files("a.ts", "a.ts"))).toEqual(["files.1.path: is there twice"]);
  expect(place(files("a.ts", "A.ts"))).toEqual([expect.stringContaining('files.1.path: is the same file as "a.ts"')]);
  expect(place(files("é", "e\u0301"))).toEqual([expect.stringContaining("files.1.path: is the same file")]);
  expect(place(files("src/a.ts", "src"))).toEqual(['files.0.path: needs a folder where the file "src" is']);
  expect(place(files("src/a.ts", "src/b.ts"))).toBeUndefined();
  expect(place(files())).toBeDefined();
  expect(place(files(...Array.from({ length: 501 }, (_, index) => `f${index}`)))).toBeDefined();
});

test.for(["1.0", "v1.0.0", "1.0.0+build", "01.0.0", "1.0.0-01", "latest", ""])("%j is no version", (version) => {
  expect(place({ ...basic, version })?.[0]).toContain("version: ");
});

test.for(["Greeter", "../x", "a b", "@house", "@house/", ".a", ""])("%j is no name", (name) => {
  expect(place({ ...basic, name })?.[0]).toContain("name: ");
});

test("ranges, encodings and sizes that are none are refused, and nothing is kept", async () => {
  await using bench = await openBench();
  const refused = (more: JsonObject) => bench.run(publisher, { ...basic, ...more });
  const invalid = (message: RegExp) => ({ code: "package.invalid", message: expect.stringMatching(message) });
  await expect(refused({ dependencies: { x: "newest" } })).rejects.toMatchObject(invalid(/dependencies\.x: "newest"/));
  const files = (content: string, encoding = "text") => ({ files: [{ path: "a", content, encoding }] });
  await expect(refused(files("no base64!", "base64"))).rejects.toMatchObject(invalid(/files\[0\] \(a\).*no base64/));
  await expect(refused(files("AAAB=", "base64"))).rejects.toMatchObject(invalid(/no base64/));
  await expect(refused(files("\ud800"))).rejects.toMatchObject(invalid(/no UTF-8 text/));
  await expect(refused(files("x".repeat(2_000_001)))).rejects.toMatchObject(invalid(/2000001 bytes/));
  for (const namespace of ["packages", "package-pieces", "package-manifests"]) {
    expect(await memoryOf(bench).list(namespace)).toEqual([]);
  }
});
