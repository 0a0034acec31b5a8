import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import { toPlainText } from "./plain-text.ts";
import type { Scale } from "./scale.ts";
import { chooseScale } from "./scale.ts";

export interface Series {
  readonly name: string;
  /** One for each label; null where there is none. */
  readonly values: readonly (number | null)[];
}

export interface Chart {
  readonly kind: "bar" | "line";
  readonly title: string;
  readonly unit: string | undefined;
  readonly labels: readonly string[];
  readonly series: readonly Series[];
}

export interface DrawnChart {
  readonly svg: string;
  /** The chart in words, as it is read to those who do not see it. */
  readonly description: string;
  readonly scale: Scale;
}

/** In units of the picture, which is scaled to where it is shown. */
const width = 720;
const height = 400;
const plot = { left: 72, right: 704, top: 48, bottom: 320 };
/** Labels under the axis: more would run into each other. */
const maxLabels = 12;
const maxLabelChars = 12;
const maxNameChars = 24;
const maxTitleChars = 80;
/** What is told of one value where it is pointed at: there may be thousands of them, and the picture is one answer. */
const maxToldChars = 40;
/** Numbers at the axis: longer ones are squeezed into the room beside it. */
const maxTickChars = 9;
const tickRoom = 62;
/** Told apart by people who see colours differently as well (after Okabe and Ito), on a light and on a dark ground. */
const colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#a08000"];
/** Lines are told apart by their dashes too. */
const dashes = ["", "6 3", "2 3", "8 3 2 3", "12 4", "4 2 1 2", "1 2", "10 2 2 2"];
/** Only for what is in the picture: put into a page it must leave the page as it is. */
const style = `.chart text{font:12px system-ui,sans-serif;fill:#1b1b1f}.chart .title{font-size:16px;font-weight:600}.chart .grid{stroke:#d5d5dc}.chart .zero{stroke:#55555f}
@media(prefers-color-scheme:dark){.chart text{fill:#e6e6ea}.chart .grid{stroke:#3a3a44}.chart .zero{stroke:#a5a5af}}`;

export const maxSeries = colours.length;

/** Draws a bar or a line chart as an SVG that needs nothing else, with a title and a description in it. */
export function drawChart(chart: Chart): DrawnChart {
  const values = chart.series.flatMap((series) => series.values.filter((value) => value !== null));
  const scale = chooseScale(values, chart.kind === "bar");
  const description = describe(chart);
  const marks = chart.series.map((series, index) =>
    chart.kind === "bar" ? drawBars(chart, series, index, scale) : drawLine(chart, series, index, scale),
  );
  // Two charts in one page must not have one name.
  const id = `chart-${createHash("sha256").update(JSON.stringify(chart)).digest("hex").slice(0, 12)}`;
  const svg = html`<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-description">
<title id="${id}-title">${toPlainText(chart.title)}</title>
<desc id="${id}-description">${description}</desc>
<style>${raw(style)}</style>
<text class="title" x="${plot.left}" y="24">${toPlainText(chart.title, maxTitleChars)}</text>
${drawAxis(scale, chart.unit)}${marks}${drawLabels(chart.labels)}${drawLegend(chart)}</svg>
`;
  return { svg: svg.toString(), description, scale };
}

const yOf = (value: number, { min, max }: Scale): number =>
  fixed(plot.bottom - ((value - min) / (max - min)) * (plot.bottom - plot.top));

/** The middle of the place of a label. */
const xOf = (index: number, labels: number): number =>
  fixed(plot.left + ((index + 0.5) / Math.max(1, labels)) * (plot.right - plot.left));

/** A hundredth of a unit is less than anybody sees. */
const fixed = (value: number): number => Math.round(value * 100) / 100;

function drawAxis(scale: Scale, unit: string | undefined) {
  const lines = scale.ticks.map((tick) => {
    const y = yOf(tick, scale);
    const told = writeTick(tick, scale);
    const squeezed = told.length > maxTickChars ? raw(` textLength="${tickRoom}" lengthAdjust="spacingAndGlyphs"`) : "";
    return html`<line class="${tick === 0 ? "zero" : "grid"}" x1="${plot.left}" x2="${plot.right}" y1="${y}" y2="${y}"/>
<text x="${plot.left - 8}" y="${y + 4}" text-anchor="end"${squeezed}>${told}</text>
`;
  });
  return html`${lines}${
    unit === undefined
      ? ""
      : html`<text x="${plot.left - 8}" y="${plot.top - 8}" text-anchor="end">${toPlainText(unit, maxLabelChars)}</text>
`
  }`;
}

function drawBars({ labels, series: all, unit }: Chart, { name, values }: Series, index: number, scale: Scale) {
  const place = (plot.right - plot.left) / Math.max(1, labels.length);
  // A fifth of the place is left between the groups.
  const barWidth = fixed((place * 0.8) / all.length);
  const zero = yOf(0, scale);
  return values.map((value, at) => {
    if (value === null) return "";
    const y = yOf(value, scale);
    const x = fixed(xOf(at, labels.length) - (barWidth * all.length) / 2 + barWidth * index);
    return html`<rect x="${x}" y="${Math.min(y, zero)}" width="${barWidth}" height="${fixed(Math.abs(y - zero))}" fill="${colours[index]}"><title>${tell(name, labels[at], value, unit)}</title></rect>
`;
  });
}

