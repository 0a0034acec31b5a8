import type ts from "typescript-api";
import type { Finding } from "./finding.ts";
import { isDeclaration, isScript } from "./languages.ts";
import type { TypeScript } from "./parse-script.ts";
import { parseScript } from "./parse-script.ts";
import { readText } from "./read-text.ts";
import type { SourceFile, SourceTree } from "./read-tree.ts";
import type { Task } from "./task.ts";

export interface Script {
  readonly file: SourceFile;
  readonly text: string;
  readonly source: ts.SourceFile;
}

/**
 * The files of a tree that are modules of its own: TypeScript and JavaScript, without declarations that lie beside the module
 * they were made from and without minified bundles, which are the output of others.
 */
function listScripts(tree: SourceTree): SourceFile[] {
  const paths = new Set(tree.files.map((file) => file.path));
  return tree.files.filter(({ path }) => {
    if (!isScript(path) || /[.-]min\.[cm]?js$/.test(path)) return false;
    return !isDeclaration(path) || implementationOf(path, paths) === undefined;
  });
}

/** The module that a declaration file describes, where it lies beside it. */
export function implementationOf(path: string, paths: ReadonlySet<string>): string | undefined {
  const stem = /^(.*)\.d\.([cm]?)ts$/.exec(path);
  if (stem === null) return undefined;
  return [`${stem[1]}.${stem[2]}js`, `${stem[1]}.jsx`].find((each) => paths.has(each));
}

/** Reads and parses one script after the other, and tells how far it is. What cannot be read or parsed is a finding. */
export async function readScripts(
  typescript: TypeScript,
  tree: SourceTree,
  task: Task,
  doing: string,
  visit: (script: Script) => void,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const files = listScripts(tree);
  for (const [index, file] of files.entries()) {
    task.signal.throwIfAborted();
    if (index % 50 === 0)
      task.progress(Math.floor((index / files.length) * 95), `${doing}: ${index} of ${files.length}`);
    const read = await readText(tree, file);
    if (read.finding !== undefined) findings.push(read.finding);
    if (!read.ok) continue;
    try {
      const parsed = parseScript(typescript, file.path, read.text);
      findings.push(...parsed.findings);
      visit({ file, text: read.text, source: parsed.source });
    } catch (error) {
      // The parser itself is recursive: a file nested thousands deep overflows its stack, and only that file is lost.
      if (!(error instanceof RangeError)) throw error;
      findings.push({ kind: "syntax", file: file.path, message: "Nested too deeply to be parsed; not read." });
    }
  }
  return findings;
}
