import { service } from "viable";
import { coordinator } from "./agents/coordinator.ts";
import { legacyFiles } from "./agents/legacy-files.ts";
import { legacySizes } from "./agents/legacy-sizes.ts";

/** The central coordinator that there was before each service had a swarm of its own: kept while services take its work over. */
export const swarm = service({
  name: "swarm",
  description: "The legacy coordinator: lists of tasks one after another, and what services did before they had swarms",
  port: 4008,
  agents: [coordinator, legacySizes, legacyFiles],
  legacy: true,
});
