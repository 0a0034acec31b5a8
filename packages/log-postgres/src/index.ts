export type { PgliteStoreOptions } from "./pglite-store.ts";
export { createPgliteStore } from "./pglite-store.ts";
export type { PostgresStore, PostgresStoreOptions, StoreWarning } from "./postgres-store.ts";
export { createPostgresStore } from "./postgres-store.ts";
