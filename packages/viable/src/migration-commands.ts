import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Migration, Registry } from "@viable/registry";
import { isOpenTo } from "@viable/registry/define";
import type { AgentContext, AgentDefinition, Executions, Memory, ServiceDefinition } from "@viable/swarm";
import { agent, contextOf } from "@viable/swarm";
import { z } from "zod";
import { compareExecution } from "./compare-execution.ts";
import type { MigrationTally } from "./migration-tally.ts";
import { readTally } from "./migration-tally.ts";
import type { MigrationWatch } from "./migration-watch.ts";

/** What moving services over needs to know of the system; asked when a command runs, since the system is put together after them. */
export interface MigrationSources {
  /** Those that the config declares. */
  readonly services: readonly ServiceDefinition[];
  registry(): Registry;
  executions(): Executions;
  /** That of the process that runs the command. */
  watch(): MigrationWatch;
}

/** In milliseconds; longer than agents are usually given, so that the other side ends by its own time and not by this. */
const compareTimeoutMs = 15 * 60_000;

/** Commands that move a service over from a legacy one that offers the same, watch it, and move it back (S11). */
export function migrationCommands(sources: MigrationSources): AgentDefinition[] {
  const name = z.string().min(1).max(100).describe("The service that takes over");
  return [
    agent({
      name: "migration-set",
      capability: "migration.set",
      description:
        "Sets how many of a hundred of a service's tasks it does itself, where a legacy service offers the same, and whether answers are compared.",
      risk: "high",
      input: z.strictObject({
        service: name,
        percent: z.coerce.number().min(0).max(100).optional().describe("Of its tasks; as it was, or 100, if not given"),
        compare: z
          .boolean()
          .optional()
          .describe("Have the other side do the same, and compare; as it was if not given"),
        expected: z.coerce
          .number()
          .int()
          .min(0)
          .optional()
          .describe("Only at this version of its rule; 0: if it has none"),
      }),
      handle: async (ctx, { service, percent, compare, expected }) => {
        const capabilities = movable(sources.services, service);
        const current = ruleOf(sources, service);
        const rule = { percent: percent ?? current?.percent ?? 100, compare: compare ?? current?.compare ?? false };
        const version = await change(sources, ctx, service, rule, expected ?? current?.version ?? 0);
        return { service, ...rule, version, capabilities };
      },
    }),
    agent({
      name: "migration-end",
      capability: "migration.end",
      description: "Takes a service's migration rule away: it does all of its tasks itself.",
      risk: "high",
      input: z.strictObject({ service: name }),
      handle: async (ctx, { service }) => {
        const current = ruleOf(sources, service);
        if (current !== undefined) await change(sources, ctx, service, undefined, current.version);
        return { service, ended: current !== undefined };
      },
    }),
    agent({
      name: "migration-status",
      capability: "migration.status",
      description: "Every service that moves over: its rule, where its tasks really went, and how answers compared.",
      risk: "low",
      input: z.strictObject({}),
      handle: async (ctx) => {
        // What is not open to a tenant is none of its services (W11).
        const services = sources.services.filter((each) => isOpenTo(each, ctx.tenant));
        const closed = new Set(sources.services.filter((each) => !services.includes(each)).map(({ name }) => name));
        const migrations: JsonValue[] = [];
        for (const rule of sources.registry().migrations())
          if (!closed.has(rule.service))
            migrations.push(await describe({ ...sources, services }, ctx.globalMemory, rule));
        return { migrations, legacy: services.filter((each) => each.legacy).map(describeLegacy(sources)) };
      },
    }),
    agent({
      name: "migration-compare",
      capability: "migration.compare",
      description: "Has the other side of a migration do what an execution did, and compares the answers.",
      risk: "low",
      timeoutMs: compareTimeoutMs,
      input: z.strictObject({ executionId: z.string().min(1).max(100).describe("The execution to compare") }),
      handle: async (ctx, { executionId }) => await compareExecution(sources, ctx, executionId),
    }),
  ];
}