function drawLine({ labels, unit }: Chart, { name, values }: Series, index: number, scale: Scale) {
  const points = values.map((value, at) =>
    value === null ? undefined : { x: xOf(at, labels.length), y: yOf(value, scale), value, at },
  );
  let path = "";
  // Where a value is missing the line is broken, not drawn across.
  for (const [at, point] of points.entries()) {
    if (point !== undefined) path += `${points[at - 1] === undefined ? "M" : "L"}${point.x} ${point.y}`;
  }
  const dots = points
    .filter((point) => point !== undefined)
    .map(
      ({
        x,
        y,
        value,
        at,
      }) => html`<circle cx="${x}" cy="${y}" r="3" fill="${colours[index]}"><title>${tell(name, labels[at], value, unit)}</title></circle>
`,
    );
  return html`<path d="${path}" fill="none" stroke="${colours[index]}" stroke-width="2" stroke-dasharray="${dashes[index]}"/>
${dots}`;
}

/** Every label, or every second, third … where all would not fit. */
function drawLabels(labels: readonly string[]) {
  const every = Math.ceil(labels.length / maxLabels);
  return labels.map((label, index) =>
    index % every === 0
      ? html`<text x="${xOf(index, labels.length)}" y="${plot.bottom + 18}" text-anchor="middle">${toPlainText(label, maxLabelChars)}</text>
`
      : "",
  );
}

function drawLegend({ kind, series }: Chart) {
  // One name needs no telling apart.
  if (series.length < 2) return "";
  return series.map(({ name }, index) => {
    const x = plot.left + (index % 4) * 160;
    const y = plot.bottom + 42 + Math.floor(index / 4) * 20;
    const key =
      kind === "bar"
        ? html`<rect x="${x}" y="${y - 9}" width="18" height="10" fill="${colours[index]}"/>`
        : html`<path d="M${x} ${y - 4}L${x + 18} ${y - 4}" stroke="${colours[index]}" stroke-width="2" stroke-dasharray="${dashes[index]}"/>`;
    return html`${key}<text x="${x + 24}" y="${y}">${toPlainText(name, maxNameChars)}</text>
`;
  });
}

function describe({ kind, labels, series, unit }: Chart): string {
  const told = series.map(({ name, values }) => {
    const known = values.flatMap((value, at) =>
      value === null ? [] : [{ value, label: toPlainText(labels[at] ?? "") }],
    );
    const [first] = known;
    if (first === undefined) return `${toPlainText(name)}: no values`;
    const least = known.reduce((a, b) => (b.value < a.value ? b : a), first);
    const most = known.reduce((a, b) => (b.value > a.value ? b : a), first);
    const of = ({ value, label }: typeof first): string =>
      `${write(value)}${unit === undefined ? "" : ` ${toPlainText(unit)}`} (${label})`;
    return known.length === 1
      ? `${toPlainText(name)}: ${of(first)}`
      : `${toPlainText(name)}: ${known.length} values, from ${of(least)} to ${of(most)}`;
  });
  return `${kind === "bar" ? "Bar" : "Line"} chart. ${told.length === 0 ? "No values" : told.join("; ")}.`;
}

function tell(name: string, label: string | undefined, value: number, unit: string | undefined): string {
  const of = toPlainText(`${toPlainText(name, maxToldChars)}, ${toPlainText(label ?? "", maxToldChars)}`);
  return `${of}: ${write(value)}${unit === undefined ? "" : ` ${toPlainText(unit, maxNameChars)}`}`;
}

/** A double is right in fifteen digits; what comes after them is what 0.1 + 0.2 has more than 0.3. */
const exactDigits = 15;
const plainNumbers = new Intl.NumberFormat("en-US", { maximumSignificantDigits: exactDigits });
const writePower = (value: number, maximumSignificantDigits: number): string =>
  new Intl.NumberFormat("en-US", { notation: "scientific", maximumSignificantDigits }).format(value);
const isTiny = (size: number): boolean => size !== 0 && size < 1e-4;

/** A value as it is: whoever reads "1,234,570 lines" of 1,234,567 is told what nobody counted. */
function write(value: number): string {
  return isTiny(Math.abs(value)) ? writePower(value, exactDigits) : plainNumbers.format(value + 0);
}

/** A number at the axis, short, but never as another one at it. */
function writeTick(value: number, { min, max, power }: Scale): string {
  const size = Math.abs(value);
  if (!isTiny(size) && size < 1e9) return plainNumbers.format(value);
  const digits = Math.floor(Math.log10(Math.max(Math.abs(min), Math.abs(max)))) - power + 1;
  return writePower(value, Math.max(1, Math.min(exactDigits + 2, digits)));
}
