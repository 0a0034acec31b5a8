import { ViableError } from "@viable/kernel";
import { registration } from "@viable/protocol";
import type { AgentDefinition } from "./agent.ts";
import type { QueryDefinition } from "./queries/query.ts";

export interface ServiceSettings {
  /** Lower case words joined by `-`. */
  readonly name: string;
  /** One sentence for people. */
  readonly description: string;
  /** The service's own port for `/health`, `/ready` and `/metrics`; 0 takes any free one. */
  readonly port: number;
  readonly agents: readonly AgentDefinition[];
  /** What it answers at once, read-only and unrecorded. Default none. */
  readonly queries?: readonly QueryDefinition[];
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
  /** By SemVer, such as `1.4.0`: routing rules and whoever looks for it may ask for a range. Default `0.0.0`, which promises nothing. */
  readonly version?: string;
  /** What else it may be looked for by: lower case words joined by `. _ : / -`, such as `gpu` or `region:eu`. At most 32. */
  readonly tags?: readonly string[];
  /** The part of the system that it belongs to, such as `storage`. */
  readonly subsystem?: string;
  /** The tenants that may find and use it; all of them unless told (W11). */
  readonly tenants?: readonly string[];
  /**
   * Tasks that its agents may have delegated and not got an outcome of, in one process; one more is refused as overloaded. Default 100: the
   * seed's `max_concurrent_delegations`.
   */
  readonly maxConcurrentDelegations?: number;
  /**
   * `process`: its swarm runs in a process of its own that this one starts, watches and restarts, where the database is a server that both can
   * reach; on the embedded one it runs with the others. It is started again however often it ends, and ended where it has stood still for longer
   * than the longest of its agents' `timeoutMs`. Default `shared`.
   */
  readonly isolation?: "shared" | "process";
  /**
   * Of all processes that host it one at a time runs its swarm; when that one is gone, or leaves, another does. For what must not be done by two at
   * once, such as what talks to a device. Default false.
   */
  readonly singleton?: boolean;
  /**
   * With `isolation: "process"`, the heap that process may use, in MiB: over it it ends, and is started again. What lies outside the heap, such as
   * buffers, does not count. Default 1,024.
   */
  readonly maxMemoryMb?: number;
  /**
   * How the swarm's parts (memory, queen, pool, health monitor, meta client) are restarted when one dies. Default
   * `one-for-one`: they share no state that the others could not do without for a moment.
   */
  readonly supervision?: "one-for-one" | "one-for-all" | "rest-for-one";
}

const entryShape = registration.pick({ capabilities: true, version: true, tags: true, subsystem: true, tenants: true });

/** A service as data. Its capabilities are those of its agents. */
export interface ServiceDefinition
  extends Required<Omit<ServiceSettings, "subsystem" | "tenants">>,
    Pick<ServiceSettings, "subsystem" | "tenants"> {
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
  const queries = settings.queries ?? [];
  if (settings.agents.length === 0 && queries.length === 0) fail("agents", "must name at least one agent or query");
  for (const [field, named] of [
    ["agents", settings.agents],
    ["queries", queries],
  ] as const) {
    const names = new Set<string>();
    for (const { name } of named) {
      if (names.has(name)) fail(field, `names "${name}" twice`);
      names.add(name);
    }
  }
  const workers = settings.workers ?? 3;
  if (!Number.isInteger(workers) || workers < 1 || workers > 1_000)
    fail("workers", "must be a whole number from 1 to 1000");
  const maxQueued = settings.maxQueued ?? 1_000;
  if (!Number.isInteger(maxQueued) || maxQueued < 0 || maxQueued > 1_000_000)
    fail("maxQueued", "must be a whole number from 0 to 1000000");
  const maxConcurrentDelegations = settings.maxConcurrentDelegations ?? 100;
  if (!Number.isInteger(maxConcurrentDelegations) || maxConcurrentDelegations < 1 || maxConcurrentDelegations > 10_000)
    fail("maxConcurrentDelegations", "must be a whole number from 1 to 10000");
  const maxMemoryMb = settings.maxMemoryMb ?? 1_024;
  if (!Number.isInteger(maxMemoryMb) || maxMemoryMb < 64 || maxMemoryMb > 1_048_576)
    fail("maxMemoryMb", "must be a whole number from 64 to 1048576");
  const capabilities = [...new Set(settings.agents.map((each) => each.capability))];
  // What it says of itself must hold where others read it.
  const known = entryShape.safeParse({ ...settings, capabilities });
  if (!known.success) {
    const [issue] = known.error.issues;
    return fail(issue?.path.join(".") ?? "settings", issue?.message ?? "do not fit");
  }
  const { version, tags, subsystem, tenants } = known.data;
  return Object.freeze({
    kind: "service",
    name: settings.name,
    description: settings.description,
    port: settings.port,
    agents: Object.freeze([...settings.agents]),
    queries: Object.freeze([...queries]),
    workers,
    maxQueued,
    startPriority: settings.startPriority ?? 100,
    legacy: settings.legacy ?? false,
    version,
    tags: Object.freeze(tags),
    ...(subsystem !== undefined && { subsystem }),
    ...(tenants !== undefined && { tenants: Object.freeze(tenants) }),
    maxConcurrentDelegations,
    isolation: settings.isolation ?? "shared",
    singleton: settings.singleton ?? false,
    maxMemoryMb,
    supervision: settings.supervision ?? "one-for-one",
    capabilities: Object.freeze(capabilities),
  });
}
