import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContract } from "@viable/log/testing";
import { createPgliteStore } from "./pglite-store.ts";
import { contractTable } from "./testing/contract-table.ts";

const cacheDir = process.env.VIABLE_TEST_CACHE_DIR;

storeContract(
  "PGlite",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "viable-pglite-"));
    const store = createPgliteStore({ dataDir: join(directory, "db"), cacheDir });
    return {
      store,
      makeTable: () => contractTable(store),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    };
  },
  { runs: 25 },
);
