import type { Durability, Store } from "@viable/log";

/** What each durability means on a database server, which other processes can use too … */
const ofServer: Readonly<Record<Durability, string>> = {
  nothing: "The PostgreSQL server answers before it has written: what it answered for last is lost when it crashes.",
  "process-crash":
    "The PostgreSQL server does not flush to disk: what was acknowledged survives a killed process, not a power cut.",
  "power-loss": "The PostgreSQL server flushes to disk before it answers: what was acknowledged survives a power cut.",
};

/** … and in this process, which has the store to itself. */
const ofProcess: Readonly<Record<Durability, string>> = {
  nothing: "Nothing survives the end of the process: the store is in memory.",
  "process-crash":
    "The embedded database survives a killed process, not a power cut. For that, set DATABASE_URL to a PostgreSQL server.",
  "power-loss": "The embedded database flushes to disk before it answers: what was acknowledged survives a power cut.",
};

/** What survives, in the words that people are shown. */
export const durabilityNote = ({ durability, exclusive }: Pick<Store, "durability" | "exclusive">): string =>
  (exclusive ? ofProcess : ofServer)[durability];
