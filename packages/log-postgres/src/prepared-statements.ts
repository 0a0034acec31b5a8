import type { PGlite } from "@electric-sql/pglite";
import { protocol, types } from "@electric-sql/pglite";
import type { Answer, Param, Row, Statement } from "./session.ts";

const { serialize } = protocol;

/**
 * The store has some twenty, and one for each kind of page that is read: 32 combinations of filters, in two directions, in five sizes. No
 * process uses more than some dozens of these; past the bound each is sent whole, as any other query is.
 */
const maxPrepared = 200;
const int8 = 20;
const text = 25;

/** How a statement's rows are read: a reader for each column; none where it answers no rows. */
type Columns = readonly { readonly name: string; read(value: string): Row[string] }[];

/** What PGlite answers to messages of PostgreSQL's protocol, as far as it is looked at here. */
type Message = Awaited<ReturnType<PGlite["execProtocol"]>>["messages"][number];

/**
 * The store's own statements, each parsed and planned once. PGlite's `query` does that at every call, which takes more than the
 * statement itself: so they go by PostgreSQL's protocol, prepared under their names, and each call is one message to the database.
 */
export class PreparedStatements {
  readonly #database: PGlite;
  readonly #prepared = new Map<string, { readonly text: string; readonly columns: Columns }>();

  constructor(database: PGlite) {
    this.#database = database;
  }

  has({ name }: Statement): boolean {
    return this.#prepared.has(name) || this.#prepared.size < maxPrepared;
  }

  async run(statement: Statement, params: readonly Param[]): Promise<Answer> {
    // Two messages of one statement must have no other between them.
    return await this.#database.runExclusive(async () => {
      const known = this.#prepared.get(statement.name);
      if (known !== undefined && known.text !== statement.text)
        throw new Error(`"${statement.name}" names two statements`);
      const columns = known?.columns ?? (await this.#prepare(statement, params.length));
      const messages = await this.#send(
        serialize.bind({ statement: statement.name, values: [...params] }),
        serialize.execute({}),
      );
      return toAnswer(messages, columns);
    });
  }

  async #prepare({ name, text: sql }: Statement, params: number): Promise<Columns> {
    const messages = await this.#send(
      serialize.parse({ name, text: sql, types: Array.from({ length: params }, () => text) }),
      serialize.describe({ type: "S", name }),
    );
    const columns = messages.flatMap((message) => (isRowDescription(message) ? toColumns(message) : []));
    this.#prepared.set(name, { text: sql, columns });
    return columns;
  }

  /** In one go, with the sync after which the database is ready again, also where it refused. */
  async #send(...parts: readonly Uint8Array[]): Promise<readonly Message[]> {
    return (await this.#database.execProtocol(Buffer.concat([...parts, serialize.sync()]))).messages;
  }
}

type RowDescription = Message & { readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[] };
type DataRow = Message & { readonly fields: readonly (string | null)[] };
type CommandComplete = Message & { readonly text: string };

const isRowDescription = (message: Message): message is RowDescription => message.name === "rowDescription";
const isDataRow = (message: Message): message is DataRow => message.name === "dataRow";
const isCommandComplete = (message: Message): message is CommandComplete => message.name === "commandComplete";

function toColumns({ fields }: RowDescription): Columns {
  return fields.map(({ name, dataTypeID }) => {
    const parse = dataTypeID === int8 ? Number : types.parsers[dataTypeID];
    return { name, read: (value) => (parse === undefined ? value : parse(value, dataTypeID)) };
  });
}

function toAnswer(messages: readonly Message[], columns: Columns): Answer {
  const rows: Row[] = [];
  let touched = 0;
  for (const message of messages) {
    if (isDataRow(message)) {
      const row: Record<string, Row[string]> = {};
      for (const [index, { name, read }] of columns.entries()) {
        const value = message.fields[index] ?? null;
        row[name] = value === null ? null : read(value);
      }
      rows.push(row);
    } else if (isCommandComplete(message)) {
      touched = Number(/^(?:INSERT 0|UPDATE|DELETE) (\d+)$/.exec(message.text)?.[1] ?? 0);
    }
  }
  return { rows, touched };
}
