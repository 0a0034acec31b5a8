// The TypeScript of the README, of docs/ and of the packages' READMEs compiles against the packages as they are now.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fileNameOf, readSnippets, type Snippet, toModule } from "./snippets.ts";
import { readTree } from "./tree.ts";

/** How many blocks may be declared fragments. Each is a promise that nobody checks. */
const maxFragments = 0;

const root = join(import.meta.dirname, "../..");

/** Compiles snippets in one program, below the root so that packages are found as users find them; answers what the compiler says. */
function compile(snippets: readonly Snippet[]): string[] {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const folder = mkdtempSync(join(root, ".cache", "snippets-"));
  try {
    const compilerOptions = { noEmit: true };
    const config = { extends: "../../tsconfig.json", compilerOptions, include: ["*.ts"], exclude: [] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    for (const snippet of snippets) writeFileSync(join(folder, fileNameOf(snippet)), toModule(snippet));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "-p", ".", "--pretty", "false"], {
      cwd: folder,
      encoding: "utf8",
    });
    if (status === null) throw new Error("The compiler was stopped before it had judged the snippets.");
    // What is wrong in the packages themselves is the type check's to say.
    const said = `${stdout}${stderr}`.split("\n").filter((line) => line !== "" && !line.startsWith("../"));
    return said.map((line) => toDocument(line, snippets));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `readme--5.ts(7,3): …` becomes `README.md:7: …`. */
function toDocument(line: string, snippets: readonly Snippet[]): string {
  const [, file, at, rest] = /^([^(]+\.ts)\((\d+),\d+\): (.*)$/.exec(line) ?? [];
  const snippet = snippets.find((each) => fileNameOf(each) === file);
  return snippet === undefined ? line : `${snippet.document}:${at}: ${rest} Mend the example or the code it shows.`;
}

describe("examples in documents are programs", () => {
  const snippets = readSnippets(readTree());

  it("holds here", () => {
    expect(snippets.length).toBeGreaterThan(0);
    expect(compile(snippets.filter(({ fragment }) => fragment === undefined))).toEqual([]);
  });

  it("has no more fragments than are allowed", () => {
    const fragments = snippets.filter(({ fragment }) => fragment !== undefined);
    expect(fragments.map(({ document, line }) => `${document}:${line}`)).toHaveLength(maxFragments);
  });

  it("refuses an example that does not compile, at its place in the document", () => {
    const text = '# Title\n\n```ts\nimport { backoffMs } from "@viable/kernel";\nbackoffMs("soon");\n```\n';
    expect(compile(readSnippets(new Map([["docs/planted.md", text]])))).toEqual([
      expect.stringMatching(/^docs\/planted.md:5: error TS/),
    ]);
  });

  it("finds fragments, and counts lines as the document does", () => {
    const text = "a\n\n<!-- fragment: shows half a call -->\n```ts\nfoo(\n```\n\n```ts\nexport const a = 1;\n```\n";
    expect(readSnippets(new Map([["README.md", text]]))).toEqual([
      { document: "README.md", line: 5, code: "foo(\n", fragment: "shows half a call" },
      { document: "README.md", line: 9, code: "export const a = 1;\n", fragment: undefined },
    ]);
  });
});
