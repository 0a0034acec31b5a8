import { canonicalJson, ViableError } from "@viable/kernel";
import { isOpenTo } from "@viable/registry/define";
import { z } from "zod";
import type { AgentDefinition } from "./agent.ts";
import type { ServiceDefinition } from "./service.ts";

/** An agent and the service it belongs to. */
export interface Offer {
  readonly service: string;
  /** The tenants that it is open to; all of them where absent. */
  readonly tenants?: readonly string[] | undefined;
  readonly agent: AgentDefinition;
}

/**
 * What the config declares, by command: known in every process, whether the service runs there or not. A command that only services offer which
 * are not open to a tenant is none for it: neither found nor listed (W11).
 */
export interface Catalogue {
  /** The agents that do this for a tenant, in the order declared; none where the config names none. */
  find(command: string, tenant: string): readonly Offer[];
  commands(tenant: string): readonly string[];
}

/**
 * The catalogue of a config's services. Agents that share a capability must agree on what it takes, since any may get the task;
 * throws `config.invalid` where they do not.
 */
export function createCatalogue(services: readonly ServiceDefinition[]): Catalogue {
  const offers = new Map<string, Offer[]>();
  for (const service of services) {
    for (const agent of service.agents) {
      const offer = { service: service.name, tenants: service.tenants, agent };
      const same = offers.get(agent.capability) ?? [];
      const [first] = same;
      if (first !== undefined) checkAgreement(first, offer);
      offers.set(agent.capability, [...same, offer]);
    }
  }
  const names = [...offers.keys()].sort();
  const find = (command: string, tenant: string) =>
    (offers.get(command) ?? []).filter((offer) => isOpenTo(offer, tenant));
  return { find, commands: (tenant) => names.filter((command) => find(command, tenant).length > 0) };
}

function checkAgreement(first: Offer, other: Offer): void {
  const [a, b] = [first.agent, other.agent];
  const differences = [
    ...(a.risk === b.risk ? [] : ["risk"]),
    ...(a.joinable === b.joinable ? [] : ["joinable"]),
    ...(a.rememberMs === b.rememberMs ? [] : ["rememberMs"]),
    // Most capabilities have one agent, and those that share one often share its schema: only the rest cost the work of comparing.
    ...(a.input === b.input || shapeOf(a.input) === shapeOf(b.input) ? [] : ["input"]),
  ];
  if (differences.length === 0) return;
  throw new ViableError(
    "config.invalid",
    `"${a.name}" of ${first.service} and "${b.name}" of ${other.service} both offer "${a.capability}" but differ in ${differences.join(" and ")}.`,
    { next: "A capability is one promise: let them agree, or give one of them another capability." },
  );
}

/** What a schema takes, as text to be compared: without the words for people, and however its members are ordered. */
function shapeOf(input: z.ZodType): string {
  const schema = z.toJSONSchema(input, {
    io: "input",
    // What JSON Schema has no word for is not compared.
    unrepresentable: "any",
    override: ({ jsonSchema }) => {
      delete jsonSchema.title;
      delete jsonSchema.description;
      delete jsonSchema.examples;
      jsonSchema.required?.sort();
      jsonSchema.enum?.sort();
    },
  });
  return canonicalJson(JSON.parse(JSON.stringify(schema)));
}
