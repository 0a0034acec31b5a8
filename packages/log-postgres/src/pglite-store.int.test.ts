import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContract } from "@viable/log/testing";
import { createPgliteStore } from "./pglite-store.ts";
import { contractTable } from "./testing/contract-table.ts";

storeContract(
  "PGlite",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "viable-pglite-"));
    const store = createPgliteStore({ dataDir: join(directory, "db") });
    return {
      store,
      makeTable: () => contractTable(store),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    };
  },
  { runs: 25 },
);
