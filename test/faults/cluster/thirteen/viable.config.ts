// The system under test: the reference system's thirteen services, each with one agent that does one thing outside. Most wait, three
// compute in threads, and any that waits may be told to ask others.
import type { AgentDefinition } from "viable";
import { defineSystem, service } from "viable";
import * as computers from "./compute.ts";
import { sleepingServices, thirteen } from "./thirteen.ts";
import { sleeper } from "./work.ts";

const agents: Readonly<Record<string, AgentDefinition>> = {
  ...Object.fromEntries(sleepingServices.map((name) => [name, sleeper(name)])),
  ...computers,
};

export default defineSystem({
  name: "thirteen",
  services: thirteen.map((name, index) => {
    const agent = agents[name];
    if (agent === undefined) throw new Error(`Nobody works for ${name}.`);
    return service({ name, description: `Does what ${name} is asked.`, port: 4_001 + index, agents: [agent] });
  }),
  gateway: { port: 4_000 },
  // A load of many minutes is meant.
  clients: { api: { commandsPerHour: 1_000_000 } },
  // Longer than any task that a node is stopped with.
  limits: { drainMs: 10_000 },
});
