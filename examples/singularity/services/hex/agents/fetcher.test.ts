/** Fetching what was published: every byte as it was, and nothing where one is not, with the file that is to blame. */
import { createHash } from "node:crypto";
import { createMemory } from "@viable/swarm";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { fetcher } from "./fetcher.ts";
import { publisher } from "./publisher.ts";

const memoryOf = (bench: AgentBench) => createMemory(bench.log, bench.ctx, "bench");
const sha256 = (bytes: string | Uint8Array) => createHash("sha256").update(bytes).digest("hex");

const greeter = (version: string, content = `export const version = "${version}";\n`) => ({
  name: "greeter",
  version,
  kind: "agent",
  description: "Greets.",
  files: [
    { path: "readme.md", content: "# Grüße 😀\n" },
    { path: "index.ts", content },
  ],
});

followsInput(fetcher, "the highest release, and the version that is named", async (bench) => {
  for (const version of ["1.9.0", "1.10.0", "2.0.0-rc.1"]) await bench.run(publisher, greeter(version));
  const content = 'export const version = "1.10.0";\n';
  const latest = await bench.run(fetcher, { name: "greeter" });
  expect(latest).toEqual({
    name: "greeter",
    version: "1.10.0",
    kind: "agent",
    description: "Greets.",
    dependencies: {},
    integrity: expect.stringMatching(/^sha512-/),
    publishedAt: expect.any(String),
    files: [
      { path: "index.ts", bytes: 33, sha256: sha256(content), encoding: "text", content },
      { path: "readme.md", bytes: 15, sha256: sha256("# Grüße 😀\n"), encoding: "text", content: "# Grüße 😀\n" },
    ],
  });
  const named = await bench.run(fetcher, { name: "greeter", version: "2.0.0-rc.1" });
  expect(named).toMatchObject({
    version: "2.0.0-rc.1",
    files: [{ content: expect.stringContaining("2.0.0-rc.1") }, {}],
  });
  return [latest, named];
});

test("bytes of every kind come back as they were, within the size of a result", async () => {
  await using bench = await openBench();
  const all = Buffer.from(Array.from({ length: 1_500_000 }, (_, index) => (index * 7 + (index >> 8)) % 256));
  const contents = {
    all,
    empty: Buffer.alloc(0),
    zeros: Buffer.alloc(80_000),
    quotes: Buffer.from('"'.repeat(400_000)),
    marked: Buffer.from("\ufefftext"),
  };
  const files = Object.entries(contents).map(([path, bytes]) => ({
    path,
    content: bytes.toString("base64"),
    encoding: "base64",
  }));
  await bench.run(publisher, { ...greeter("1.0.0"), files });
  const fetched = await bench.run(fetcher, { name: "greeter" });
  expect(JSON.stringify(fetched).length).toBeLessThan(4 * 1024 * 1024);
  for (const { path, content, encoding } of fetched.files as { path: string; content: string; encoding: string }[]) {
    const bytes = Buffer.from(content, encoding === "base64" ? "base64" : "utf8");
    expect(bytes.equals(contents[path as keyof typeof contents]), path).toBe(true);
  }
});

test("a damaged byte, a missing piece and another manifest: an error that names the file, and no file", async () => {
  await using bench = await openBench();
  await bench.run(publisher, greeter("1.0.0"));
  const memory = memoryOf(bench);
  const key = `${sha256(greeter("1.0.0").files[1]?.content as string)}/0`;
  const options = { namespace: "package-pieces" };
  await memory.set(key, Buffer.from("export const evil = 1;").toString("base64"), options);
  await expect(bench.run(fetcher, { name: "greeter" })).rejects.toMatchObject({
    code: "package.damaged",
    message: "greeter 1.0.0, index.ts: its bytes do not fit its checksum.",
    details: { file: "index.ts" },
  });
  await memory.delete(key, "package-pieces");
  await expect(bench.run(fetcher, { name: "greeter" })).rejects.toMatchObject({
    message: "greeter 1.0.0, index.ts: a piece of it is missing.",
  });
  // Whoever can change the files can change their checksums, but not the integrity that a lock list holds.
  const [manifest] = await memory.list("package-manifests");
  const forged = JSON.parse(JSON.stringify(manifest?.value).replace('"bytes":32', '"bytes":33'));
  await memory.set(manifest?.key as string, forged, { namespace: "package-manifests" });
  await expect(bench.run(fetcher, { name: "greeter" })).rejects.toMatchObject({
    message: "greeter 1.0.0: its manifest does not fit its integrity.",
  });
});

test("what has not the integrity of a lock list is not handed out, however well it fits together", async () => {
  await using bench = await openBench();
  const { integrity } = await bench.run(publisher, greeter("1.0.0"));
  const { integrity: other } = await bench.run(publisher, greeter("2.0.0"));
  const locked = { name: "greeter", version: "1.0.0" };
  expect(await bench.run(fetcher, { ...locked, integrity: integrity as string })).toMatchObject({ integrity });
  await expect(bench.run(fetcher, { ...locked, integrity: other as string })).rejects.toMatchObject({
    code: "package.other_content",
    message: expect.stringContaining(`${integrity}, not ${other}`),
  });
});

test("what is not there is told with what there is", async () => {
  await using bench = await openBench();
  await expect(bench.run(fetcher, { name: "greeter" })).rejects.toMatchObject({
    code: "package.not_found",
    next: expect.stringContaining("Publish it first"),
  });
  await bench.run(publisher, greeter("1.0.0"));
  await bench.run(publisher, greeter("0.9.0"));
  await expect(bench.run(fetcher, { name: "greeter", version: "3.0.0" })).rejects.toMatchObject({
    code: "package.not_found",
    next: "There are 1.0.0, 0.9.0.",
  });
  await expect(bench.run(fetcher, { name: "greeter" }, { tenant: "other" })).rejects.toMatchObject({
    code: "package.not_found",
  });
  expect(fetcher.input.safeParse({ name: "../greeter" }).success).toBe(false);
});
