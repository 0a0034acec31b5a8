import { storeContract } from "@viable/log/testing";
import { createPostgresStore } from "./postgres-store.ts";
import { contractTable } from "./testing/contract-table.ts";
import { startPostgres } from "./testing/index.ts";

storeContract("PostgreSQL", async () => {
  const server = await startPostgres();
  const store = createPostgresStore({ connectionString: await server.createDatabase() });
  return {
    store,
    makeTable: () => contractTable(store),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});
