import { service } from "viable";
import { coordinator } from "./agents/coordinator.ts";
import { healthMonitor } from "./agents/health-monitor.ts";
import { optimizer } from "./agents/optimizer.ts";

/** Central coordination and health of the whole. */
export const core = service({
  name: "core",
  description: "Central coordination: the health of the whole, who would do what now, and workers divided by load",
  port: 4003,
  agents: [healthMonitor, coordinator, optimizer],
  startPriority: 30,
});
