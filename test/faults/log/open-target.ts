import type { Store } from "@viable/log";
import { createPgliteStore, createPostgresStore } from "@viable/log-postgres";

/** The database that a test is about, as it is handed to a child. */
export type Target =
  | { readonly kind: "postgres"; readonly connectionString: string }
  | { readonly kind: "pglite"; readonly dataDir: string };

export const openTarget = (target: Target): Store =>
  target.kind === "postgres"
    ? createPostgresStore({ connectionString: target.connectionString })
    : createPgliteStore({ dataDir: target.dataDir });
