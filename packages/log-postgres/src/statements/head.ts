import type { Statement } from "../session.ts";

export const head: Statement = {
  name: "viable_head",
  text: "SELECT ordinal, change FROM viable.log_partitions WHERE id = 1",
};
