/**
 * Tables of objects: held against what a Markdown reader (marked) makes of them, against RFC 4180 by a reader written here, and
 * against cells that want to be a formula, markup or a terminal command.
 */
import { marked, type Token, type Tokens } from "marked";
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { openBench } from "../../../testing/run-agent.ts";
import { tableRenderer } from "./table-renderer.ts";

followsInput(tableRenderer, "each row, each member, in three forms", async (bench) => {
  const files = await bench.run(tableRenderer, {
    rows: [
      { path: "src/a.ts", lines: 5 },
      { path: "b.ts", lines: 120, tags: ["x", 1] },
    ],
  });
  expect(files).toEqual({
    columns: ["path", "lines", "tags"],
    count: 2,
    markdown: '| path | lines | tags |\n| --- | ---: | --- |\n| src/a.ts | 5 |  |\n| b.ts | 120 | \\["x",1\\] |\n',
    csv: 'path,lines,tags\r\nsrc/a.ts,5,\r\nb.ts,120,"[""x"",1]"\r\n',
    text: 'path      lines  tags\n--------  -----  -------\nsrc/a.ts      5\nb.ts        120  ["x",1]\n',
    guarded: 0,
    shortened: 0,
    truncated: {},
  });
  const people = await bench.run(tableRenderer, {
    rows: [
      { name: "Ada", born: 1815 },
      { name: null, born: 1912, on: true },
    ],
    columns: ["born", "on", "none"],
    format: "csv",
  });
  expect(people).toEqual({
    columns: ["born", "on", "none"],
    count: 2,
    csv: "born,on,none\r\n1815,,\r\n1912,true,\r\n",
    guarded: 0,
    truncated: {},
  });
  return [files, people];
});

/** Names a file or a person may have, each meant to be something else to one of the readers. */
const hostile = [
  "<script>alert(1)</script>",
  "a | b",
  "back\\slash | and pipe\\",
  "`code` **bold** _it_ ~~no~~",
  "[link](javascript:alert(1))",
  "![img](http://example.org/x.png)",
  "http://example.org www.example.org _www.example.org a@example.org",
  "&lt;b&gt; &amp; &#124;",
  "# heading",
  "- list",
  "1. one",
  "$x^2$",
];

test("a Markdown reader shows hostile cells as they are, and makes nothing of them", async () => {
  await using bench = await openBench();
  const { markdown } = await bench.run(tableRenderer, { rows: hostile.map((name) => ({ name, [name]: 1 })) });
  const tokens = marked.lexer(markdown as string);
  expect(tokens.map(({ type }) => type)).toEqual(["table"]);
  const table = tokens[0] as Tokens.Table;
  expect(table.rows.map((row) => textOf(row[0]?.tokens ?? []))).toEqual(hostile);
  expect(table.header.slice(1).map(({ tokens }) => textOf(tokens))).toEqual(hostile);
});

/** The text a reader shows; fails on anything but text. */
function textOf(tokens: readonly Token[]): string {
  return tokens
    .map((token) => {
      if (token.type !== "text" && token.type !== "escape") throw new Error(`${token.type}: ${token.raw}`);
      return token.text as string;
    })
    .join("");
}

test("CSV is read back as it was, and what begins like a formula is text", async () => {
  await using bench = await openBench();
  const cells = ['a "quoted" one', "two\r\nlines", "comma, here", "'apostrophe", "", "end\\"];
  const plain = await bench.run(tableRenderer, { rows: cells.map((cell) => ({ cell })), format: "csv" });
  expect(readCsv(plain.csv as string)).toEqual([["cell"], ...cells.map((cell) => [cell])]);
  const formulas = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1"];
  const result = await bench.run(tableRenderer, { rows: formulas.map((cell) => ({ "=x": cell })), format: "csv" });
  expect(result.guarded).toBe(7);
  for (const [cell] of readCsv(result.csv as string)) expect(cell?.startsWith("'")).toBe(true);
  // Numbers are no formulas, whether they came as numbers or as text.
  const numbers = await bench.run(tableRenderer, { rows: [{ n: -5 }, { n: "-5.5e3" }, { n: "+7" }], format: "csv" });
  expect(numbers).toMatchObject({ csv: "n\r\n-5\r\n-5.5e3\r\n+7\r\n", guarded: 0 });
});

