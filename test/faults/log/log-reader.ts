// A process that follows the log and tells what it sees, in the order it sees it.
import { createRuntime, rootContext, seededRandom } from "@viable/kernel";
import type { EventFilter, Position } from "@viable/log";
import { createLog } from "@viable/log";
import { follow } from "./follow.ts";
import { onStop, readSettings, tell } from "./lines.ts";
import type { Target } from "./open-target.ts";
import { openTarget } from "./open-target.ts";

export interface ReaderSettings {
  readonly target: Target;
  readonly seed: number;
  readonly after: Position;
  readonly filter?: EventFilter;
  /** 0 for a reader that never waits. */
  readonly maxPauseMs: number;
}

const settings = readSettings<ReaderSettings>();
const runtime = createRuntime();
const ctx = rootContext(runtime);
const log = createLog(openTarget(settings.target), runtime);
await log.start(ctx);
const { after, filter, maxPauseMs, seed } = settings;
const stopFollowing = follow(ctx, log, {
  after,
  ...(filter !== undefined && { filter }),
  ...(maxPauseMs > 0 && { slow: { maxPauseMs, random: seededRandom(seed) } }),
});
tell(["open"]);
onStop(async () => {
  await stopFollowing();
  await log.stop(ctx);
  process.exit(0);
});
