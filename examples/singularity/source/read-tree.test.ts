/**
 * What reading a tree answers for good and bad input: the error codes of a root that cannot be read, and the findings and
 * skipped entries of what lies inside. Permissions are not tested by taking them away: whoever runs as root has them all.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { plantTree } from "../testing/plant-tree.ts";
import { readText } from "./read-text.ts";
import { maxDepth, maxFileBytes, readTree } from "./read-tree.ts";

const { signal } = new AbortController();
const read = (path: string) => readTree(path, { signal });
const kinds = (tree: Awaited<ReturnType<typeof read>>) => tree.findings.map(({ kind, file }) => ({ kind, file }));

describe("the root", () => {
  test("that is not there", async () => {
    await using tree = await plantTree();
    await expect(read(join(tree.path, "nowhere"))).rejects.toMatchObject({
      code: "source.not_found",
      next: expect.stringContaining("Check the path"),
    });
    await expect(read("/a\0b")).rejects.toMatchObject({ code: "source.not_found" });
  });

  test("that is a file, or leads through one", async () => {
    await using tree = await plantTree({ "a.ts": "" });
    await expect(read(join(tree.path, "a.ts"))).rejects.toMatchObject({ code: "source.not_a_directory" });
    await expect(read(join(tree.path, "a.ts", "b"))).rejects.toMatchObject({ code: "source.not_a_directory" });
  });

  test("that is a link: to nowhere, to itself, to a tree", async () => {
    await using tree = await plantTree({ "real/a.ts": "export {}" });
    await tree.link("broken", "nowhere");
    await tree.link("loop", "loop");
    await tree.link("good", "real");
    await expect(read(join(tree.path, "broken"))).rejects.toMatchObject({ code: "source.not_found" });
    await expect(read(join(tree.path, "loop"))).rejects.toMatchObject({ code: "source.unreadable" });
    const found = await read(join(tree.path, "good"));
    expect(found.files.map((file) => file.path)).toEqual(["a.ts"]);
  });

  test("that is empty, and one without source", async () => {
    await using empty = await plantTree();
    expect(kinds(await read(empty.path))).toEqual([{ kind: "source.empty", file: undefined }]);
    await using texts = await plantTree({ "notes.txt": "hello", "data.json": "{}" });
    expect(kinds(await read(texts.path))).toEqual([{ kind: "source.no_source", file: undefined }]);
  });
});

describe("what lies inside", () => {
  test("installed packages, version control and build output are skipped and named", async () => {
    await using tree = await plantTree({
      "package.json": "{}",
      "src/build/step.ts": "",
      "node_modules/x/index.js": "",
      ".git/config": "",
      "dist/index.js": "",
    });
    const { files, skipped } = await read(tree.path);
    expect(files.map((file) => file.path)).toEqual(["package.json", "src/build/step.ts"]);
    expect(skipped.map((each) => each.path).sort()).toEqual([".git", "dist", "node_modules"]);
  });

  test("build output is the source where there is no other", async () => {
    await using tree = await plantTree({ "package.json": "{}", "dist/index.js": "", "node_modules/x/index.js": "" });
    const { files, skipped } = await read(tree.path);
    expect(files.map((file) => file.path)).toEqual(["dist/index.js", "package.json"]);
    expect(skipped.map((each) => each.path)).toEqual(["node_modules"]);
  });

  test("links in a circle, to nowhere, inside and out of the tree", async () => {
    await using outside = await plantTree({ "secret.ts": "" });
    await using tree = await plantTree({ "src/a.ts": "" });
    await tree.link("src/up", "..");
    await tree.link("a-loop", "b-loop");
    await tree.link("b-loop", "a-loop");
    await tree.link("broken.ts", "nowhere.ts");
    await tree.link("out", outside.path);
    const found = await read(tree.path);
    expect(found.files.map((file) => file.path)).toEqual(["src/a.ts"]);
    expect(kinds(found)).toEqual([
      { kind: "source.link_loop", file: "a-loop" },
      { kind: "source.link_loop", file: "b-loop" },
      { kind: "source.broken_link", file: "broken.ts" },
    ]);
    expect(found.skipped).toEqual([
      { path: "out", reason: "a link out of the tree, not followed" },
      { path: "src/up", reason: "a link to what is read under its own name" },
    ]);
  });

  test("a file of 50 MB is named and never opened", async () => {
    await using tree = await plantTree({ "a.ts": "" });
    await tree.large("huge.ts", 50 * 1024 * 1024);
    const { files, skipped } = await read(tree.path);
    expect(files.map((file) => file.path)).toEqual(["a.ts"]);
    expect(skipped).toEqual([
      { path: "huge.ts", reason: `${50 * 1024 * 1024} bytes, more than the ${maxFileBytes} read of one file` },
    ]);
  });

  test("folders deeper than anybody builds them", async () => {
    const deep = Array.from({ length: maxDepth + 2 }, () => "d").join("/");
    await using tree = await plantTree({ "a.ts": "", [`${deep}/b.ts`]: "" });
    const found = await read(tree.path);
    expect(found.files.map((file) => file.path)).toEqual(["a.ts"]);
    expect(kinds(found).map((each) => each.kind)).toEqual(["source.too_deep"]);
  });

  test("an aborted walk ends", async () => {
    await using tree = await plantTree({ "a.ts": "" });
    await expect(readTree(tree.path, { signal: AbortSignal.abort(new Error("stopped")) })).rejects.toThrow("stopped");
  });
});

describe("text", () => {
  async function readOne(content: Uint8Array, name = "a.ts") {
    await using tree = await plantTree();
    await tree.write(name, content);
    const found = await read(tree.path);
    return await readText(found, found.files[0] as (typeof found.files)[number]);
  }

  test("in UTF-8 and in UTF-16 by its mark", async () => {
    expect(await readOne(Buffer.from("const é = 1"))).toEqual({ ok: true, text: "const é = 1" });
    const marked = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from("const é = 1", "utf16le")]);
    expect(await readOne(marked)).toMatchObject({ ok: true, text: "const é = 1" });
  });

  test("that is not UTF-8 is read as Latin-1 where it is source, and says so", async () => {
    const latin = Buffer.from("// caf\xe9", "latin1");
    expect(await readOne(latin)).toMatchObject({ ok: true, text: "// café", finding: { kind: "source.encoding" } });
    expect(await readOne(latin, "picture")).toMatchObject({ ok: false, reason: "binary" });
  });

  test("that is binary is a finding only where its name promised source", async () => {
    const binary = Buffer.from([1, 2, 0, 3]);
    expect(await readOne(binary)).toMatchObject({ ok: false, finding: { kind: "source.binary", file: "a.ts" } });
    expect(await readOne(binary, "a.png")).toEqual({ ok: false, reason: "binary" });
  });
});
