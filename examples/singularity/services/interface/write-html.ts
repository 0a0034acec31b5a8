import { createHash } from "node:crypto";
import { html, raw } from "hono/html";
import type { Block, Chapter, Page } from "./page.ts";
import { toPlainText } from "./plain-text.ts";

const style = `:root{color-scheme:light dark;--text:#1b1b1f;--back:#fff;--line:#c9c9d2;--shade:#f3f3f7}
@media (prefers-color-scheme:dark){:root{--text:#e6e6ea;--back:#17171b;--line:#44444f;--shade:#222229}}
body{margin:0 auto;max-width:70rem;padding:1rem;background:var(--back);color:var(--text);font:1rem/1.5 system-ui,sans-serif}
h1,h2{line-height:1.2;overflow-wrap:anywhere}
p,li{overflow-wrap:anywhere}
div.table{overflow-x:auto}
table{border-collapse:collapse;margin:1rem 0}
caption{text-align:left;font-weight:600;padding-bottom:.25rem}
th,td{border:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top}
th{background:var(--shade)}
.number{text-align:right;font-variant-numeric:tabular-nums}`;
const styleHash = createHash("sha256").update(style).digest("base64");

/**
 * A page as one HTML document that needs nothing else: no scripts, nothing from outside, and a policy that forbids both, so that
 * what slipped through would still do nothing. Every text in it is escaped.
 */
export async function writeHtml({ title, chapters }: Page): Promise<string> {
  const policy = `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'`;
  const page = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${raw(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${toPlainText(title)}</title>
<style>${raw(style)}</style>
</head>
<body>
<main>
<h1>${toPlainText(title)}</h1>
${chapters.map(writeChapter)}</main>
</body>
</html>
`;
  return page.toString();
}

const writeChapter = ({ title, blocks }: Chapter, index: number) =>
  html`<section aria-labelledby="chapter-${index + 1}">
<h2 id="chapter-${index + 1}">${toPlainText(title)}</h2>
${blocks.map(writeBlock)}</section>
`;

function writeBlock(block: Block) {
  switch (block.kind) {
    case "paragraph":
      return html`<p>${toPlainText(block.text)}</p>
`;
    case "list":
      return html`<ul>
${block.entries.map(
  (entry) => html`<li>${toPlainText(entry)}</li>
`,
)}${
  block.more > 0
    ? html`<li>… ${block.more} more</li>
`
    : ""
}</ul>
`;
    case "table":
      return writeTable(block);
  }
}

function writeTable({ caption, columns, rows, more }: Extract<Block, { kind: "table" }>) {
  const heads = columns.map(({ title }) => html`<th scope="col">${toPlainText(title)}</th>`);
  const lines = rows.map(
    (row) => html`<tr>${columns.map(({ align }, index) => {
      const text = toPlainText(row[index] ?? "");
      return align === "right" ? html`<td class="number">${text}</td>` : html`<td>${text}</td>`;
    })}</tr>
`,
  );
  const rest = more > 0 ? `, ${rows.length} of ${rows.length + more}` : "";
  // A wide table is scrolled by itself, by the keyboard too.
  return html`<div class="table" role="group" tabindex="0" aria-label="${toPlainText(caption)}">
<table>
<caption>${toPlainText(caption)}${rest}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${lines}</tbody>
</table>
</div>
`;
}
