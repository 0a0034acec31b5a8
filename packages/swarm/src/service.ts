import { ViableError } from "@viable/kernel";
import type { AgentDefinition } from "./agent.ts";

export interface ServiceSettings {
  /** Lower case words joined by `-`. */
  readonly name: string;
  /** One sentence for people. */
  readonly description: string;
  /** The service's own port for `/health`, `/ready` and `/metrics`; 0 takes any free one. */
  readonly port: number;
  readonly agents: readonly AgentDefinition[];
  /** Workers at start, 3 to 5 in the seed. Default 3. */
  readonly workers?: number;
  /** Tasks that may wait for a worker; one more is refused as overloaded. Default 1,000. */
  readonly maxQueued?: number;
  /** Lower starts earlier (S14). Default 100. */
  readonly startPriority?: number;
  /**
   * Kept for while others take its work over: what it offers is used where no other live swarm offers it, and where a migration rule
   * sends a share of another service's tasks to it (S11). Default false.
   */
  readonly legacy?: boolean;
  /**
   * How the swarm's parts (memory, queen, pool, health monitor, meta client) are restarted when one dies. Default
   * `one-for-one`: they share no state that the others could not do without for a moment.
   */
  readonly supervision?: "one-for-one" | "one-for-all" | "rest-for-one";
}

/** A service as data. Its capabilities are those of its agents. */
export interface ServiceDefinition extends Required<ServiceSettings> {
  readonly kind: "service";
  readonly capabilities: readonly string[];
}

/** Defines a service: its own swarm, on its own port, offering what its agents can do. */
export function service(settings: ServiceSettings): ServiceDefinition {
  const fail = (field: string, reason: string): never => {
    throw new ViableError("config.invalid", `service "${settings.name}": ${field} ${reason}.`, {
      details: { path: `services.${settings.name}.${field}` },
    });
  };
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(settings.name)) fail("name", "must be lower case words joined by -");
  if (!Number.isInteger(settings.port) || settings.port < 0 || settings.port > 65_535)
    fail("port", "must be a whole number from 0 to 65535");
  if (settings.agents.length === 0) fail("agents", "must name at least one agent");
  const names = new Set<string>();
  for (const { name } of settings.agents) {
    if (names.has(name)) fail("agents", `names "${name}" twice`);
    names.add(name);
  }
  const workers = settings.workers ?? 3;
  if (!Number.isInteger(workers) || workers < 1 || workers > 1_000)
    fail("workers", "must be a whole number from 1 to 1000");
  const maxQueued = settings.maxQueued ?? 1_000;
  if (!Number.isInteger(maxQueued) || maxQueued < 0 || maxQueued > 1_000_000)
    fail("maxQueued", "must be a whole number from 0 to 1000000");
  return Object.freeze({
    kind: "service",
    name: settings.name,
    description: settings.description,
    port: settings.port,
    agents: Object.freeze([...settings.agents]),
    workers,
    maxQueued,
    startPriority: settings.startPriority ?? 100,
    legacy: settings.legacy ?? false,
    supervision: settings.supervision ?? "one-for-one",
    capabilities: Object.freeze([...new Set(settings.agents.map((each) => each.capability))]),
  });
}
