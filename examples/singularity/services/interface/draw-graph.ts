import type { Truncated } from "../../source/cut-list.ts";
import { toPlainText } from "./plain-text.ts";

export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly label?: string | undefined;
}

/** Mermaid draws no more edges, and reads no longer text, unless its page says otherwise. */
const maxEdges = 500;
const maxChars = 50_000;
/** A longer name makes a box wider than a page. */
const maxNameChars = 60;

export interface DrawnGraph {
  readonly mermaid: string;
  readonly nodes: number;
  readonly edges: number;
}

/** Edges as a Mermaid flow chart, left to right. Equal names are one node, equal edges one edge. */
export function drawGraph(edges: readonly Edge[], truncated: Truncated): DrawnGraph {
  const lines: string[] = ["graph LR"];
  const ids = new Map<string, string>();
  const idOf = (name: string): string => {
    const known = ids.get(name);
    if (known !== undefined) return known;
    const id = `n${ids.size}`;
    ids.set(name, id);
    lines.push(`  ${id}["${quote(name)}"]`);
    return id;
  };
  const distinct = new Map(edges.map((edge) => [JSON.stringify([edge.from, edge.to, edge.label]), edge]));
  let drawn = 0;
  let chars = 0;
  for (const { from, to, label } of distinct.values()) {
    // Two names, a label, and what stands around them.
    chars += [from, to, label ?? ""].reduce((sum, name) => sum + quote(name).length + 20, 0);
    if (drawn === maxEdges || chars > maxChars) break;
    const [start, end] = [idOf(from), idOf(to)];
    lines.push(
      label === undefined || label === "" ? `  ${start} --> ${end}` : `  ${start} -->|"${quote(label)}"| ${end}`,
    );
    drawn++;
  }
  if (drawn < distinct.size) truncated.edges = distinct.size - drawn;
  return { mermaid: `${lines.join("\n")}\n`, nodes: ids.size, edges: drawn };
}

/** A name in Mermaid's quotes, where only its own entities stand for what it or a browser would read as more than text. */
const quote = (name: string): string =>
  // An empty label is an error to Mermaid.
  (toPlainText(name, maxNameChars) || " ").replace(
    /[^\p{L}\p{N} ./_:,+()@-]/gu,
    (character) => `#${character.codePointAt(0)};`,
  );
