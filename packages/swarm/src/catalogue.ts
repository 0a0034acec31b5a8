import { ViableError } from "@viable/kernel";
import type { AgentDefinition } from "./agent.ts";
import type { ServiceDefinition } from "./service.ts";

/** An agent and the service it belongs to. */
export interface Offer {
  readonly service: string;
  readonly agent: AgentDefinition;
}

/** What the config declares, by command: known in every process, whether the service runs there or not. */
export interface Catalogue {
  /** The agents that do this, in the order declared; none where the config names none. */
  find(command: string): readonly Offer[];
  commands(): readonly string[];
}

/** The catalogue of a config's services. Agents that share a capability must agree on what it takes, since any may get the task. */
export function createCatalogue(services: readonly ServiceDefinition[]): Catalogue {
  const offers = new Map<string, Offer[]>();
  for (const service of services) {
    for (const agent of service.agents) {
      const same = offers.get(agent.capability) ?? [];
      const first = same[0]?.agent;
      if (first !== undefined && (first.risk !== agent.risk || first.joinable !== agent.joinable)) {
        throw new ViableError(
          "config.invalid",
          `Agents "${first.name}" and "${agent.name}" both offer "${agent.capability}" but differ in risk or joinable.`,
          { next: "A capability is one promise: let them agree, or give one of them another capability." },
        );
      }
      offers.set(agent.capability, [...same, { service: service.name, agent }]);
    }
  }
  const names = [...offers.keys()].sort();
  return { find: (command) => offers.get(command) ?? [], commands: () => names };
}
