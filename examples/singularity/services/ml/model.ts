import type { Scaling } from "./scaling.ts";

/** What a row belongs to, or how much of something it has. */
export type Label = number | string;

export type ModelKind = "classification" | "regression";

/** One decision after the other: below the value to the left, else to the right, until there is an answer. */
export type Tree =
  | { readonly answer: number }
  | { readonly feature: number; readonly value: number; readonly left: Tree; readonly right: Tree };

/** What was learnt. An answer is the index of a class, or the amount itself. */
export type Parameters =
  | {
      readonly method: "linear";
      readonly scaling: Scaling;
      /** For classes one list each, for an amount one; the last weight of a list stands alone. */
      readonly weights: readonly (readonly number[])[];
    }
  | { readonly method: "forest"; readonly trees: readonly Tree[] };

/** How far off the answers were. */
export type ModelError = {
  /** Of classes the share of wrong answers; of amounts the root of the mean squared difference, in the labels' unit. */
  readonly measure: "wrong_share" | "rmse";
  /** On rows that neither the fit nor the choice of the method has seen. */
  readonly heldOut: number;
  /** Of always answering the commonest class or the mean, on the same rows. */
  readonly baseline: number;
};

/** A model as it is kept: plain data, applied without the library that learnt it. */
export type Model = {
  readonly kind: ModelKind;
  /** Names of the features, in the order of a row. */
  readonly features: readonly string[];
  /** What an answer's index stands for. Empty for amounts. */
  readonly classes: readonly Label[];
  readonly parameters: Parameters;
  /** The commonest class or the mean of the rows learnt from. */
  readonly baseline: Label;
  readonly rows: { readonly fitted: number; readonly heldOut: number };
  readonly error: ModelError;
};
