import type { Expression } from "spdx-expression-parse";

/** The SPDX libraries, as far as judging needs them. */
export interface Spdx {
  /** The expression a text is, or undefined where it is none. */
  parse(text: string): Expression | undefined;
  /** What a text that is no expression may have been meant to be; undefined where nothing comes to mind. */
  suggest(text: string): string | undefined;
}

/** Loads them when they are needed: together they are lists of several hundred licences. */
export async function loadSpdx(): Promise<Spdx> {
  const [{ default: parse }, { default: correct }] = await Promise.all([
    import("spdx-expression-parse"),
    import("spdx-correct"),
  ]);
  return {
    parse(text) {
      try {
        return parse(text);
      } catch {
        return undefined;
      }
    },
    suggest: (text) => (text.trim() === "" ? undefined : (correct(text, { upgrade: false }) ?? undefined)),
  };
}
