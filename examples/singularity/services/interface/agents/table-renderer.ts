import type { JsonObject } from "viable";
import { threadAgent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { readRows } from "../read-rows.ts";
import type { Table } from "../table.ts";
import { writeCsv } from "../write-csv.ts";
import { writeMarkdownTable } from "../write-markdown-table.ts";
import { writeTextTable } from "../write-text-table.ts";

/** Rows of one table: more are data for a program, not a table for a reader. */
const maxRows = 5_000;
/** The whole answer as JSON: a result holds four mebibytes. Where it is longer, all forms show fewer rows. */
const maxAnswerChars = 3 * 1024 * 1024;

const formats = ["all", "markdown", "csv", "text"] as const;

/** Makes a table of objects. */
export const tableRenderer = threadAgent({
  name: "table-renderer",
  capability: "table_rendering",
  description: "Rows of JSON objects as a table in Markdown, CSV or plain text",
  input: z.strictObject({
    rows: z.array(z.record(z.string(), z.unknown())).describe("The objects, one for each row"),
    columns: z.array(z.string().min(1).max(200)).min(1).optional().describe("Only these members, in this order"),
    format: z.enum(formats).default("all").describe("One form, or all three"),
  }),
  risk: "low",
  joinable: true,
  module: import.meta.url,
  handle(_ctx, { rows, columns, format }) {
    // Arguments are JSON already; to check each value for it again would only take time.
    const objects = rows as JsonObject[];
    for (let limit = maxRows; ; limit = Math.floor(limit / 2)) {
      const truncated: Truncated = {};
      const table = readRows(cutList("rows", objects, limit, truncated), columns, truncated);
      const columnNames = table.columns.map(({ title }) => title);
      const answer = { columns: columnNames, count: rows.length, ...writeForms(table, format), truncated };
      // As JSON, where quotes and backslashes of a cell are twice as long again.
      if (limit === 1 || JSON.stringify(answer).length <= maxAnswerChars) return answer;
    }
  },
});

type Forms = { markdown?: string; csv?: string; guarded?: number; text?: string; shortened?: number };

function writeForms(table: Table, format: (typeof formats)[number]): Forms {
  const wants = (form: typeof format): boolean => format === form || format === "all";
  const forms: Forms = {};
  if (wants("markdown")) forms.markdown = writeMarkdownTable(table);
  if (wants("csv")) {
    const { text, guarded } = writeCsv(table);
    Object.assign(forms, { csv: text, guarded });
  }
  if (wants("text")) {
    const { text, cut } = writeTextTable(table);
    Object.assign(forms, { text, shortened: cut });
  }
  return forms;
}
