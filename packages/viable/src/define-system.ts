import { nearestNames, ViableError } from "@viable/kernel";
import type { Projection } from "@viable/log/define";
import { checkProjections, reaction } from "@viable/log/define";
import type { ClientType, Role, RoleSettings } from "@viable/protocol";
import { accountName, addressPattern, roleShape } from "@viable/protocol";
import type { ProcessManager, ReactorDefinition, Schedule } from "@viable/reactors/define";
import { checkReactors, Definitions } from "@viable/reactors/define";
import type { RoutingRule, RoutingRuleSettings } from "@viable/registry/define";
import { checkRoutingRules } from "@viable/registry/define";
import type { ClientLimits, CommandPolicy, Policies } from "@viable/security";
import {
  baseClientLimits,
  builtInRoles,
  createPolicies,
  decidingCommand,
  matchesAddress,
  maxApprovalTimeoutMs,
} from "@viable/security";
import type { AgentDefinition, ReactorPlanAgent, ServiceDefinition } from "@viable/swarm/define";
import { createCatalogue, service } from "@viable/swarm/define";
import { z } from "zod";
import { maxSockets } from "./max-sockets.ts";

export interface SystemSettings {
  /** Lower case words joined by `-`. */
  readonly name: string;
  /** Each gets its own swarm. Any subset works: what is missing is said, the rest goes on. */
  readonly services: readonly ServiceDefinition[];
  /** Agents that belong to no one service: they run in the built-in swarm `system` and delegate to the others by capability. */
  readonly commands?: readonly AgentDefinition[];
  /**
   * What is to be kept up to date from the log, for agents to read (`ctx.projection`); and process managers, which drive runs of reactors by
   * its events.
   */
  readonly projections?: readonly (Projection | ProcessManager)[];
  /**
   * Sagas that commands begin (`reactor.start`). Several versions of one may be here: runs keep theirs, new ones begin with the highest.
   * Leave one in for as long as runs of it are open: without it they are parked.
   */
  readonly reactors?: readonly ReactorDefinition[];
  /** Runs that begin at planned times. What a schedule, or a process manager, begins acts for the system: its tasks may do what any command may. */
  readonly schedules?: readonly Schedule[];
  /** How many steps that take turns in a pool run at the same time in a process, by the pool's name. */
  readonly pools?: { readonly [name: string]: number };
  /**
   * Where tasks may go, and how one of several swarms is chosen. The first rule that a task meets is the one it goes by; without one it goes to
   * the least loaded that offers what it asks for. What every system has, and `commands`, go by none.
   */
  readonly routing?: readonly RoutingRuleSettings[];
  readonly gateway?: {
    /** Default 127.0.0.1: nobody from outside this machine until you say so. */
    readonly host?: string;
    /** Default 4100. 0 takes any free port. */
    readonly port?: number;
    /**
     * Addresses and networks, such as `10.0.0.0/8`, of proxies before the gateway: what they say in `X-Forwarded-For` is taken for where a request
     * comes from. Default none.
     */
    readonly trustedProxies?: readonly string[];
  };
  /**
   * What holds for commands whoever sends them, by patterns of addresses as capabilities have them: `command/database.*`. All that mean a command hold,
   * the strictest first.
   */
  readonly policies?: Readonly<Record<string, CommandPolicy>>;
  /** What may be called of addresses that somebody else names, such as receivers of webhooks. */
  readonly egress?: {
    /**
     * Names of hosts, addresses and ranges (`10.0.0.0/8`) that may be called although they are not the internet's. Whoever may send a command can
     * have them called then.
     */
    readonly allow?: readonly string[];
  };
  /** Roles that users may have, beside or in the place of `admin`, `operator` and `viewer`. One that does not say `administers` denies managing users. */
  readonly roles?: Readonly<Record<string, RoleSettings>>;
  /** Replaces the base authority of a kind of client, member by member. */
  readonly clients?: Partial<Record<ClientType, Partial<ClientLimits>>>;
  readonly limits?: {
    /** Executions without an outcome; one more is refused as overloaded. Default 10,000. */
    readonly maxOpenExecutions?: number;
    /** Threads that agents may compute in at once. Default one less than there are cores, at least one. */
    readonly threads?: number;
    /** How long a stop waits for running tasks before it leaves them to the next start, in milliseconds. Default 20,000. */
    readonly drainMs?: number;
    /**
     * How long a process that was not heard of is held for alive, in milliseconds, 2,000 to 60,000; then others do its work. Default 4,000: a crashed
     * process's work is taken over within five seconds, and a database that is started again within it costs nobody his lease. All processes of a
     * system must have the same.
     */
    readonly leaseMs?: number;
    /**
     * Sockets that clients may have open at each gateway, 1 to 100,000; one more is refused. Default 4,000: each takes a file descriptor, of which
     * some machines allow a process 4,096. For more, those must be allowed too. At rest each takes some 5 kB, and what lies here for one that does not
     * read takes up to a mebibyte. One token that is bound to no session may have a quarter of them.
     */
    readonly sockets?: number;
  };
}

