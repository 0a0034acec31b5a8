import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { storeContract } from "@viable/log/testing";
import { createPgliteStore } from "./pglite-store.ts";

storeContract(
  "PGlite",
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "viable-pglite-"));
    return {
      store: createPgliteStore({ dataDir: join(directory, "db") }),
      [Symbol.asyncDispose]: () => rm(directory, { recursive: true }),
    };
  },
  { runs: 25 },
);
