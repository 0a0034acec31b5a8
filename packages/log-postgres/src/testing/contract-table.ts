import type { Store } from "@viable/log";
import type { ContractTable } from "@viable/log/testing";

/** A table of names beside the log, made and read through the store itself. */
export async function contractTable(store: Store): Promise<ContractTable> {
  const event = { id: "contract-table", type: "t", data: "{}", tenant: "d", metadata: "{}", time: 1 };
  const [outcome] = (
    await store.commit(
      [
        {
          streams: [
            { stream: "contract-table", expected: 0, events: [{ ...event, session: null, correlation: null }] },
          ],
          records: [],
          with: [{ sql: 'CREATE TABLE contract_names (name text COLLATE "C" PRIMARY KEY)', params: [] }],
        },
      ],
      1,
    )
  ).outcomes;
  if (outcome?.kind !== "appended") throw new Error(`The table could not be made: ${JSON.stringify(outcome)}`);
  return {
    insert: (name) => ({ sql: "INSERT INTO contract_names (name) VALUES ($1::text)", params: [name], rows: 1 }),
    remove: (name) => ({ sql: "DELETE FROM contract_names WHERE name = $1::text", params: [name], rows: 1 }),
    names: async () =>
      (await store.query({ sql: "SELECT name FROM contract_names ORDER BY name", params: [] })).map(({ name }) =>
        String(name),
      ),
  };
}
