export type { PostgresServer, StartPostgresOptions } from "./start-postgres.ts";
export { startPostgres } from "./start-postgres.ts";
