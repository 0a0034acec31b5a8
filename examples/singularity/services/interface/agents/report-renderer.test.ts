/**
 * Reports as pages: every fact of a whole report is found again in each form; hostile names do nothing, by what a Markdown reader
 * (marked) makes of them and by the elements that stand in the HTML; parts that are absent, wrong or too long.
 */
import { marked, type Token } from "marked";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import type { Page } from "../page.ts";
import { reportRenderer } from "./report-renderer.ts";

const whole = {
  path: "/code/house",
  modules: 2,
  edges: 1_234,
  externals: [{ name: "zod", importers: 7 }],
  cycles: [
    ["src/a.ts", "src/b.ts"],
    ["src/c.ts", "src/d.ts"],
  ],
  runtimeCycles: 1,
  layers: { levels: [["base"], ["app", "cli"]], upward: [{ file: "base/x.ts", line: 3, imports: "app/y.ts" }] },
  design: {
    layers: [["base"], ["app"]],
    upwardImports: 4,
    upwardImportsAfterMoves: 1,
    moves: [{ file: "base/x.ts", from: "base", to: "app", removes: 3 }],
  },
  files: [{ path: "src/a.ts", lines: 2_000, complexity: 12 }],
  functions: [{ file: "src/a.ts", name: "parse", line: 10, complexity: 42 }],
  sizes: {
    lines: 2_100,
    bytes: 64_000,
    languages: [{ language: "TypeScript", files: 4, lines: 2_100, bytes: 64_000 }],
  },
  duplicates: [
    {
      lines: 30,
      tokens: 200,
      first: { file: "src/a.ts", from: 1, to: 30 },
      second: { file: "src/b.ts", from: 5, to: 34 },
    },
  ],
  duplicatedLines: 30,
  deadExports: [{ file: "src/b.ts", line: 9, name: "unused", isUsedInside: false }],
  secrets: [{ file: ".env", line: 2, kind: "github.GITHUB_TOKEN" }],
  risks: [{ file: "src/a.ts", line: 4, kind: "eval", what: "eval", reason: "runs text as code" }],
  dependencies: [{ name: "zod", version: "4.0.0", licence: "MIT", verdict: "allowed" }],
  riskRanking: { model: "forest", files: [{ path: "src/a.ts", risk: 0.75 }] },
  decision: { verdict: "no-go", reasons: ["1 circle at run time"] },
  summary: { text: "It is small.\n\nLook at:\n- the circle\n- the secret", origin: "rules" },
  kept: { name: "analysis/house", version: 3, sha256: "x" },
  since: {
    version: 2,
    appeared: [{ at: "secrets[.env]", after: { line: 2 } }],
    went: [],
    changed: [{ at: "edges", before: 1, after: 2 }],
  },
  missing: [{ section: "compliance", capability: "compliance", reason: "No swarm offers compliance." }],
  findings: [{ kind: "syntax", file: "src/broken.ts", line: 1, message: "Expression expected." }],
  truncated: { cycles: 5, dependencies: 40 },
};

/** What a reader must find, whatever the form. */
const facts = [
  "Analysis of /code/house",
  "Decision: no-go",
  "1 circle at run time",
  "It is small.",
  "the secret",
  "(summed up by rules)",
  "2 modules, 1,234 imports between modules, 2,100 lines, 64,000 bytes.",
  "7 circles of imports, 1 of them at run time.",
  "src/a.ts → src/b.ts → src/a.ts",
  "src/c.ts → src/d.ts → src/c.ts (types only)",
  "… 5 more",
  "app, cli",
  "Proposed moves, from 4 imports upward to 1",
  "parse",
  "2,000",
  "src/b.ts:5-34",
  "unused",
  "github.GITHUB_TOKEN",
  "runs text as code",
  "41 packages.",
  "0.75",
  "model: forest",
  "Kept as version 3 of analysis/house.",
  "What appeared since version 2",
  "No swarm offers compliance.",
  "Expression expected.",
];

