import { defineSystem } from "viable";
import { analyze } from "./analyze/analyze.ts";
import { keepMeasurement } from "./reactors/keep-measurement.ts";
import { ai } from "./services/ai/index.ts";
import { architecture } from "./services/architecture/index.ts";
import { business } from "./services/business/index.ts";
import { core } from "./services/core/index.ts";
import { execution } from "./services/execution/index.ts";
import { hex } from "./services/hex/index.ts";
import { infra } from "./services/infra/index.ts";
import { interfaceService } from "./services/interface/index.ts";
import { ml } from "./services/ml/index.ts";
import { security } from "./services/security/index.ts";
import { storage } from "./services/storage/index.ts";
import { swarm } from "./services/swarm/index.ts";
import { tools } from "./services/tools/index.ts";

/** The reference system: one swarm for each service, and `analyze` over them. */
export default defineSystem({
  name: "singularity",
  services: [
    ai,
    architecture,
    business,
    core,
    execution,
    hex,
    infra,
    interfaceService,
    ml,
    security,
    storage,
    swarm,
    tools,
  ],
  commands: [analyze],
  reactors: [keepMeasurement],
});
