/** Something a reader should know about the input: a broken file, a link that leads nowhere, a bound that was reached. */
export type Finding = {
  /** What it is, as `source.binary` or `syntax`: stable, for programs. */
  readonly kind: string;
  /** Relative to the tree's root, with forward slashes. */
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
  readonly message: string;
};
