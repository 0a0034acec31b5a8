import { ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";

/** The same log, whose calls fail at once while the link is down. */
export function cutWhereDown(log: Log, link: { readonly up: boolean }): Log {
  const guard =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (!link.up) throw new ViableError("log.unavailable", "Cut off by the test.", { retryable: true });
      return await call(...args);
    };
  return {
    ...log,
    append: guard(log.append),
    getRecord: guard(log.getRecord),
    listRecords: guard(log.listRecords),
    watchRecords: guard((watchCtx, prefix, callback) =>
      log.watchRecords(watchCtx, prefix, (change) => {
        if (link.up) callback(change);
      }),
    ),
  };
}
