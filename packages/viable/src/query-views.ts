import type { View } from "@viable/gateway";
import type { JsonValue } from "@viable/kernel";
import type { QueryDescriptor } from "@viable/protocol";
import { queryList } from "@viable/protocol";
import type { Registry } from "@viable/registry";
import type { QueryCatalogue } from "@viable/swarm";
import { z } from "zod";

/** What a tenant may ask, as clients are told of it (W11). */
export function describeQueries(catalogue: QueryCatalogue, registry: Registry, tenant: string): QueryDescriptor[] {
  const describe = (name: string): QueryDescriptor[] => {
    const offers = catalogue.find(name, tenant);
    const [first] = offers;
    if (first === undefined) return [];
    const { description, input, timeoutMs } = first.query;
    return [
      {
        query: name,
        description,
        services: offers.map(({ service }) => service.name),
        input: z.toJSONSchema(input, { io: "input", unrepresentable: "any" }) as QueryDescriptor["input"],
        timeoutMs,
        available: registry.discover(name, { tenant }).swarms.some(({ capabilities }) => capabilities.includes(name)),
      },
    ];
  };
  return catalogue.names(tenant).flatMap(describe);
}

/** The list of them. */
export function queryViews(catalogue: QueryCatalogue, registry: Registry): View[] {
  return [
    {
      name: "queries",
      scope: "session",
      path: "/queries",
      operation: "queries",
      summary: "What may be asked: all queries that the tenant may know of",
      answer: queryList,
      read: (ctx) => ({ queries: describeQueries(catalogue, registry, ctx.tenant) }) as unknown as JsonValue,
    },
  ];
}
