import { nearestNames, ViableError } from "@viable/kernel";
import type { SystemDefinition } from "./define-system.ts";

/** What a process can be for a system. */
export const roles = ["gateway", "swarm"] as const;
/** `gateway`: clients come in by it. `swarm`: it carries tasks and runs of reactors out. */
export type Role = (typeof roles)[number];

/** What one process runs of a system; others on the same database run the rest. */
export interface Hosting {
  readonly roles: readonly Role[];
  /** Services whose swarms run here, in the config's order. The built-in one is in every process that has swarms, and not named. */
  readonly services: readonly string[];
  /** Of these, which run in a process of their own that this one starts. One that was asked for by name runs here. */
  readonly apart: readonly string[];
}

/** What is asked of a process, as people write it: names joined by commas. */
export interface HostingAsked {
  readonly only?: string | undefined;
  readonly roles?: string | undefined;
}

/** The whole of a system in one process. */
export const hostAll = (system: SystemDefinition): Hosting => ({
  roles,
  services: system.services.map(({ name }) => name),
  apart: system.services.filter(({ isolation }) => isolation === "process").map(({ name }) => name),
});

/**
 * What a process is to run. Throws `config.invalid` for what is no service or no role, and where nothing would be left to run; `source` says how
 * each was asked for, for the message.
 */
export function readHosting(
  system: SystemDefinition,
  asked: HostingAsked,
  source: { readonly only: string; readonly roles: string },
): Hosting {
  const all = hostAll(system);
  const asksFor = (name: string, given: string | undefined, known: readonly string[], what: string) =>
    given === undefined ? known : known.filter((each) => readNames(name, given, known, what).has(each));
  const chosen = asksFor(source.roles, asked.roles, roles, "role") as readonly Role[];
  const services = asksFor(source.only, asked.only, all.services, "service");
  if (chosen.includes("swarm")) return { roles: chosen, services, apart: asked.only === undefined ? all.apart : [] };
  if (asked.only !== undefined)
    throw invalid(
      `${source.only} names services, and a process without the role swarm runs none.`,
      `Leave one of ${source.only} and ${source.roles} out, or add swarm to the roles.`,
    );
  return { roles: chosen, services: [], apart: [] };
}

/** Whether some of the system is left to other processes. */
export const isPart = (system: SystemDefinition, hosting: Hosting): boolean =>
  hosting.roles.length < roles.length || hosting.services.length < system.services.length;

function readNames(source: string, given: string, known: readonly string[], what: string): ReadonlySet<string> {
  const names = new Set(
    given
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
  );
  if (names.size === 0) throw invalid(`${source} names no ${what}.`, `Name some of ${known.join(", ")}.`);
  for (const name of names) {
    if (known.includes(name)) continue;
    const near = nearestNames(name, known);
    const hint = near.length === 0 ? `There are ${known.join(", ")}.` : `Did you mean ${near.join(" or ")}?`;
    throw invalid(`${source}: "${name}" is no ${what} of this system.`, hint);
  }
  return names;
}

const invalid = (message: string, next: string): ViableError => new ViableError("config.invalid", message, { next });

/** What a machine offers a system, as its settings have it. */
interface Offered {
  readonly databaseUrl?: string | undefined;
  readonly natsUrl?: string | undefined;
  readonly hosting?: Hosting | undefined;
}

/** What a system asks for and does not have on this machine, in a sentence each: it runs all the same, with less. */
export function noteHosting(system: SystemDefinition, offered: Offered): readonly string[] {
  return [tellTogether(system, offered), tellUnasked(system, offered)].filter((note) => note !== undefined);
}

function tellTogether(system: SystemDefinition, { databaseUrl }: Offered): string | undefined {
  const { apart } = hostAll(system);
  if (apart.length === 0 || databaseUrl !== undefined) return undefined;
  return `${apart.join(", ")} run${apart.length === 1 ? "s" : ""} with the others: a process of its own needs a PostgreSQL server (DATABASE_URL), since nobody else can open the embedded database.`;
}

/** Tasks reach another process by the database. Queries have only the bus. */
function tellUnasked(system: SystemDefinition, { databaseUrl, natsUrl, hosting = hostAll(system) }: Offered) {
  if (databaseUrl === undefined || natsUrl !== undefined) return undefined;
  const elsewhere = system.services.filter(
    ({ name, queries, singleton }) =>
      queries.length > 0 && (singleton || hosting.apart.includes(name) || !hosting.services.includes(name)),
  );
  if (elsewhere.length === 0) return undefined;
  const names = elsewhere.map(({ name }) => name).join(", ");
  return `The queries of ${names} cannot be asked from here while ${elsewhere.length === 1 ? "it runs" : "they run"} in another process: between processes they need NATS (NATS_URL). Tasks do not.`;
}
