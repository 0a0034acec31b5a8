// The membership contract on the store in memory, with the machine's own clock.
import { createRuntime } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { membershipContract } from "./testing/index.ts";

membershipContract("memory", async () => {
  const store = createMemoryStore();
  // Several logs write to it, as processes do to a database server, so each must look for the others' writes.
  const shared = { ...store, exclusive: false };
  return { makeLog: () => createLog(shared, createRuntime()), close: async () => {} };
});