followsInput(reportRenderer, "every fact in every form, and no chapter for what is not there", async (bench) => {
  const full = await bench.run(reportRenderer, { report: whole });
  expect(full).toMatchObject({
    title: "Analysis of /code/house",
    unreadable: [],
    truncated: { cycles: 5, dependencies: 40 },
  });
  const markdown = shownBy(marked.lexer(full.markdown as string));
  const html = readHtml(full.html as string);
  for (const fact of facts) {
    expect(markdown, fact).toContain(fact);
    expect(html.text, fact).toContain(fact);
  }
  const titles = (full.json as unknown as Page).chapters.map(({ title }) => title);
  expect(titles.length).toBe(12);
  expect(html.text).toContain("Packages and their licences, 1 of 41");

  const small = await bench.run(reportRenderer, { report: { path: "/code/hut", modules: 1, cycles: [], missing: [] } });
  expect((small.json as unknown as Page).chapters).toEqual([
    { title: "Structure", blocks: [{ kind: "paragraph", text: "1 module." }] },
    { title: "Import cycles", blocks: [{ kind: "paragraph", text: "None." }] },
  ]);
  return [full, small];
});

/** The text a Markdown reader shows. Fails on what runs, leads elsewhere or is drawn from elsewhere. */
function shownBy(tokens: readonly Token[]): string {
  return tokens
    .map((token): string => {
      if (["html", "link", "image", "code", "codespan", "em", "strong", "del"].includes(token.type)) {
        throw new Error(`${token.type}: ${token.raw}`);
      }
      if (token.type === "table") {
        return [token.header, ...token.rows]
          .map((row: Cell[]) => row.map((cell) => shownBy(cell.tokens)).join("\t"))
          .join("\n");
      }
      if (token.type === "list") return token.items.map((item: Cell) => shownBy(item.tokens)).join("\n");
      return "tokens" in token && token.tokens !== undefined
        ? shownBy(token.tokens)
        : "text" in token
          ? token.text
          : "\n";
    })
    .join("");
}

type Cell = { tokens: Token[] };

