import type { Membership } from "@viable/cluster";
import type { View, ViewRequest } from "@viable/gateway";
import { newestFirst, pageLimit, queryNumber, textParameter } from "@viable/gateway";
import type { Context, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log, Position, ProjectionStatus, Projections } from "@viable/log";
import { isPosition } from "@viable/log";
import type { Discovery, MemoryEntryView, ProjectionView, RegistryMetrics, Traffic } from "@viable/protocol";
import { commandList, deadLetterPage, discovery, memoryPage, projectionList, registryMetrics } from "@viable/protocol";
import type { Registry } from "@viable/registry";
import type { Policies } from "@viable/security";
import type { AccessCounter, Catalogue, MemoryEntry } from "@viable/swarm";
import { createMemory, globalMemoryService } from "@viable/swarm";
import { describeCommands } from "./describe-command.ts";

export interface ViewSources {
  readonly catalogue: Catalogue;
  readonly registry: Registry;
  readonly log: Log;
  readonly accesses: AccessCounter;
  readonly membership: Membership;
  readonly projections: Projections;
  readonly policies: Policies;
  traffic(): readonly Traffic[];
}

/** The reads that the system offers under `/v1`. */
export function systemViews({
  catalogue,
  registry,
  log,
  accesses,
  membership,
  projections,
  policies,
  traffic,
}: ViewSources): View[] {
  return [
    {
      name: "commands",
      scope: "session",
      path: "/commands",
      operation: "commands",
      summary: "What may be sent: all commands that the tenant may know of",
      answer: commandList,
      read: (ctx) =>
        ({ commands: describeCommands(catalogue, registry, policies, ctx.tenant) }) as unknown as JsonValue,
    },
    {
      name: "registry",
      scope: "session",
      path: "/registry/discover",
      operation: "discover",
      summary: "Who offers a capability, or belongs to a subsystem, or has tags",
      answer: discovery,
      query: {
        capability: textParameter("A name such as `secret_scan`."),
        version: textParameter("A range as npm writes it: `^1.4`."),
        subsystem: textParameter("The part of the system it belongs to."),
        tag: textParameter("Tags, with commas between; all must hold."),
        tenant: textParameter("The reader's own, which is taken where absent."),
      },
      problems: { 422: ["registry.invalid_query"] },
      read: (ctx, { query }) => discover(registry, ctx, query) as unknown as JsonValue,
    },
    {
      name: "dead letters",
      path: "/registry/dead-letters",
      operation: "deadLetters",
      summary: "Tasks that came to nothing before anybody ended them, the newest first",
      answer: deadLetterPage,
      query: newestFirst(100, 1_000),
      problems: { 422: ["registry.invalid_query"] },
      read: async (ctx, { query }) =>
        (await registry.deadLetters(ctx, {
          limit: queryNumber(query, "limit", 100, 1_000),
          before: query.before ? checkPosition(query.before) : undefined,
        })) as unknown as JsonValue,
    },
    {
      name: "registry metrics",
      scope: "session",
      path: "/registry/metrics",
      operation: "registryMetrics",
      summary: "What the registry of this process has done since it started, and what crosses between swarms",
      answer: registryMetrics,
      read: () => readRegistryMetrics(registry, membership, traffic()) as unknown as JsonValue,
    },
    {
      name: "projections",
      path: "/projections",
      operation: "projections",
      summary: "Projections, and how far each has come",
      answer: projectionList,
      read: async (ctx) =>
        ({ projections: (await projections.status(ctx)).map(toProjectionView) }) as unknown as JsonValue,
    },
    {
      name: "memory",
      path: "/memory",
      operation: "memory",
      summary: "Entries of a service's memory, or of the memory that all share, by their keys",
      answer: memoryPage,
      query: {
        service: textParameter("Whose memory; that of all where absent."),
        namespace: textParameter("`default` where absent."),
        key: textParameter("This entry alone."),
        prefix: textParameter("Keys that begin with it."),
        limit: pageLimit(100, 1_000),
        after: textParameter("The key to go on after."),
      },
      read: async (ctx, { query }) => {
        const service = query.service ?? globalMemoryService;
        const memory = createMemory(log, ctx, service, accesses);
        const namespace = query.namespace ?? "default";
        const found =
          query.key === undefined
            ? await memory.list(namespace, {
                limit: queryNumber(query, "limit", 100, 1_000),
                ...(query.prefix !== undefined && { prefix: query.prefix }),
                ...(query.after !== undefined && { after: query.after }),
              })
            : [await memory.get(query.key, namespace)].filter((entry) => entry !== undefined);
        return { entries: found.map((entry) => toMemoryEntryView(service, entry)) } as unknown as JsonValue;
      },
    },
  ];
}

function checkPosition(text: string): Position {
  if (isPosition(text)) return text;
  throw new ViableError("registry.invalid_query", "That is not a position of this log.", {
    next: "Go on from the `next` of the page before.",
  });
}

/** Answers what is asked of who offers what: of the caller's own tenant, and of no other (W11). */
function discover(registry: Registry, ctx: Context, query: ViewRequest["query"]): Discovery {
  const { capability, version, subsystem, tag, tenant = ctx.tenant } = query;
  if (!capability && !subsystem && !tag)
    throw new ViableError("registry.invalid_query", "Name a capability, a subsystem or tags: ?capability=secret_scan.");
  if (tenant !== ctx.tenant)
    throw new ViableError("registry.invalid_query", `What is open to "${tenant}" is shown to that tenant.`, {
      next: `Ask with a token of its own, or leave the tenant out: yours is "${ctx.tenant}".`,
    });
  const tags = tag?.split(",").filter((each) => each !== "");
  return registry.discover(capability || undefined, { version, tenant, subsystem: subsystem || undefined, tags });
}

const toProjectionView = ({ parked, ...rest }: ProjectionStatus): ProjectionView => ({
  ...rest,
  ...(parked !== undefined && { parked: { ...parked, since: toIso(parked.since) } }),
});

function toMemoryEntryView(service: string, entry: MemoryEntry): MemoryEntryView {
  const { value, metadata, createdAt, updatedAt, expiresAt, lastAccessAt, ...rest } = entry;
  return {
    service,
    ...rest,
    value: value as MemoryEntryView["value"],
    ...(metadata !== undefined && { metadata: metadata as NonNullable<MemoryEntryView["metadata"]> }),
    createdAt: toIso(createdAt),
    updatedAt: toIso(updatedAt),
    ...(expiresAt !== null && { expiresAt: toIso(expiresAt) }),
    ...(lastAccessAt !== null && { lastAccessAt: toIso(lastAccessAt) }),
  };
}

const toIso = (ms: number): string => new Date(ms).toISOString();

function readRegistryMetrics(registry: Registry, membership: Membership, traffic: readonly Traffic[]): RegistryMetrics {
  const sum = (count: (each: Traffic) => number) => traffic.reduce((total, each) => total + count(each), 0);
  const ended = sum(({ completed, failed, refused }) => completed + failed + refused);
  return {
    processId: membership.processId,
    registry: registry.stats(),
    traffic: [...traffic],
    ...(ended > 0 && { successRate: sum(({ completed }) => completed) / ended }),
  };
}
