import { storeContract } from "@viable/log/testing";
import { createPostgresStore } from "./postgres-store.ts";
import { startPostgres } from "./testing/index.ts";

storeContract("PostgreSQL", async () => {
  const server = await startPostgres();
  return {
    store: createPostgresStore({ connectionString: await server.createDatabase() }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
});
