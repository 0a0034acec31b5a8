/** A statement that both drivers are sent. `name` is what a driver may prepare it under: one name, one text. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** A statement that is somebody else's, and prepared for this once. */
export interface Unprepared {
  readonly name?: undefined;
  readonly text: string;
}

/** Gives a connection a name, by which what was learnt on it is told from what was learnt on another (`known-heads.ts`). */
export const nameConnection = "SELECT set_config('viable.connection', gen_random_uuid()::text, false)";

/** Every parameter travels as text, cast in the statement: no driver decides how a value is written. */
export type Param = string | null;

/** A value of a row: `bigint` columns arrive as numbers, since no count of ours leaves the safe integers. */
export type Row = Readonly<Record<string, string | number | boolean | null>>;

/** What came of a statement. */
export interface Answer {
  readonly rows: Row[];
  /** How many rows it has written. */
  readonly touched: number;
}

/**
 * A way to a database. Errors are `ViableError`s already: `log.store_unavailable` (retryable) where the database cannot be
 * reached or was lost on the way, `log.store_refused` where it answered and would answer the same again.
 */
export interface Session {
  /** Runs a statement of the one writer: before reads that wait. */
  write(statement: Statement, params: readonly Param[]): Promise<Answer>;
  read(statement: Statement | Unprepared, params: readonly Param[]): Promise<Row[]>;
  /** A query that is not the store's own: it cannot write. */
  readForeign(text: string, params: readonly Param[]): Promise<Row[]>;
  /**
   * Runs several statements of the one writer in one transaction, which is rolled back where `run` rejects. Other commits wait, so it
   * is for what takes milliseconds.
   */
  transaction<T>(run: (connection: Connection) => Promise<T>): Promise<T>;
}

/** One connection that nobody else uses meanwhile: for what takes several statements. */
export interface Connection {
  /** One statement: the server refuses a text that holds more. */
  query(text: string, params?: readonly Param[]): Promise<Row[]>;
  /** One statement; answers how many rows it touched. */
  execute(text: string, params: readonly Param[]): Promise<number>;
  /** Several statements, without parameters, in one transaction. */
  script(text: string): Promise<void>;
}
