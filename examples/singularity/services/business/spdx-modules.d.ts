/** What is used of the SPDX libraries, which come without types. */
declare module "spdx-expression-parse" {
  export type Licence = { readonly license: string; readonly plus?: true; readonly exception?: string };
  export type Expression =
    | Licence
    | { readonly left: Expression; readonly conjunction: "and" | "or"; readonly right: Expression };
  /** Throws an error where the text is no SPDX expression. */
  export default function parse(text: string): Expression;
}

declare module "spdx-correct" {
  export default function correct(text: string, options?: { readonly upgrade?: boolean }): string | null;
}
