import type { Tree } from "./tree.ts";

/** A block of TypeScript in a document. */
export interface Snippet {
  readonly document: string;
  /** The line of the document on which its first line stands. */
  readonly line: number;
  readonly code: string;
  /** Why it cannot compile by itself, where a comment before it says so: `<!-- fragment: reason -->`. */
  readonly fragment: string | undefined;
}

/** Documents whose TypeScript must compile. */
const isDocument = (path: string): boolean =>
  path === "README.md" || /^docs\/.+\.md$/.test(path) || /^packages\/[^/]+\/README\.md$/.test(path);

export function readSnippets(tree: Tree): Snippet[] {
  return [...tree].filter(([path]) => isDocument(path)).flatMap(([path, text]) => snippetsOf(path, text));
}

function snippetsOf(document: string, text: string): Snippet[] {
  const blocks = text.matchAll(/(?:^<!-- fragment: (.+) -->\n+)?^```ts\n(.*?)^```$/gms);
  return [...blocks].map((block) => {
    const code = block[2] as string;
    const before = text.slice(0, block.index + block[0].indexOf("```ts\n"));
    return { document, line: before.split("\n").length + 1, code, fragment: block[1] };
  });
}

/**
 * A snippet as a file of its own: a module, with its lines where they stand in the document, so that what the compiler says
 * leads there.
 */
export function toModule({ code, line }: Snippet): string {
  return `${"\n".repeat(line - 1)}${code}export {};\n`;
}

/** A name from which the document can be told again. */
export const fileNameOf = ({ document, line }: Snippet): string =>
  `${document.replace(/\.md$/, "").replaceAll("/", "--").toLowerCase()}--${line}.ts`;