/** A system as data. */
export interface SystemDefinition {
  readonly kind: "system";
  readonly name: string;
  readonly services: readonly ServiceDefinition[];
  readonly commands: readonly AgentDefinition[];
  readonly projections: readonly (Projection | ProcessManager)[];
  readonly reactors: readonly ReactorDefinition[];
  readonly schedules: readonly Schedule[];
  readonly pools: { readonly [name: string]: number };
  readonly routing: readonly RoutingRule[];
  readonly egress: { readonly allow: readonly string[] };
  readonly gateway: { readonly host: string; readonly port: number; readonly trustedProxies: readonly string[] };
  readonly roles: Readonly<Record<string, Role>>;
  readonly clients: Readonly<Record<ClientType, ClientLimits>>;
  readonly policies: Readonly<Record<string, CommandPolicy>>;
  readonly limits: {
    readonly maxOpenExecutions: number;
    readonly threads: number | undefined;
    readonly drainMs: number;
    readonly leaseMs: number;
    readonly sockets: number;
  };
}

/** The name of the built-in swarm. */
export const systemService = "system";
/** The commands that every system has: nobody else can offer them. What they do is in `system-commands.ts`. */
export const systemCapabilities: readonly string[] = [
  "approval.decide",
  "capability.revoke",
  "chat",
  "database.backup",
  "database.explain",
  "events.verify",
  "help",
  "memory.delete",
  "memory.set",
  "migration.compare",
  "migration.end",
  "migration.set",
  "migration.status",
  "projection.rebuild",
  "projection.skip",
  "reactor.cancel",
  "reactor.fork",
  "reactor.resume",
  "reactor.send",
  "reactor.start",
  "reactor.undo",
  "swarm.drain",
  "swarm.restart",
  "swarm.scale",
  "system.health",
  "system.swarms",
  "user.create",
  "user.disable",
  "user.enable",
  "user.revoke_key",
  "user.roles",
  "user.setting",
  "webhook.replay",
];

const shape = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, "must be lower case words joined by -"),
  services: z.array(z.custom<ServiceDefinition>((value) => isKind(value, "service"), "must be made by service({...})")),
  commands: z
    .array(z.custom<AgentDefinition>((value) => isKind(value, "agent"), "must be made by agent({...})"))
    .default([]),
  projections: z
    .array(
      z.custom<Projection | ProcessManager>(
        (value) => typeof (value as Partial<Projection>)?.project === "function" || isKind(value, "process_manager"),
        "must be a projection, with a function project, or made by processManager({...})",
      ),
    )
    .default([]),
  reactors: z
    .array(z.custom<ReactorDefinition>((value) => isKind(value, "reactor"), "must be made by reactor(...)"))
    .default([]),
  schedules: z
    .array(z.custom<Schedule>((value) => isKind(value, "schedule"), "must be made by schedule({...})"))
    .default([]),
  pools: z.record(z.string(), z.number()).default({}),
  // Each is checked below, together with what it names.
  routing: z.array(z.custom<RoutingRuleSettings>()).default([]),
  gateway: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1"),
      port: z.number().int().min(0).max(65_535).default(4100),
      trustedProxies: z
        .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()], "must be an address or a network: 10.0.0.0/8"))
        .max(100)
        .default([]),
    })
    .prefault({}),
  policies: z
    .record(
      addressPattern,
      z.strictObject({
        mode: z.enum(["allow", "ask", "block"]).optional(),
        approvalTimeoutMs: z.number().int().min(1_000).max(maxApprovalTimeoutMs).optional(),
        approvers: z.array(z.string().min(1).max(200)).min(1).max(100).optional(),
        risk: z.enum(["low", "medium", "high"]).optional(),
        commandsPerHour: z.number().int().min(1).max(1_000_000_000).optional(),
      }),
    )
    .default({}),
  // Each is read where it is used: what an address is, is known there.
  egress: z.strictObject({ allow: z.array(z.string()).default([]) }).prefault({}),
  roles: z.record(accountName, roleShape).default({}),
  clients: z
    .strictObject(
      Object.fromEntries(
        (["cli", "web", "api"] as const).map((type) => [
          type,
          z
            .strictObject({
              operations: z.array(z.enum(["read", "write", "execute"])).optional(),
              commandsPerHour: z.number().int().min(1).optional(),
              maxConcurrent: z.number().int().min(1).optional(),
            })
            .optional(),
        ]),
      ),
    )
    .prefault({}),
  limits: z
    .strictObject({
      maxOpenExecutions: z.number().int().min(1).max(1_000_000).default(10_000),
      threads: z.number().int().min(1).max(256).optional(),
      drainMs: z.number().int().min(0).max(3_600_000).default(20_000),
      leaseMs: z.number().int().min(2_000).max(60_000).default(4_000),
      sockets: z.number().int().min(1).max(maxSockets).default(4_000),
    })
    .prefault({}),
});

