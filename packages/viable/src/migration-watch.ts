import type { Membership } from "@viable/cluster";
import type { Part, Runtime } from "@viable/kernel";
import { rootContext, toWire } from "@viable/kernel";
import type { Log, StoredEvent, Subscription } from "@viable/log";
import type { ExecutionEventData } from "@viable/protocol";
import type { Migration, Registry } from "@viable/registry";
import type { Grant } from "@viable/security";
import type { Catalogue, Executions, Intake } from "@viable/swarm";
import { executionStream } from "@viable/swarm";

export interface MigrationWatchSettings {
  readonly runtime: Runtime;
  readonly log: Log;
  readonly registry: Pick<Registry, "migrations">;
  readonly membership: Pick<Membership, "processId">;
  readonly executions: Pick<Executions, "whenSettled">;
  readonly intake: Pick<Intake, "submit">;
  readonly catalogue: Catalogue;
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem(message: string): void;
}

/** What was seen of one service's tasks since this process saw its migration rule as it is now. */
export interface WatchedMigration {
  /** Wall time in milliseconds. */
  readonly since: number;
  /** Tasks that any process routed to each side by this rule. */
  readonly routed: { readonly service: number; readonly legacy: number };
  /** Tasks of this process that were not compared. */
  readonly skipped: {
    /** Another of the service was being compared. */
    readonly busy: number;
    /** Doing them again could do harm: their agent's risk is not low. */
    readonly risk: number;
    /** The comparison was not let in. */
    readonly refused: number;
  };
}

/**
 * Watches the tasks of services that have a migration rule: counts which side they went to, and has those compared whose rule says so.
 *
 * A comparison is a command of its own, sent as the system through the intake like everybody's (W7), and nothing waits for it. A
 * process compares the tasks that were routed to it, one at a time for each service; what comes meanwhile is counted as skipped (W10).
 * What was under way when a process began to watch, or ended, is not compared.
 */
export interface MigrationWatch extends Part {
  of(rule: Migration): WatchedMigration;
  /** How many tasks went to this legacy service because nobody else was there, by any process, since this one began to watch. */
  fallbacks(legacy: string): number;
}

const outcomes = ["execution.completed", "execution.failed", "execution.cancelled", "execution.timed_out"];
/** Tasks under way that are followed to their end; more are skipped. They are compared one at a time, so more would only be remembered. */
const maxFollowed = 1_000;

interface Watched {
  readonly version: number;
  readonly since: number;
  readonly routed: { service: number; legacy: number };
  readonly skipped: { busy: number; risk: number; refused: number };
}

export function createMigrationWatch(settings: MigrationWatchSettings): MigrationWatch {
  const { runtime, log, registry, membership, executions, intake, catalogue } = settings;
  const watched = new Map<string, Watched>();
  const fallbacks = new Map<string, number>();
  /** Whose tasks they are, by the execution's stream. */
  const followed = new Map<string, string>();
  const comparing = new Set<string>();
  const life = new AbortController();
  let subscription: Subscription | undefined;

  const ruleOf = (service: string) => registry.migrations().find((rule) => rule.service === service);
  /** Counts begin anew with each version of a rule: what went by another percentage says nothing of this one. */
  const countsOf = ({ service, version }: Migration): Watched => {
    const known = watched.get(service);
    if (known?.version === version) return known;
    const fresh: Watched = {
      version,
      since: runtime.clock.now(),
      routed: { service: 0, legacy: 0 },
      skipped: { busy: 0, risk: 0, refused: 0 },
    };
    watched.set(service, fresh);
    return fresh;
  };

  const onAccepted = (
    stream: string,
    tenant: string,
    { command, route, joinedTo, approval }: ExecutionEventData<"execution.accepted">,
  ) => {
    const { migration, chosen, pinned, candidates } = route;
    if (migration === undefined) {
      const isFallback = pinned === undefined && candidates[0]?.legacy === true;
      if (isFallback) fallbacks.set(chosen.service, (fallbacks.get(chosen.service) ?? 0) + 1);
      return;
    }
    const rule = ruleOf(migration.service);
    // Decided by a process that had not seen the rule as it is now.
    if (rule === undefined || rule.percent !== migration.percent) return;
    const { routed, skipped } = countsOf(rule);
    routed[migration.side] += 1;
    // What joins equal work gets an answer that is not its side's; what another process does is compared there.
    if (!rule.compare || joinedTo !== undefined || chosen.processId !== membership.processId) return;
    // What a person was asked for is not done once more without asking.
    if (approval !== undefined || catalogue.find(command, tenant)[0]?.agent.risk !== "low") skipped.risk += 1;
    else if (followed.size >= maxFollowed) skipped.busy += 1;
    else followed.set(stream, rule.service);
  };

  const onOutcome = ({ stream, type, metadata }: StoredEvent) => {
    const service = followed.get(stream);
    if (service === undefined) return;
    followed.delete(stream);
    const rule = ruleOf(service);
    if (rule?.compare !== true || (type !== "execution.completed" && type !== "execution.failed")) return;
    if (comparing.has(service)) {
      countsOf(rule).skipped.busy += 1;
      return;
    }
    comparing.add(service);
    void compare(stream.slice(executionStream("").length), metadata.tenant)
      .catch(() => false)
      .then((letIn) => {
        comparing.delete(service);
        if (!letIn) countsOf(rule).skipped.refused += 1;
      });
  };

  /** Resolves when it has been compared, to whether that was let in. */
  const compare = async (executionId: string, tenant: string): Promise<boolean> => {
    const ctx = rootContext(runtime, { tenant, signal: life.signal });
    const outcome = await intake.submit(ctx, {
      grant: systemGrant(tenant),
      command: "migration.compare",
      args: { executionId },
      idempotencyKey: `migration.compare ${executionId}`,
    });
    if (!outcome.ok) return false;
    // However it ends: the next may be compared then.
    await executions.whenSettled(ctx, outcome.executionId).catch(() => undefined);
    return true;
  };

  return {
    of: countsOf,
    fallbacks: (legacy) => fallbacks.get(legacy) ?? 0,
    async start(ctx) {
      subscription = log.subscribe(ctx, {
        name: "migration watch",
        after: "now",
        filter: { types: ["execution.accepted", ...outcomes] },
        handle: (event) => {
          if (event.type === "execution.accepted")
            onAccepted(
              event.stream,
              event.metadata.tenant,
              event.data as unknown as ExecutionEventData<"execution.accepted">,
            );
          else onOutcome(event);
        },
        onParked: (error) =>
          settings.onProblem(`Migrations are not watched any more until the next start: ${toWire(error).message}`),
      });
    },
    async stop() {
      subscription?.stop();
      life.abort();
    },
  };
}

/** Comparisons an hour that the system lets itself in for: one a second on average, whatever has rules. */
const comparisonsPerHour = 3_600;

/** The system's own authority to compare: what is compared has a low risk, so it needs no more than to write. */
const systemGrant = (tenant: string): Grant => ({
  tokenId: `system:migration-watch/${tenant}`,
  tenant,
  principal: "system",
  clientType: "system",
  operations: ["read", "write"],
  sessionId: undefined,
  commandsPerHour: comparisonsPerHour,
  maxConcurrent: undefined,
  expiresAt: null,
});
