import { threadAgent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { drawChart, maxSeries } from "../draw-chart.ts";
import { drawGraph } from "../draw-graph.ts";

/** Values of one series: the picture is not wider in points. */
const maxValues = 500;
/** A text of a chart; what is shown of it is shorter. */
const text = z.string().max(1_000);
/** Past these a double cannot tell a value from the next one. */
const value = z.number().min(-1e15).max(1e15).nullable();

/** Draws series and graphs. */
export const chartRenderer = threadAgent({
  name: "chart-renderer",
  capability: "chart_rendering",
  description: "Draws series as a bar or line chart (SVG), and edges as a graph (Mermaid)",
  input: z
    .strictObject({
      kind: z.enum(["bar", "line", "graph"]),
      title: text.default("Chart").describe("What it shows"),
      unit: text.optional().describe("What the values are counted in"),
      labels: z.array(text).max(100_000).optional().describe("One for each value; numbers from 1 unless told"),
      series: z
        .array(z.strictObject({ name: text, values: z.array(value).max(100_000) }))
        .max(1_000)
        .optional()
        .describe("For bar and line: names with their values, null where there is none"),
      edges: z
        .array(z.strictObject({ from: text, to: text, label: text.optional() }))
        .max(100_000)
        .optional()
        .describe("For graph: what leads to what"),
    })
    .superRefine((input, issues) => {
      const needed = input.kind === "graph" ? "edges" : "series";
      if (input[needed] === undefined) {
        issues.addIssue({ code: "custom", path: [needed], message: `a ${input.kind} is drawn from ${needed}` });
      }
    }),
  risk: "low",
  joinable: true,
  module: import.meta.url,
  handle(_ctx, { kind, title, unit, labels, series = [], edges = [] }) {
    const truncated: Truncated = {};
    if (kind === "graph") return { kind, ...drawGraph(edges, truncated), truncated };
    const shown = cutList("series", series, maxSeries, truncated);
    const longest = shown.reduce((most, { values }) => Math.max(most, values.length), labels?.length ?? 0);
    const count = Math.min(longest, maxValues);
    if (longest > count) truncated.values = longest - count;
    const { svg, description, scale } = drawChart({
      kind,
      title,
      unit,
      labels: Array.from({ length: count }, (_, index) => labels?.[index] ?? String(index + 1)),
      series: shown.map(({ name, values }) => ({ name, values: values.slice(0, count) })),
    });
    return { kind, svg, description, scale: { min: scale.min, max: scale.max, ticks: [...scale.ticks] }, truncated };
  },
});
