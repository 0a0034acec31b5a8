import { ViableError } from "@viable/kernel";
import { isOpenTo } from "@viable/registry/define";
import type { ServiceDefinition } from "../service.ts";
import type { QueryDefinition } from "./query.ts";

/** A query and the service that answers it. */
export interface QueryOffer {
  readonly service: ServiceDefinition;
  readonly query: QueryDefinition;
}

/**
 * What the config's services answer, by name: known in every process, whether the service runs there or not. A query that only services answer
 * which are not open to a tenant is none for it: neither found nor listed (W11).
 */
export interface QueryCatalogue {
  /** Who answers it for a tenant, in the order declared; nobody where the config names nobody. */
  find(query: string, tenant: string): readonly QueryOffer[];
  names(tenant: string): readonly string[];
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
  const find = (query: string, tenant: string) => openTo(tenant, offers.get(query) ?? []);
  return { find, names: (tenant) => names.filter((query) => find(query, tenant).length > 0) };
}

/** Most are open to all, and nothing is made anew. */
const openTo = (tenant: string, offers: readonly QueryOffer[]): readonly QueryOffer[] =>
  offers.every(({ service }) => service.tenants === undefined)
    ? offers
    : offers.filter(({ service }) => isOpenTo(service, tenant));
