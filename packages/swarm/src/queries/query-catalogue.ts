import { ViableError } from "@viable/kernel";
import type { ServiceDefinition } from "../service.ts";
import type { QueryDefinition } from "./query.ts";

/** A query and the service that answers it. */
export interface QueryOffer {
  readonly service: ServiceDefinition;
  readonly query: QueryDefinition;
}

/** What the config's services answer, by name: known in every process, whether the service runs there or not. */
export interface QueryCatalogue {
  /** Who answers it, in the order declared; undefined where the config names nobody. */
  find(query: string): readonly QueryOffer[] | undefined;
  names(): readonly string[];
}

/** The queries of a config's services. Throws `config.invalid` where a query has the name of a command: one word is asked for in one way. */
export function createQueryCatalogue(services: readonly ServiceDefinition[]): QueryCatalogue {
  const commands = new Map(services.flatMap(({ name, capabilities }) => capabilities.map((each) => [each, name])));
  const offers = new Map<string, QueryOffer[]>();
  for (const service of services) {
    for (const query of service.queries) {
      const command = commands.get(query.name);
      if (command !== undefined)
        throw new ViableError(
          "config.invalid",
          `The query "${query.name}" of ${service.name} has the name of a command of ${command}.`,
          { next: "Give one of them another name, such as one that ends with an operation." },
        );
      offers.set(query.name, [...(offers.get(query.name) ?? []), { service, query }]);
    }
  }
  const names = [...offers.keys()].sort();
  return { find: (query) => offers.get(query), names: () => names };
}
