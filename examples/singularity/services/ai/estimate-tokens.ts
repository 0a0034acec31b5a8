/** How tokens are counted here, for results to say: no tokenizer is installed, and each provider has another. */
export const tokenEstimation =
  "estimated without a tokenizer: one for each 6 letters of a Latin word, 3 digits, 2 marks, 2 letters of another alphabet, " +
  "each Chinese, Japanese or Korean character, each symbol or emoji two, and each line break";

/** A run of what is counted alike. Order matters: the more particular kinds come first. */
const run =
  /(?<latin>[\p{Script=Latin}]+)|(?<east>[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}])|(?<letters>[\p{L}\p{M}]+)|(?<digits>\p{N}+)|(?<line>\s*\n\s*)|(?<space>\s+)|(?<marks>[!-/:-@[-`{-~]+)|(?<symbol>.)/gsu;

/** How many tokens a text is, most likely; meant to be rather too many than too few. */
export function estimateTokens(text: string): number {
  let tokens = 0;
  for (const { groups } of text.matchAll(run)) {
    const { latin, east, letters, digits, line, marks, symbol } = groups as { [kind: string]: string | undefined };
    if (latin !== undefined) tokens += Math.ceil(latin.length / 6);
    else if (digits !== undefined) tokens += Math.ceil(digits.length / 3);
    else if (marks !== undefined || letters !== undefined) tokens += Math.ceil((marks ?? letters ?? "").length / 2);
    else if (east !== undefined || line !== undefined) tokens += 1;
    else if (symbol !== undefined) tokens += 2;
    // Single spaces go with the word behind them.
  }
  return tokens;
}
