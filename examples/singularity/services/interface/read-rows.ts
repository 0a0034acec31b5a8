import type { JsonObject, JsonValue } from "viable";
import type { Truncated } from "../../source/cut-list.ts";
import type { Table } from "./table.ts";

/** Columns of one table: past them nobody reads a row. */
const maxColumns = 50;
/** Characters of one cell. A longer text belongs into a document. */
const maxCellChars = 1_000;
/** Characters of a heading. A longer member is no name. */
const maxTitleChars = 200;

/**
 * A table of any JSON objects: a column for each member, in the order they first appear, or the columns that are asked for. What
 * is no text or number is written as JSON; what is absent or null is empty. What does not fit is counted in `truncated`.
 */
export function readRows(
  objects: readonly JsonObject[],
  wanted: readonly string[] | undefined,
  truncated: Truncated,
): Table {
  const all = wanted ?? [...new Set(objects.flatMap((object) => Object.keys(object)))];
  const names = all.slice(0, maxColumns);
  if (all.length > maxColumns) truncated.columns = all.length - maxColumns;
  const rows = objects.map((object) =>
    names.map((name) => toCell(Object.hasOwn(object, name) ? object[name] : undefined, truncated)),
  );
  const columns = names.map(
    (name) => ({ title: shorten(name, maxTitleChars), align: isNumeric(objects, name) ? "right" : "left" }) as const,
  );
  return { columns, rows };
}

function toCell(value: JsonValue | undefined, truncated: Truncated): string {
  const text = value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  if (text.length <= maxCellChars) return text;
  truncated.cells = (truncated.cells ?? 0) + 1;
  return shorten(text, maxCellChars);
}

const shorten = (text: string, maxChars: number): string =>
  text.length <= maxChars ? text : `${text.slice(0, maxChars - 1).toWellFormed()}…`;

function isNumeric(objects: readonly JsonObject[], name: string): boolean {
  const values = objects.map((object) => (Object.hasOwn(object, name) ? object[name] : undefined));
  const known = values.filter((value) => value !== undefined && value !== null);
  return known.length > 0 && known.every((value) => typeof value === "number");
}