/** The elements of a page with their attributes, and its text. */
function readHtml(page: string): { elements: string[]; attributes: string[]; text: string } {
  const elements: string[] = [];
  const attributes: string[] = [];
  const entities: { [name: string]: string } = { lt: "<", gt: ">", amp: "&", quot: '"', "#39": "'" };
  const text = page
    .replace(/<style>.*?<\/style>/s, "")
    .replace(/<\/?([a-z0-9]+)((?:\s[^<>]*)?)>/g, (_, name: string, rest: string) => {
      elements.push(name);
      attributes.push(...[...rest.matchAll(/([a-z-]+)="/g)].map(([, attribute]) => attribute as string));
      return "";
    })
    .replace(/&([a-z]+|#39);/g, (_, name: string) => entities[name] as string);
  return { elements: [...new Set(elements)].sort(), attributes: [...new Set(attributes)].sort(), text };
}

const hostile = [
  '<script>alert("1")</script>',
  '"><img src=x onerror=alert(1)>',
  "`; rm -rf / ;`",
  "a|b\\|c",
  "[x](javascript:alert(1))",
  "![x](//example.org/x.png)",
  "https://example.org/?leak",
  "</style></title><h1>",
  "# heading",
  "&lt;script&gt;",
  "{{constructor}} $& %00",
];

test("hostile names stand in every form as they are, and nothing is made of them", async () => {
  await using bench = await openBench();
  const report: JsonObject = {
    path: hostile[0] as string,
    files: hostile.map((path) => ({ path, lines: 1 })),
    cycles: hostile.map((name) => [name]),
    decision: { verdict: hostile[1] as string, reasons: hostile },
    summary: { text: hostile.join("\n\n"), origin: hostile[2] as string },
    missing: hostile.map((reason) => ({ section: reason, capability: reason, reason })),
    riskRanking: [Object.fromEntries(hostile.map((name) => [name, name]))],
  };
  const { markdown, html } = await bench.run(reportRenderer, { report });
  const text = shownBy(marked.lexer(markdown as string));
  const page = readHtml(html as string);
  for (const name of hostile) {
    expect(text, name).toContain(name);
    expect(page.text, name).toContain(name);
  }
  expect(page.elements).toEqual(
    "body caption div h1 h2 head html li main meta p section table tbody td th thead title tr ul".split(" "),
  );
  expect(page.attributes).toEqual(
    "aria-label aria-labelledby charset class content http-equiv id lang name role scope tabindex".split(" "),
  );
});

test("names with line breaks, terminal codes and turned directions become one plain line", async () => {
  await using bench = await openBench();
  const path = "a\n\n## b\u001b[31m\u202etxt.exe\u0000\uD800";
  const { markdown, html } = await bench.run(reportRenderer, { report: { files: [{ path, lines: 1 }] } });
  for (const form of [markdown, html] as string[]) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    expect(form).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(form.toWellFormed()).toBe(form);
  }
  expect(html).toContain("<td>a ## b [31m txt.exe \uFFFD</td>");
});

test("the page stands alone, can be read by everybody, and forbids what it does not need", async () => {
  await using bench = await openBench();
  const html = (await bench.run(reportRenderer, { report: whole })).html as string;
  expect(html).toMatch(/^<!doctype html>\n<html lang="en">/);
  expect(html).toMatch(/Content-Security-Policy" content="default-src 'none'; style-src 'sha256-[^']+'/);
  expect(html).not.toMatch(/<script|\ssrc=|\shref=|url\(|@import|\son[a-z]+=/i);
  expect(html).toContain("@media (prefers-color-scheme:dark)");
  const number = (pattern: RegExp): number => (html.match(pattern) ?? []).length;
  expect(number(/<h1>/g)).toBe(1);
  expect(number(/<caption>/g)).toBe(number(/<table>/g));
  expect(number(/<th /g)).toBe(number(/<th scope="col">/g));
  for (const [, id] of html.matchAll(/aria-labelledby="([^"]+)"/g)) expect(html).toContain(`id="${id}"`);
});

test("a part that is not what it should be is named, and the rest stands", async () => {
  await using bench = await openBench();
  const result = await bench.run(reportRenderer, {
    report: { ...whole, secrets: "many", cycles: [[1]], truncated: "x" },
  });
  expect(result.unreadable).toEqual([
    { chapter: "What was left out", reason: expect.stringContaining("truncated") },
    { chapter: "Import cycles", reason: expect.stringContaining("cycles.0.0") },
    { chapter: "Security", reason: expect.stringContaining("secrets") },
  ]);
  expect((result.json as unknown as Page).chapters.length).toBe(10);
  const part = await bench.run(reportRenderer, { report: { runtimeCycles: 3 } });
  expect(part.markdown).toContain("3 circles of imports at run time.");
  const empty = await bench.run(reportRenderer, { report: {} });
  expect(empty).toMatchObject({ title: "Analysis of a code base", json: { chapters: [] } });
  await expect(bench.run(reportRenderer, { report: [] })).rejects.toThrow(/report/);
});

test("long lists are cut and counted, and the answer fits into a report however long its names", async () => {
  await using bench = await openBench();
  const files = Array.from({ length: 500 }, (_, index) => ({ path: `src/${index}.ts`, lines: index }));
  const cut = await bench.run(reportRenderer, { report: { files } });
  expect(cut.truncated).toEqual({ files: 400 });
  expect(cut.markdown).toContain("… 400 more");

  const long = '"<&'.repeat(500);
  const huge = {
    files: files.map(() => ({ path: long, lines: 1 })),
    functions: files.map(() => ({ file: long, name: long, line: 1, complexity: 1 })),
    risks: files.map(() => ({ file: long, line: 1, kind: long, what: long, reason: long })),
    dependencies: files.map(() => ({ name: long, version: long, licence: long, verdict: long })),
    findings: files.map(() => ({ kind: long, file: long, message: long })),
    missing: files.map(() => ({ section: long, capability: long, reason: long })),
    cycles: files.map(() => [long, long]),
    summary: { text: long.repeat(100), origin: long },
    riskRanking: { [long.repeat(100)]: [{ [long.repeat(100)]: 1 }] },
  };
  const bounded = await bench.run(reportRenderer, { report: huge });
  expect(JSON.stringify(bounded).length).toBeLessThanOrEqual(900_000);
  expect((bounded.truncated as { files: number }).files).toBeGreaterThan(400);
});
