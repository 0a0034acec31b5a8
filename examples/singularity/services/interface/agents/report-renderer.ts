import type { JsonObject } from "viable";
import { threadAgent } from "viable";
import { z } from "zod";
import { readReport } from "../read-report.ts";
import { writeHtml } from "../write-html.ts";
import { writeMarkdown } from "../write-markdown.ts";

/** Entries shown of each list at most: a page that lists more is not read. */
const maxEntries = 100;
/** The whole answer as JSON. The report that holds it has room for a mebibyte. */
const maxAnswerChars = 900_000;

/** Makes a report readable. */
export const reportRenderer = threadAgent({
  name: "report-renderer",
  capability: "report_rendering",
  description: "A report of an analysis as Markdown, as one HTML page, and as the chapters both are made of",
  input: z.strictObject({
    report: z.record(z.string(), z.unknown()).describe("The report as analyze answers it; what is absent is left out"),
  }),
  risk: "low",
  joinable: true,
  module: import.meta.url,
  async handle(_ctx, { report }) {
    for (let entries = maxEntries; ; entries = Math.floor(entries / 2)) {
      // Arguments are JSON already; to check each value for it again would only take time.
      const { page, unreadable, truncated } = readReport(report as JsonObject, entries);
      const answer = {
        title: page.title,
        markdown: writeMarkdown(page),
        html: await writeHtml(page),
        json: page,
        unreadable,
        truncated,
      };
      if (entries === 1 || JSON.stringify(answer).length <= maxAnswerChars) return answer;
    }
  },
});
