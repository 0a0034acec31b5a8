import type { Projection } from "@viable/log";
import type { ProcessManager, Schedule } from "@viable/reactors/define";
import { describeReactors } from "@viable/reactors/define";
import type { RoutingRule } from "@viable/registry/define";
import type { SystemDefinition } from "../define-system.ts";
import { isProcessManager } from "../define-system.ts";
import type { Settings } from "../settings.ts";
import { variable } from "../settings.ts";
import type { Shell } from "./shell.ts";
import { renderPairs, renderTable } from "./table.ts";

/** The environment variables that change something; each is named beside what it set. */
const variables = [
  "VIABLE_STATE_DIR",
  "DATABASE_URL",
  "VIABLE_SEALS_FILE",
  "XDG_CACHE_HOME",
  "VIABLE_HOST",
  "VIABLE_PORT",
  "VIABLE_THREADS",
  "VIABLE_SOCKETS",
  "VIABLE_SERVICE_PORTS",
];

/** How many of each a config has. */
export function countConfig({ services, commands, reactors, schedules, projections, pools }: SystemDefinition) {
  const processManagers = projections.filter(isProcessManager).length;
  return {
    services: services.length,
    agents: services.reduce((sum, each) => sum + each.agents.length, commands.length),
    reactors: reactors.length,
    schedules: schedules.length,
    projections: projections.length - processManagers,
    processManagers,
    pools: Object.keys(pools).length,
  };
}

/** A config as plain data. Functions are left out, and so is the password of a database. */
export function describeConfig(
  file: string,
  definition: SystemDefinition,
  settings: Settings,
  environment: Shell["environment"],
) {
  return {
    file,
    system: definition.name,
    settings: {
      stateDir: settings.stateDir,
      database: settings.databaseUrl === undefined ? "embedded" : withoutPassword(settings.databaseUrl),
      sealsFile: settings.sealsFile ?? "seals.jsonl in the state folder",
      cacheDir: settings.cacheDir,
      host: settings.host,
      port: settings.port,
      threads: settings.threads ?? "one less than there are cores",
      sockets: settings.sockets ?? definition.limits.sockets,
      servicePorts: settings.servicePorts,
      maxOpenExecutions: definition.limits.maxOpenExecutions,
      drainMs: definition.limits.drainMs,
      leaseMs: definition.limits.leaseMs,
    },
    fromEnvironment: variables.filter((name) => variable(environment, name) !== undefined),
    clients: definition.clients,
    policies: definition.policies,
    egress: definition.egress,
    services: definition.services.map(
      ({ name, description, port, workers, maxQueued, startPriority, supervision, agents, ...known }) => ({
        name,
        description,
        version: known.version,
        tags: known.tags,
        ...(known.subsystem !== undefined && { subsystem: known.subsystem }),
        ...(known.tenants !== undefined && { tenants: known.tenants }),
        port,
        workers,
        maxQueued,
        maxConcurrentDelegations: known.maxConcurrentDelegations,
        startPriority,
        supervision,
        agents: agents.map(describeAgent),
      }),
    ),
    commands: definition.commands.map(describeAgent),
    projections: definition.projections.flatMap((each) => (isProcessManager(each) ? [] : [describeProjection(each)])),
    processManagers: definition.projections.filter(isProcessManager).map(describeManager),
    schedules: definition.schedules.map(describeSchedule),
    reactors: describeReactors(definition.reactors, []).map(({ openRuns: _, ...described }) => described),
    pools: definition.pools,
    routing: definition.routing,
  };
}

const describeAgent = ({
  name,
  capability,
  description,
  risk,
  joinable,
  rememberMs,
  timeoutMs,
  maxAttempts,
  isolation,
}: SystemDefinition["commands"][number]) => ({
  name,
  capability,
  description,
  risk,
  joinable,
  rememberMs,
  timeoutMs,
  maxAttempts,
  isolation: isolation.kind,
});

const describeProjection = ({
  name,
  version,
  filter,
  consistency = "eventual",
  begins = "start",
  isReaction = false,
}: Projection) => ({ name, version, filter, consistency, begins, isReaction });

const describeManager = ({ name, reactor, on, begins }: ProcessManager) => ({
  name,
  reactor: reactor.name,
  begins,
  on: on.map(({ type, starts, sends }) => ({ type, starts: starts !== undefined, sends })),
});

