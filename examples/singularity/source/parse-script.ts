/** Parsing TypeScript and JavaScript. TypeScript 7 has no compiler API, so the last 6 is installed beside it under another name. */
import { createRequire } from "node:module";
import type ts from "typescript-api";
import type { Finding } from "./finding.ts";

export type TypeScript = typeof ts;

/**
 * Loads the parser. On first use and not at start: it takes a quarter of a second and eighty megabytes. By `require`, since an
 * import would first read its nine megabytes only to find out that they are CommonJS.
 */
export function loadTypeScript(): TypeScript {
  return createRequire(import.meta.url)("typescript-api") as TypeScript;
}

/** Findings of one file: after the first, most follow from it. */
const maxSyntaxFindings = 5;

export type ParsedScript = { readonly source: ts.SourceFile; readonly findings: readonly Finding[] };

/** Parses one file. Broken syntax gives findings and as much of a tree as the parser could make of it. */
export function parseScript(typescript: TypeScript, path: string, text: string): ParsedScript {
  const source = typescript.createSourceFile(
    path,
    text,
    {
      languageVersion: typescript.ScriptTarget.ESNext,
      impliedNodeFormat: typescript.ModuleKind.ESNext,
      // Nothing here reads comments, and where there are many they are half of the work.
      jsDocParsingMode: typescript.JSDocParsingMode.ParseNone,
    },
    false,
    kindOf(typescript, path),
  );
  // The compiler keeps what the parser found here; asking for it in public would mean building a whole program.
  const { parseDiagnostics } = source as unknown as { parseDiagnostics: readonly ts.DiagnosticWithLocation[] };
  const findings = parseDiagnostics.slice(0, maxSyntaxFindings).map((each) => ({
    kind: "syntax",
    file: path,
    line: source.getLineAndCharacterOfPosition(each.start).line + 1,
    message: typescript.flattenDiagnosticMessageText(each.messageText, " "),
  }));
  return { source, findings };
}

function kindOf(typescript: TypeScript, path: string): ts.ScriptKind {
  const { ScriptKind } = typescript;
  if (path.endsWith(".tsx")) return ScriptKind.TSX;
  if (path.endsWith(".jsx")) return ScriptKind.JSX;
  return /\.[cm]?ts$/.test(path) ? ScriptKind.TS : ScriptKind.JS;
}

/** Visits a node and all below it, parents first, in the order of the text. Not recursive: a generated file may be nested deeper than the stack. */
export function visitNodes(typescript: TypeScript, root: ts.Node, visit: (node: ts.Node) => void): void {
  const waiting: ts.Node[] = [root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    visit(node);
    const from = waiting.length;
    typescript.forEachChild(node, (child) => {
      waiting.push(child);
    });
    // What was pushed last is taken first.
    for (let low = from, high = waiting.length - 1; low < high; low++, high--) {
      const swapped = waiting[low] as ts.Node;
      waiting[low] = waiting[high] as ts.Node;
      waiting[high] = swapped;
    }
  }
}

/** The line of a node, from 1. */
export const lineOf = (source: ts.SourceFile, node: ts.Node): number =>
  source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
