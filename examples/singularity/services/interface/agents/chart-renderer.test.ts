/**
 * Charts, measured: lengths of bars and heights of points are in the ratio of their values, below zero goes down, and what is
 * missing is not drawn. Names do nothing. Graphs name each node once.
 */
import type { JsonObject } from "viable";
import { expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { chartRenderer } from "./chart-renderer.ts";

/** The numbers of each element of this name, and its title. */
function measure(svg: unknown, element: string): { [attribute: string]: number }[] {
  return [...(svg as string).matchAll(new RegExp(`<${element} ([^>]*)>`, "g"))].map(([, attributes = ""]) =>
    Object.fromEntries(
      [...attributes.matchAll(/([a-z0-9]+)="(-?[\d.]+)"/g)].map(([, name, value]) => [name, Number(value)]),
    ),
  );
}

const draw = async (bench: AgentBench, kind: string, values: (number | null)[], more = {}): Promise<JsonObject> =>
  await bench.run(chartRenderer, { kind, series: [{ name: "s", values }], ...more });

followsInput(chartRenderer, "bars are as long as their values, and other values give other bars", async (bench) => {
  const first = await draw(bench, "bar", [10, 20, 40], { title: "Lines", labels: ["a", "b", "c"], unit: "lines" });
  const bars = measure(first.svg, "rect");
  expect(bars.length).toBe(3);
  const [a, b, c] = bars.map(({ height }) => height as number) as [number, number, number];
  expect(b / a).toBeCloseTo(2, 2);
  expect(c / a).toBeCloseTo(4, 2);
  expect(first).toMatchObject({
    description: "Bar chart. s: 3 values, from 10 lines (a) to 40 lines (c).",
    scale: { min: 0, max: 40, ticks: [0, 10, 20, 30, 40] },
    truncated: {},
  });
  expect(first.svg).toContain("<title>s, b: 20 lines</title>");

  const second = await draw(bench, "bar", [5, -10]);
  const [up, down] = measure(second.svg, "rect") as [{ y: number; height: number }, { y: number; height: number }];
  expect(second.scale).toEqual({ min: -10, max: 5, ticks: [-10, -5, 0, 5] });
  expect(down.height / up.height).toBeCloseTo(2, 2);
  // Both end at the line of zero: one from above, the other from below.
  expect(up.y + up.height).toBeCloseTo(down.y, 1);
  return [first, second];
});

test("points stand where their values are, and a missing one breaks the line", async () => {
  await using bench = await openBench();
  const { svg, scale } = await draw(bench, "line", [100, 110, null, 120, 105]);
  expect(scale).toEqual({ min: 100, max: 120, ticks: [100, 105, 110, 115, 120] });
  const heights = measure(svg, "circle").map(({ cy }) => 320 - (cy as number));
  expect(heights).toEqual([0, 136, 272, 68]);
  const [path] = [...(svg as string).matchAll(/ d="([^"]*)"/g)].map(([, d]) => d as string);
  expect(path?.match(/[ML]/g)?.join("")).toBe("MLML");
});

test.for([
  ["nothing", "bar", [], { min: 0, max: 1 }],
  ["only missing values", "line", [null, null], { min: 0, max: 1 }],
  ["zeros", "bar", [0, 0], { min: 0, max: 1 }],
  ["one zero as a line", "line", [0], { min: -1, max: 1 }],
  ["one value", "bar", [7], { min: 0, max: 8 }],
  ["one value as a line", "line", [8], { min: 4, max: 12 }],
  ["equal negative values", "line", [-3, -3], { min: -5, max: -1 }],
  ["only negative values", "bar", [-1, -3], { min: -3, max: 0 }],
  ["the smallest", "line", [1e-9, 3e-9], { min: 1e-9, max: 3e-9 }],
  ["the largest", "bar", [1e15, -1e15], { min: -1e15, max: 1e15 }],
  ["neighbours of thirteen digits", "line", [1_763_000_000_200, 1_763_000_000_203], { min: 1_763_000_000_200 }],
  ["neighbours that a double hardly tells apart", "line", [999_999_999_999_999, 1e15], { min: 5e14, max: 1.5e15 }],
  ["what is next to nothing", "bar", [0, 5e-324], { min: 0, max: 1 }],
] as const)("a scale for %s", async ([, kind, values, expected]) => {
  await using bench = await openBench();
  const { svg, scale } = await draw(bench, kind, [...values]);
  expect(scale).toMatchObject(expected);
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  for (const { cy = 48 } of measure(svg, "circle")) {
    expect(cy).toBeGreaterThanOrEqual(48);
    expect(cy).toBeLessThanOrEqual(320);
  }
  for (const { y = 48, height = 0 } of measure(svg, "rect")) {
    expect(y).toBeGreaterThanOrEqual(48);
    expect(y + height).toBeLessThanOrEqual(320.01);
  }
});

test("numbers are told as they are, and no two marks of the axis look the same", async () => {
  await using bench = await openBench();
  const counted = await draw(bench, "bar", [1_234_567, 1_234_567_890, -0], { unit: "lines" });
  expect(counted.description).toBe("Bar chart. s: 3 values, from 0 lines (3) to 1,234,567,890 lines (2).");
  expect(counted.svg).toContain("<title>s, 1: 1,234,567 lines</title>");
  const sum = await draw(bench, "bar", [0.1 + 0.2, 1e-7]);
  expect(sum.description).toBe("Bar chart. s: 2 values, from 1E-7 (2) to 0.3 (1).");
  for (const values of [
    [100_000.1, 100_000.2],
    [1_763_000_000_200, 1_763_000_001_203],
    [-2e9, 5e9],
    [1e-9, 1.1e-9],
  ]) {
    const { svg, scale } = await draw(bench, "line", values);
    const marks = [...(svg as string).matchAll(/text-anchor="end"[^>]*>([^<]+)</g)].map(([, mark]) => mark);
    expect(new Set(marks).size).toBe((scale as { ticks: number[] }).ticks.length);
  }
});

test("several series stand side by side, each with its colour and name", async () => {
  await using bench = await openBench();
  const { svg } = await bench.run(chartRenderer, {
    kind: "bar",
    labels: ["x", "y"],
    series: [
      { name: "one", values: [1, 2] },
      { name: "two", values: [3] },
    ],
  });
  const bars = measure(svg, "rect").filter(({ height }) => height !== 10);
  expect(bars.length).toBe(3);
  const [x1, , x3] = bars as [{ x: number; width: number }, unknown, { x: number }];
  expect(x1.x + x1.width).toBeCloseTo(x3.x, 1);
  expect(new Set((svg as string).match(/fill="#[0-9a-f]{6}"/g)).size).toBe(2);
  expect(svg).toContain(">one</text>");
});

const hostile = `</title><script>alert(1)</script>"'&\u0000\u202e\uFFFF]]>`;

test("the picture stands alone and is described, and names in it are text", async () => {
  await using bench = await openBench();
  const { svg } = await bench.run(chartRenderer, {
    kind: "line",
    title: hostile,
    unit: hostile,
    labels: [hostile],
    series: [
      { name: hostile, values: [1] },
      { name: "b", values: [2] },
    ],
  });
  const [, title, description] = /^<svg [^>]*role="img" aria-labelledby="(\S+) (\S+)">/.exec(svg as string) ?? [];
  expect(svg).toContain(`<title id="${title}">&lt;/title&gt;&lt;script&gt;`);
  expect(svg).toContain(`<desc id="${description}">Line chart.`);
  expect((await draw(bench, "line", [1])).svg).not.toContain(title);
  expect(svg).not.toMatch(/<script|href|\son[a-z]+=|url\(/i);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they may not stand in XML
  expect(svg).not.toMatch(/[\u0000-\u0008\u202e\uFFFE\uFFFF]/);
  // Every element that is opened is closed, in order.
  const open: string[] = [];
  for (const [, close, name, self] of (svg as string).matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close === "/") expect(open.pop()).toBe(name);
    else if (self !== "/") open.push(name as string);
  }
  expect(open).toEqual([]);
});

test("what is too much is cut and counted", async () => {
  await using bench = await openBench();
  const series = Array.from({ length: 10 }, (_, index) => ({ name: `s${index}`, values: Array(600).fill(index) }));
  const result = await bench.run(chartRenderer, { kind: "line", series });
  expect(result.truncated).toEqual({ series: 2, values: 100 });
  expect(measure(result.svg, "circle").length).toBe(8 * 500);
  expect(JSON.stringify(result).length).toBeLessThan(1_000_000);
  const longName = '"'.repeat(1_000);
  const full = Array.from({ length: 8 }, () => ({ name: longName, values: Array(500).fill(1) }));
  const named = { kind: "line", series: full, labels: Array(500).fill(longName), unit: longName, title: longName };
  expect(JSON.stringify(await bench.run(chartRenderer, named)).length).toBeLessThan(4 * 1024 * 1024);
  const edges = Array.from({ length: 700 }, (_, index) => ({ from: `a${index}`, to: "b" }));
  expect(await bench.run(chartRenderer, { kind: "graph", edges })).toMatchObject({
    edges: 500,
    truncated: { edges: 200 },
  });
  const long = edges.map(({ from }) => ({ from: `${from}${"<".repeat(59)}`, to: "b" }));
  const { mermaid, truncated } = await bench.run(chartRenderer, { kind: "graph", edges: long });
  expect((mermaid as string).length).toBeLessThanOrEqual(50_000);
  expect((truncated as { edges: number }).edges).toBeGreaterThan(200);
});

test("edges as a graph: each name one node, each edge once, names as text", async () => {
  await using bench = await openBench();
  const edges = [
    { from: "src/a.ts", to: "src/b.ts" },
    { from: "src/b.ts", to: "src/a.ts", label: "types only" },
    { from: "src/a.ts", to: "src/b.ts" },
    { from: 'x"]; click n0 "javascript:alert(1)"\n%%{init}', to: "" },
  ];
  expect(await bench.run(chartRenderer, { kind: "graph", edges })).toEqual({
    kind: "graph",
    nodes: 4,
    edges: 3,
    truncated: {},
    mermaid: [
      "graph LR",
      '  n0["src/a.ts"]',
      '  n1["src/b.ts"]',
      "  n0 --> n1",
      '  n1 -->|"types only"| n0',
      '  n2["x#34;#93;#59; click n0 #34;javascript:alert(1)#34; #37;#37;#123;init#125;"]',
      '  n3[" "]',
      "  n2 --> n3",
      "",
    ].join("\n"),
  });
  expect(await bench.run(chartRenderer, { kind: "graph", edges: [] })).toMatchObject({
    mermaid: "graph LR\n",
    nodes: 0,
  });
});

test("a chart without series, a graph without edges and values that are none are refused", async () => {
  await using bench = await openBench();
  await expect(bench.run(chartRenderer, { kind: "bar" })).rejects.toThrow(/drawn from series/);
  await expect(bench.run(chartRenderer, { kind: "graph", series: [] })).rejects.toThrow(/drawn from edges/);
  await expect(draw(bench, "pie", [1])).rejects.toThrow(/kind/);
  await expect(draw(bench, "bar", [1e300])).rejects.toThrow(/values/);
});
