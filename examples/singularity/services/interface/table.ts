/** A table as data: what is rendered as Markdown, HTML, CSV or plain text. */
export type Table = {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
};

export type Column = {
  readonly title: string;
  /** Numbers stand under each other when they end at the same place. */
  readonly align: "left" | "right";
};
