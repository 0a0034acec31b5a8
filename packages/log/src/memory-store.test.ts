import { createMemoryStore } from "./memory-store.ts";
import type { ContractTable } from "./testing/store-contract.ts";
import { storeContract } from "./testing/store-contract.ts";

/** What is a table in a database is a set here. */
function makeTable(): ContractTable {
  const names = new Set<string>();
  return {
    insert: (name) => ({
      apply: () => {
        if (names.has(name)) throw new Error(`${name} is there already`);
        names.add(name);
        return () => names.delete(name);
      },
    }),
    remove: (name) => ({
      apply: () => {
        if (!names.delete(name)) throw new Error(`${name} is not there`);
        return () => names.add(name);
      },
    }),
    names: async () => [...names].sort(),
  };
}

storeContract(
  "memory",
  async () => ({ store: createMemoryStore(), makeTable: async () => makeTable(), async [Symbol.asyncDispose]() {} }),
  { runs: 200 },
);
