import { service } from "viable";
import { capacityPlanner } from "./agents/capacity-planner.ts";
import { portInventory } from "./agents/port-inventory.ts";
import { processInventory } from "./agents/process-inventory.ts";
import { resourceAllocator } from "./agents/resource-allocator.ts";
import { resourceInventory } from "./agents/resource-inventory.ts";

/** What the machine has, what of it is used, and how it is divided. */
export const infra = service({
  name: "infra",
  description: "Infrastructure: inventory of host, ports and processes, division of budgets, planning of workers",
  port: 4005,
  agents: [resourceInventory, resourceAllocator, capacityPlanner, portInventory, processInventory],
});
