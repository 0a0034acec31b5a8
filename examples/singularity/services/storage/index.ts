import { service } from "viable";
import { backup } from "./agents/backup.ts";
import { cache } from "./agents/cache.ts";
import { check } from "./agents/check.ts";
import { compare } from "./agents/compare.ts";
import { fileManagement } from "./agents/file-management.ts";
import { keep } from "./agents/keep.ts";
import { queryOptimizer } from "./agents/query-optimizer.ts";
import { read } from "./agents/read.ts";
import { restore } from "./agents/restore.ts";

/** Data persistence, file management, backup, and advice on queries. */
export const storage = service({
  name: "storage",
  description:
    "Keeps documents in versions, compares, checks and backs them up; knows what lies in folders; advises on queries",
  port: 4104,
  startPriority: 20,
  agents: [keep, read, compare, cache, check, fileManagement, backup, restore, queryOptimizer],
});
