import type { Statement } from "../session.ts";

export const size: Statement = {
  name: "viable_size",
  text: "SELECT pg_database_size(current_database()) AS bytes",
};
