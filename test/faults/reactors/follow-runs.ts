import { createRuntime, rootContext, sleep } from "@viable/kernel";
import type { Position, StoredEvent } from "@viable/log";
import { createLog, startPosition, toOrdinal } from "@viable/log";
import { openTarget } from "../log/open-target.ts";

/** How long a subscription that could not read is left, in milliseconds. */
const beginAgainMs = 100;
/** How long it may take to be told all that is stored: as long as the server may be away, and then some. */
const maxBehindMs = 60_000;

export interface RunFollower extends AsyncDisposable {
  /** Waits until it has told all that is stored by now; fails where that takes a minute. */
  caughtUp(): Promise<void>;
}

/** Tells what happens to runs, from the log itself and through every restart of its server, in the process of the test. */
export async function followRuns(connectionString: string, take: (event: StoredEvent) => void): Promise<RunFollower> {
  const runtime = createRuntime();
  const ctx = rootContext(runtime);
  const log = createLog(openTarget({ kind: "postgres", connectionString }), runtime);
  await log.start(ctx);
  let isOver = false;
  const begin = (after: Position): ReturnType<typeof log.subscribe> =>
    log.subscribe(ctx, {
      name: "runs",
      after,
      filter: { types: ["run.*"] },
      handle: take,
      onParked: (_, at) => {
        setTimeout(() => {
          if (!isOver) subscription = begin(at);
        }, beginAgainMs);
      },
    });
  let subscription = begin(startPosition);
  return {
    async caughtUp() {
      const head = toOrdinal(await log.head(ctx));
      for (const giveUpAt = Date.now() + maxBehindMs; toOrdinal(subscription.position) < head; ) {
        if (Date.now() > giveUpAt)
          throw new Error(`It has told all up to ${toOrdinal(subscription.position)}, and ${head} is stored.`);
        await sleep(ctx, beginAgainMs);
      }
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      subscription.stop();
      await log.stop(ctx);
    },
  };
}
