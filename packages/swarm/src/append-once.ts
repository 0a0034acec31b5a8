import type { Context } from "@viable/kernel";
import type { AppendOutcome, Log, RecordWrite } from "@viable/log";

/** How long a receipt is kept that is not written again, in milliseconds: far longer than any append is sent again. */
const receiptMs = 3_600_000;

/** Keys of receipts with which no append is under way: of each log as many as ever were at once. */
const freeKeys = new WeakMap<Log, string[]>();

/**
 * Appends records that others may overwrite at any time, and does so once: an append whose answer was lost is sent again, and the log knows one
 * without events by its id only while it was the last to write one of its records. So it writes one more, its receipt, which nobody else
 * writes until it is answered.
 */
export async function appendOnce(
  log: Log,
  ctx: Context,
  { id, records }: { readonly id: string; readonly records: readonly RecordWrite[] },
): Promise<AppendOutcome> {
  const free = freeKeys.get(log) ?? [];
  freeKeys.set(log, free);
  const key = free.pop() ?? `receipt/${id}`;
  const expiresAt = ctx.runtime.clock.now() + receiptMs;
  const outcome = await log.append(ctx, {
    id,
    records: [...records, { key, value: true, expected: "any", expiresAt }],
  });
  // Only now: where it failed it may be written yet, and its receipt is nobody else's.
  free.push(key);
  return outcome;
}