/**
 * Describes a system: what `viable.config.ts` default-exports. Throws `config.invalid` with the path and the reason where it
 * does not fit; checks what only shows when the parts stand together: a name or a port given twice.
 */
export function defineSystem(settings: SystemSettings): SystemDefinition {
  const parsed = shape.safeParse(settings);
  if (!parsed.success) {
    const issues = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the config"}: ${issue.message}`);
    throw new ViableError("config.invalid", issues.join("; "), {
      details: { path: parsed.error.issues[0]?.path.map(String).join(".") ?? "" },
    });
  }
  const { name, services, commands, projections, reactors, schedules, pools, routing, gateway, egress, roles, limits } =
    parsed.data;
  // A process manager stands among projections, and is known by its name there.
  checkProjections(
    projections.map((each) => (isProcessManager(each) ? reaction({ ...each, react: async () => {} }) : each)),
  );
  const agents = [...services.flatMap((each) => each.agents), ...commands];
  const managers = projections.filter(isProcessManager);
  const capabilities = [...agents.map(({ capability }) => capability), ...systemCapabilities];
  checkReactors(reactors, pools, { capabilities, managers });
  checkBeginnings(reactors, [...schedules, ...managers]);
  checkReactorPlans(agents, reactors);
  checkServices(services, gateway.port);
  checkCapabilities(agents);
  checkPolicies(parsed.data.policies as SystemDefinition["policies"], capabilities);
  checkApprovers(createPolicies(parsed.data.policies as SystemDefinition["policies"]), capabilities);
  const rules = checkRoutingRules(routing, {
    services: services.map((each) => each.name),
    capabilities: [...new Set(services.flatMap((each) => each.capabilities))],
  });
  // Made once here so that clashes of capabilities show now and not at start.
  createCatalogue(commands.length === 0 ? services : [...services, commandService(commands)]);
  return Object.freeze({
    kind: "system",
    name,
    services: Object.freeze([...services]),
    commands: Object.freeze([...commands]),
    projections: Object.freeze([...projections]),
    reactors: Object.freeze([...reactors]),
    schedules: Object.freeze([...schedules]),
    pools: Object.freeze(pools),
    routing: rules,
    gateway,
    policies: Object.freeze(parsed.data.policies) as SystemDefinition["policies"],
    egress,
    roles: Object.freeze({ ...builtInRoles, ...roles }),
    clients: mergeClients(parsed.data.clients as SystemSettings["clients"]),
    limits: {
      maxOpenExecutions: limits.maxOpenExecutions,
      threads: limits.threads,
      drainMs: limits.drainMs,
      leaseMs: limits.leaseMs,
      sockets: limits.sockets,
    },
  });
}

/** A policy that means no command keeps nobody from anything: it is a mistake. */
function checkPolicies(rules: SystemDefinition["policies"], capabilities: readonly string[]): void {
  const addresses = [...new Set(capabilities)].map((each) => `command/${each}`);
  for (const [pattern, policy] of Object.entries(rules)) {
    const meant = addresses.filter((address) => matchesAddress(pattern, address));
    checkAsking(pattern, policy, meant);
    if (meant.length > 0) continue;
    const near = nearestNames(pattern, addresses);
    const hint = near.length === 0 ? "" : `; near it are ${near.join(", ")}`;
    throw invalid(`policies.${pattern}`, `means no command of this system${hint}`);
  }
}

/** Who asks a person must be able to have an answer. */
function checkAsking(pattern: string, { mode, approvalTimeoutMs, approvers }: CommandPolicy, meant: readonly string[]) {
  const path = `policies.${pattern}`;
  if (mode !== "ask" && (approvalTimeoutMs !== undefined || approvers !== undefined))
    throw invalid(path, 'says how a person is asked, and not that one is: add mode "ask", or take it out');
  if (mode === "ask" && meant.length > 0 && meant.every((address) => address === `command/${decidingCommand}`))
    throw invalid(path, `asks a person for what decides on what persons are asked for: nobody could ever say yes`);
}

