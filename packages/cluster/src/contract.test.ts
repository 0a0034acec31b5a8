// The contracts of this room on the store in memory, with the machine's own clock.
import { createRuntime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { membershipContract, placementContract, singletonsContract } from "./testing/index.ts";

async function makeWorld() {
  const store = createMemoryStore();
  // Several logs write to it, as processes do to a database server, so each must look for the others' writes.
  const shared = { ...store, exclusive: false };
  return { makeLog: () => createLog(shared, createRuntime()), close: async () => {} };
}

membershipContract("memory", makeWorld);
singletonsContract("memory", makeWorld);
placementContract("memory", makeWorld);
