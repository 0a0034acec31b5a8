import { createRuntime, rootContext } from "@viable/kernel";
import type { Log, StoredEvent, StoredRecord } from "@viable/log";
import { createLog, toOrdinal, toPosition } from "@viable/log";
import type { Told, Violation } from "./check-log.ts";
import { LogCheck } from "./check-log.ts";
import type { StoredOrder } from "./check-reading.ts";
import type { LogProcess } from "./child-process.ts";
import type { Target } from "./open-target.ts";
import { openTarget } from "./open-target.ts";

/** As many events as one read answers at most. */
const pageEvents = 10_000;

/** Opens the log as any process would, and lets go of it. */
export async function withLog<T>(target: Target, use: (log: Log) => Promise<T>): Promise<T> {
  const runtime = createRuntime();
  const log = createLog(openTarget(target), runtime);
  const ctx = rootContext(runtime);
  await log.start(ctx);
  try {
    return await use(log);
  } finally {
    await log.stop(ctx);
  }
}

/** What has been read of a database so far. Grows with each look; `order` is what readers are held against. */
export interface Known {
  readonly check: LogCheck;
  readonly order: StoredOrder & { readonly ids: string[]; readonly streams: string[] };
}

export const nothingKnown = (): Known => ({ check: new LogCheck(), order: { ids: [], streams: [] } });

/** Reads what is new in a database and holds it against what was told of it. Nobody must be writing. */
export function judgeDatabase(target: Target, known: Known, told: Told): Promise<readonly Violation[]> {
  const ctx = rootContext(createRuntime());
  return withLog(target, async (log) => {
    const head = toOrdinal(await log.head(ctx));
    for (;;) {
      const page = await log.readAll(ctx, { from: toPosition(known.check.position), limit: pageEvents });
      for (const event of page) take(known, event);
      if (page.length < pageEvents) break;
    }
    return known.check.judge(told, head, await listRecords(log));
  });
}

function take(known: Known, event: StoredEvent): void {
  known.check.take(event);
  known.order.ids.push(event.id);
  known.order.streams.push(event.stream);
}

async function listRecords(log: Log): Promise<StoredRecord[]> {
  const ctx = rootContext(createRuntime());
  const records: StoredRecord[] = [];
  for (let after = ""; ; ) {
    const page = await log.listRecords(ctx, "", { after, limit: pageEvents });
    records.push(...page.records);
    if (page.isEnd) return records;
    after = records.at(-1)?.key ?? "";
  }
}

/** What processes that have ended have told. */
export function toldBy(processes: readonly LogProcess[]): Told {
  const acks = processes.flatMap((each) => each.acks);
  const conflicts = new Set(processes.flatMap((each) => [...each.conflicts]));
  return { acks, conflicts, isAll: true };
}

/** What processes complained of, as violations. */
export const complaintsOf = (processes: readonly LogProcess[]): Violation[] =>
  processes.flatMap((each) => each.complaints.map((text) => ({ kind: "refused" as const, text })));

/** How many violations there are of each kind, for a result. */
export const counts = (violations: readonly Violation[], kinds: readonly Violation["kind"][]): Record<string, number> =>
  Object.fromEntries(kinds.map((kind) => [kind, violations.filter((violation) => violation.kind === kind).length]));