/** A command that nobody may decide on would wait for nothing. */
function checkApprovers(policies: Policies, capabilities: readonly string[]): void {
  for (const command of capabilities) {
    const { asks } = policies.of(command, "low");
    if (asks?.approvers?.length === 0)
      throw invalid(
        `policies.${asks.pattern}`,
        `leaves nobody who may decide on "${command}": no one is named by all that ask for it`,
      );
  }
}

/** Whether commands may have to wait for a person's approval. */
export const asksPersons = ({ policies }: Pick<SystemDefinition, "policies">): boolean =>
  Object.values(policies).some(({ mode }) => mode === "ask");

/** An agent whose work a run does needs its reactor here. */
function checkReactorPlans(
  agents: readonly (AgentDefinition | ReactorPlanAgent)[],
  reactors: readonly ReactorDefinition[],
): void {
  for (const agent of agents) {
    const { plan } = "plan" in agent ? agent : { plan: undefined };
    if (plan?.kind !== "reactor" || reactors.some(({ name }) => name === plan.reactor)) continue;
    throw invalid(
      `agent.${agent.name}.reactor`,
      `a run of "${plan.reactor}" is to do its work, which is not among the system's reactors`,
    );
  }
}

export const isProcessManager = (each: Projection | ProcessManager): each is ProcessManager =>
  "kind" in each && each.kind === "process_manager";

/** What begins runs must name the newest version of a reactor of the system, since runs begin with that; and names must tell schedules apart. */
function checkBeginnings(
  reactors: readonly ReactorDefinition[],
  beginnings: readonly (Schedule | ProcessManager)[],
): void {
  const definitions = new Definitions(reactors);
  const schedules = new Set<string>();
  for (const { kind, name, reactor } of beginnings) {
    const path = kind === "schedule" ? `schedules.${name}` : `projections.${name}`;
    if (kind === "schedule" && schedules.has(name)) throw invalid(path, `the schedule "${name}" is given twice`);
    if (kind === "schedule") schedules.add(name);
    const isHere = reactors.some((each) => each.name === reactor.name && each.hash === reactor.hash);
    if (!isHere) throw invalid(path, `it begins runs of "${reactor.name}", which is not among the system's reactors`);
    const newest = definitions.newest(reactor.name);
    if (newest.hash !== reactor.hash)
      throw invalid(
        path,
        `it names version ${reactor.version} of "${reactor.name}", and runs would begin with version ${newest.version}; name that one`,
      );
  }
}

function checkServices(services: readonly ServiceDefinition[], gatewayPort: number): void {
  const names = new Set<string>();
  const ports = new Map<number, string>();
  if (gatewayPort !== 0) ports.set(gatewayPort, "the gateway");
  for (const { name, port } of services) {
    if (name === systemService)
      throw invalid(`services.${name}`, `"${systemService}" is the name of the built-in swarm`);
    if (names.has(name)) throw invalid(`services.${name}`, `the service "${name}" is given twice`);
    names.add(name);
    const other = ports.get(port);
    if (other !== undefined)
      throw invalid(`services.${name}.port`, `port ${port} is given to both ${other} and "${name}"`);
    if (port !== 0) ports.set(port, `"${name}"`);
  }
}

function checkCapabilities(agents: readonly AgentDefinition[]): void {
  for (const { name, capability } of agents) {
    if (systemCapabilities.includes(capability))
      throw invalid(
        `agent.${name}.capability`,
        `"${capability}" is a command that every system has; give yours another name`,
      );
  }
}

function mergeClients(given: SystemSettings["clients"]): Record<ClientType, ClientLimits> {
  return {
    cli: { ...baseClientLimits.cli, ...given?.cli },
    web: { ...baseClientLimits.web, ...given?.web },
    api: { ...baseClientLimits.api, ...given?.api },
  };
}

/** The built-in service around some agents. It has no port of its own: the gateway answers for it. */
export const commandService = (agents: readonly AgentDefinition[]): ServiceDefinition =>
  service({
    name: systemService,
    description: "Commands of the system as a whole: memory, swarms, and what the config adds.",
    port: 0,
    agents,
    workers: 4,
    startPriority: 1_000,
  });

const isKind = (value: unknown, kind: string): boolean =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === kind;

const invalid = (path: string, reason: string): ViableError =>
  new ViableError("config.invalid", `${path}: ${reason}.`, { details: { path } });