/** RFC 4180, read character by character. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = "";
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text.charAt(at + 1) === '"') cell += text.charAt(++at);
      else isQuoted = false;
    } else if (character === '"') isQuoted = true;
    else if (character === ",") {
      row.push(cell);
      cell = "";
    } else if (character === "\r" && text.charAt(at + 1) === "\n") {
      at++;
      rows.push([...row, cell]);
      row = [];
      cell = "";
    } else cell += character;
  }
  return rows;
}

test("columns stand under each other whatever their characters, and a terminal is given nothing to obey", async () => {
  await using bench = await openBench();
  const { text } = await bench.run(tableRenderer, {
    rows: [
      { name: "漢字", n: 1 },
      { name: "e\u0301a", n: 22 },
      { name: "\u001b[31mred\u0007", n: 3 },
      { name: "👩‍👩‍👧", n: 4 },
    ],
    format: "text",
  });
  expect(text).toBe(
    ["name       n", "--------  --", "漢字       1", "e\u0301a        22", "[31mred    3", "👩 👩 👧   4", ""].join(
      "\n",
    ),
  );
  // Marks that several scripts share, half-width forms, enclosed characters, and a sign that a selector makes a picture.
  const wide = ["サーバー", "カ・ナ", "㈱", "ㄅ", "ꀀ", "❤\uFE0F"];
  const narrow = ["ｶﾅ", "ｶﾞ", "“x”"];
  const rows = [...wide, ...narrow].map((name) => ({ name, end: "|" }));
  const lines = ((await bench.run(tableRenderer, { rows, format: "text" })).text as string).split("\n").slice(2, -1);
  expect(lines).toEqual([
    "サーバー  |",
    "カ・ナ    |",
    "㈱        |",
    "ㄅ        |",
    "ꀀ        |",
    "❤\uFE0F        |",
    "ｶﾅ        |",
    "ｶﾞ        |",
    "“x”       |",
  ]);
});

test("what is too much is cut and counted", async () => {
  await using bench = await openBench();
  const wide = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`c${index}`, index]));
  const result = await bench.run(tableRenderer, {
    rows: [wide, { c0: "x".repeat(1_500) }, ...Array.from({ length: 5_100 }, () => ({ c0: 1 }))],
    format: "text",
  });
  expect(result).toMatchObject({ count: 5_102, shortened: 1, truncated: { rows: 102, columns: 10, cells: 1 } });
  const large = await bench.run(tableRenderer, {
    rows: Array.from({ length: 4_000 }, () => ({ text: "y".repeat(900) })),
    format: "csv",
  });
  expect(large).toMatchObject({ count: 4_000, truncated: { rows: 4_000 - 2_500 } });
  expect(readCsv(large.csv as string).length).toBe(2_501);
  const limit = 4 * 1024 * 1024;
  for (const cell of ['"', "\\", "\u0001"]) {
    const rows = Array.from({ length: 1_000 }, () => ({ [cell]: cell.repeat(1_000) }));
    const answer = await bench.run(tableRenderer, { rows });
    expect(JSON.stringify(answer).length).toBeLessThan(limit);
    expect((answer.truncated as { rows: number }).rows).toBeGreaterThan(0);
  }
  const heading = "k".repeat(1_500_000);
  const headed = await bench.run(tableRenderer, { rows: [{ [heading]: "x" }] });
  expect(headed.columns).toEqual([`${"k".repeat(199)}…`]);
  expect(headed.csv).toContain("\r\nx\r\n");
  expect(JSON.stringify(headed).length).toBeLessThan(limit);
});

test("no rows, rows of nothing, members that every object has, and what are no rows", async () => {
  await using bench = await openBench();
  expect(await bench.run(tableRenderer, { rows: [] })).toMatchObject({
    columns: [],
    count: 0,
    csv: "",
    markdown: "",
    text: "",
  });
  const odd = JSON.parse('[{"__proto__":1,"constructor":2}]') as JsonObject[];
  expect(
    await bench.run(tableRenderer, { rows: odd, columns: ["constructor", "toString"], format: "csv" }),
  ).toMatchObject({
    csv: "constructor,toString\r\n2,\r\n",
  });
  await expect(bench.run(tableRenderer, { rows: ["x"] })).rejects.toThrow(/rows/);
});