const describeSchedule = ({ name, reactor, cron, timeZone, missed, overlap }: Schedule) => ({
  name,
  reactor: reactor.name,
  cron,
  timeZone,
  missed,
  overlap,
});

/** Who may take what a rule is for, and how one of them is chosen. */
function describeTarget({ to, policy, weights, refuse }: RoutingRule): [string, string] {
  if (refuse !== undefined) return [`nobody: ${refuse}`, ""];
  const { services, version, subsystem, tags } = to;
  const parts = [
    ...(services === undefined ? [] : [services.join(" or ")]),
    ...(version === undefined ? [] : [`version ${version}`]),
    ...(subsystem === undefined ? [] : [`subsystem ${subsystem}`]),
    ...(tags.length === 0 ? [] : [`tags ${tags.join(", ")}`]),
  ];
  const shares = Object.entries(weights).map(([service, share]) => `${service} ${share}`);
  return [
    parts.join(", ") || "whoever offers it",
    [policy, shares.join(", ")].filter((each) => each !== "").join(": "),
  ];
}

function withoutPassword(text: string): string {
  const url = URL.parse(text);
  if (url === null) return "a PostgreSQL server";
  if (url.password !== "") url.password = "***";
  // A password may also stand among the parameters.
  for (const name of [...url.searchParams.keys()]) if (/pass/i.test(name)) url.searchParams.set(name, "***");
  return url.href;
}

export function renderConfig(shell: Shell, shown: ReturnType<typeof describeConfig>): string {
  return [
    renderPairs(shell.out, [
      ["file", shown.file],
      ["system", shown.system],
      ...Object.entries(shown.settings).map(([name, value]): [string, string] => [name, String(value)]),
      ["from environment", shown.fromEnvironment.join(", ") || "nothing"],
    ]),
    "\n",
    renderTable(
      shell.out,
      ["SERVICE", "PORT", "WORKERS", "CAPABILITIES"],
      [...shown.services, { name: "(commands)", port: "", workers: "", agents: shown.commands }].map((service) => [
        service.name,
        String(service.port),
        String(service.workers),
        service.agents.map(({ capability }) => capability).join(", "),
      ]),
    ),
    ...(shown.projections.length === 0
      ? []
      : [
          "\n",
          renderTable(
            shell.out,
            ["PROJECTION", "VERSION", "CONSISTENCY", "BEGINS"],
            shown.projections.map(({ name, version, consistency, begins, isReaction }) => [
              isReaction ? `${name} (reaction)` : name,
              String(version),
              consistency,
              begins,
            ]),
          ),
        ]),
    ...(shown.reactors.length === 0
      ? []
      : [
          "\n",
          renderTable(
            shell.out,
            ["REACTOR", "VERSIONS", "STEPS", "REVERSIBLE"],
            shown.reactors.map(({ name, versions, steps, isReversible }) => [
              name,
              versions.map(({ version }) => version).join(", "),
              String(steps),
              isReversible ? "yes" : "no",
            ]),
          ),
        ]),
    ...(shown.schedules.length === 0
      ? []
      : [
          "\n",
          renderTable(
            shell.out,
            ["SCHEDULE", "BEGINS", "WHEN", "TIME ZONE"],
            shown.schedules.map(({ name, reactor, cron, timeZone }) => [name, reactor, cron, timeZone]),
          ),
        ]),
    ...(shown.processManagers.length === 0
      ? []
      : [
          "\n",
          renderTable(
            shell.out,
            ["PROCESS MANAGER", "DRIVES", "BY EVENTS"],
            shown.processManagers.map(({ name, reactor, on }) => [
              name,
              reactor,
              on.map(({ type }) => type).join(", "),
            ]),
          ),
        ]),
    ...(shown.routing.length === 0
      ? []
      : [
          "\n",
          renderTable(
            shell.out,
            ["ROUTING RULE", "CAPABILITIES", "TENANTS", "TO", "POLICY"],
            shown.routing.map((rule) => [
              rule.name,
              rule.capabilities.join(", "),
              rule.tenants?.join(", ") ?? "all",
              ...describeTarget(rule),
            ]),
          ),
        ]),
    ...(Object.keys(shown.pools).length === 0
      ? []
      : [
          "\n",
          renderTable(
            shell.out,
            ["POOL", "STEPS AT ONCE"],
            Object.entries(shown.pools).map(([pool, size]) => [pool, String(size)]),
          ),
        ]),
  ].join("");
}
