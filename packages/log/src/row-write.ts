/**
 * Something that is written with an append, in the same transaction, after it was decided that the append happens: rows of a table that
 * belongs to somebody else. It happens with the append or not at all, and where it cannot, neither does the append.
 *
 * A database takes statements; the store in memory, which has no tables, takes functions.
 */
export type RowWrite = StatementWrite | MemoryWrite;

export interface StatementWrite {
  /** One statement. Parameters travel as text, so cast them: `UPDATE orders SET total = $2::numeric WHERE id = $1`. */
  readonly sql: string;
  readonly params: readonly (string | null)[];
  /** How many rows it must touch; any number where absent. `1` makes an `UPDATE … WHERE version = …` a check. */
  readonly rows?: number;
}

export interface MemoryWrite {
  /** Does it at once and answers how to take it back. What it throws refuses the append. */
  readonly apply: () => () => void;
}

/** A question about rows of somebody else's tables. It must not write; parameters travel as text, so cast them. */
export interface RowQuery {
  readonly sql: string;
  readonly params: readonly (string | null)[];
}

/** What it answers: texts, numbers and truth as they are, anything else as the database's driver gives it. */
export type Row = Readonly<Record<string, unknown>>;

/** Why a row was not written, and with it the append it belongs to. */
export interface RowRefusal {
  /** Which of the append's writes, from 0. */
  readonly write: number;
  readonly message: string;
  /** The database's own code (`23505` is a value that must be unique and is not), and which rule it was. */
  readonly sqlState?: string;
  readonly constraint?: string;
}
