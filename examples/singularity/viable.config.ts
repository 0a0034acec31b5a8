import { defineSystem } from "viable";
import { analyze } from "./analyze/analyze.ts";
import { architecture } from "./services/architecture/index.ts";
import { security } from "./services/security/index.ts";
import { storage } from "./services/storage/index.ts";
import { tools } from "./services/tools/index.ts";

/** The reference system: one swarm for each service, and `analyze` over them. */
export default defineSystem({
  name: "singularity",
  services: [architecture, tools, security, storage],
  commands: [analyze],
});
