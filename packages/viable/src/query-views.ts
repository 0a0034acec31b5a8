import type { View } from "@viable/gateway";
import type { JsonValue } from "@viable/kernel";
import type { QueryDescriptor } from "@viable/protocol";
import type { Registry } from "@viable/registry";
import type { QueryCatalogue } from "@viable/swarm";
import { z } from "zod";

/** What may be asked, as clients are told of it. */
export function queryViews(catalogue: QueryCatalogue, registry: Registry): View[] {
  const describe = (name: string): QueryDescriptor[] => {
    const offers = catalogue.find(name) ?? [];
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
        available: registry.route(name).ok,
      },
    ];
  };
  return [
    {
      name: "queries",
      scope: "session",
      path: "/queries",
      read: () => ({ queries: catalogue.names().flatMap(describe) }) as unknown as JsonValue,
    },
  ];
}
