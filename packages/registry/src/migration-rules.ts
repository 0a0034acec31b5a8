import type { Context } from "@viable/kernel";
import { invariant, ViableError } from "@viable/kernel";
import type { Log, RecordChange } from "@viable/log";
import type { MigrationRule } from "@viable/protocol";
import { migrationRule } from "@viable/protocol";

/** A migration rule as it is kept. */
export interface Migration extends MigrationRule {
  /** Whose tasks it shares out. */
  readonly service: string;
  /** Grows with each change; give it back to change it only if nobody else has since. */
  readonly version: number;
}

/** What came of changing a rule. */
export type MigrationOutcome =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly reason: "conflict"; readonly actual: number }
  | { readonly ok: false; readonly reason: "too_many"; readonly max: number }
  | { readonly ok: false; readonly reason: "overloaded"; readonly retryAfterMs: number };

/** Rules that a system may have: more than it has services. Every process holds them all. */
const maxRules = 256;
/** Not under the prefix of entries: a service may be named `migration`. */
const rulePrefix = "migration/";

/** The migration rules as one process sees them: records of the log, watched. */
export function createMigrationRules(log: Log) {
  const rules = new Map<string, Migration>();
  let unwatch = () => {};

  const onChange = ({ key, value, version }: RecordChange) => {
    const service = key.slice(rulePrefix.length);
    const parsed = migrationRule.safeParse(value);
    // A rule of another version that we cannot read is one we cannot obey.
    if (parsed.success) rules.set(service, { service, ...parsed.data, version });
    else rules.delete(service);
  };

  return {
    of: (service: string): Migration | undefined => rules.get(service),
    all: (): Migration[] => [...rules.values()].sort((a, b) => (a.service < b.service ? -1 : 1)),
    async start(ctx: Context): Promise<void> {
      unwatch = await log.watchRecords(ctx, rulePrefix, onChange);
    },
    stop(): void {
      unwatch();
      rules.clear();
    },
    async set(
      ctx: Context,
      service: string,
      rule: MigrationRule | undefined,
      expected: number | "any",
    ): Promise<MigrationOutcome> {
      // Processes that begin to move services at the same moment may pass the bound by as many as they are.
      if (rule !== undefined && !rules.has(service) && rules.size >= maxRules)
        return { ok: false, reason: "too_many", max: maxRules };
      const value = rule === undefined ? null : { ...checkRule(service, rule) };
      const outcome = await log.append(ctx, { records: [{ key: rulePrefix + service, value, expected }] });
      if (outcome.ok) return { ok: true, version: outcome.recordVersions[0] ?? 0 };
      if (outcome.reason === "overloaded")
        return { ok: false, reason: "overloaded", retryAfterMs: outcome.retryAfterMs };
      invariant(outcome.reason === "record_conflict", "W8", `a rule alone was answered ${outcome.reason}`);
      return { ok: false, reason: "conflict", actual: outcome.actual };
    },
  };
}

function checkRule(service: string, rule: MigrationRule): MigrationRule {
  const parsed = migrationRule.safeParse(rule);
  if (parsed.success) return parsed.data;
  throw new ViableError(
    "registry.invalid_migration",
    `The migration rule of ${service} does not hold: ${parsed.error.issues[0]?.message}.`,
    { next: "Give percent as a number from 0 to 100: how many of a hundred tasks the service does itself." },
  );
}
