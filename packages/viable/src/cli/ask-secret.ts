import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { interrupted, wrongUsage } from "./exit-status.ts";
import type { Shell } from "./shell.ts";

/** Asks for a secret on the terminal, without showing what is typed; of a pipe it is the first line. */
export async function askSecret(shell: Shell, prompt: string): Promise<string> {
  const isTerminal = process.stdin.isTTY === true;
  // The line editor echoes to what it is given: to nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, written) => written() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal });
  // Only now, when the terminal shows no more: who sees it may type at once.
  if (isTerminal) shell.err.write(prompt);
  try {
    const line = await new Promise<string>((resolve, reject) => {
      lines.once("line", resolve);
      lines.once("SIGINT", () => reject(interrupted("Nothing was done.")));
      lines.once("close", () =>
        reject(wrongUsage("Nothing was given.", "Type it, or write it to the standard input.")),
      );
    });
    if (line === "") throw wrongUsage("Nothing was given.", "Type it, or write it to the standard input.");
    return line;
  } finally {
    lines.close();
    if (isTerminal) shell.err.write("\n");
  }
}