const ruleOf = (sources: MigrationSources, service: string): Migration | undefined =>
  sources
    .registry()
    .migrations()
    .find((rule) => rule.service === service);

/** The legacy services that offer a capability. */
const legacyOf = (services: readonly ServiceDefinition[], capability: string): string[] =>
  services.filter((each) => each.legacy && each.capabilities.includes(capability)).map((each) => each.name);

/** What a service can move over: the capabilities that a legacy one offers too. Throws where that is nothing. */
function movable(services: readonly ServiceDefinition[], name: string): string[] {
  const found = services.find((each) => each.name === name);
  if (found === undefined) {
    const known = services.filter((each) => !each.legacy).map((each) => each.name);
    throw new ViableError("migration.unknown_service", `The config has no service "${name}".`, {
      next: `It has ${known.join(", ")}.`,
    });
  }
  const capabilities = found.capabilities.filter((each) => legacyOf(services, each).length > 0);
  if (!found.legacy && capabilities.length > 0) return capabilities;
  const what = found.legacy ? `${name} is a legacy service itself` : `No legacy service offers what ${name} does`;
  throw new ViableError("migration.nothing_to_move", `${what}: there is nothing to move over to it.`, {
    next: "Name a service that shares a capability with one that is defined with legacy: true.",
  });
}

async function change(
  sources: MigrationSources,
  ctx: AgentContext,
  service: string,
  rule: { percent: number; compare: boolean } | undefined,
  expected: number,
): Promise<number> {
  const outcome = await sources.registry().setMigration(contextOf(ctx), service, rule, { expected });
  if (outcome.ok) return outcome.version;
  switch (outcome.reason) {
    case "conflict":
      throw new ViableError(
        "migration.conflict",
        `The rule of ${service} is at version ${outcome.actual}, not ${expected}.`,
        {
          next: "Look at migration.status and decide anew.",
          details: { actual: outcome.actual },
        },
      );
    case "too_many":
      throw new ViableError(
        "migration.too_many",
        `There are ${outcome.max} migration rules, which is all there may be.`,
        {
          next: "End those that are done: migration.end.",
        },
      );
    case "overloaded":
      throw new ViableError("migration.overloaded", "The database does not take it now.", {
        retryable: true,
        next: `Try again in ${outcome.retryAfterMs} ms.`,
      });
  }
}

async function describe(sources: MigrationSources, memory: Memory, rule: Migration): Promise<JsonValue> {
  const { service, percent, compare, version } = rule;
  const { since, routed, skipped } = sources.watch().of(rule);
  const total = routed.service + routed.legacy;
  const definition = sources.services.find((each) => each.name === service);
  const capabilities: JsonValue[] = [];
  for (const capability of definition?.capabilities ?? []) {
    const legacy = legacyOf(sources.services, capability);
    if (legacy.length === 0) continue;
    const tally = await readTally(memory, service, capability);
    capabilities.push({ capability, legacy, ...(tally === undefined ? { compared: 0 } : describeTally(tally)) });
  }
  return {
    service,
    percent,
    compare,
    version,
    routed: {
      since: new Date(since).toISOString(),
      ...routed,
      ...(total > 0 && { percent: round((routed.service / total) * 100) }),
    },
    skipped,
    capabilities,
  };
}

function describeTally({ counted: _, meanMs, ...compared }: MigrationTally) {
  return { ...compared, meanMs: { service: round(meanMs.service), legacy: round(meanMs.legacy) } };
}

const describeLegacy =
  (sources: MigrationSources) =>
  ({ name, capabilities }: ServiceDefinition): JsonValue => ({
    service: name,
    capabilities: [...capabilities],
    fallbacks: sources.watch().fallbacks(name),
  });

/** Thousandths are more than anybody reads. */
const round = (number: number): number => Math.round(number * 1_000) / 1_000;
