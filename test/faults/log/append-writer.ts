// A process of many writers on one log, each appending one thing after the other and telling what was acknowledged. It ends when it is
// asked to, after its last answers, or by whatever the test does to it.
import { codeOf, createRuntime, rootContext, seededRandom, sleep } from "@viable/kernel";
import type { AppendOutcome, Log, Position } from "@viable/log";
import { createLog } from "@viable/log";
import { follow } from "./follow.ts";
import { onStop, readSettings, tell } from "./lines.ts";
import type { Target } from "./open-target.ts";
import { openTarget } from "./open-target.ts";
import type { Known, Mix, Plan } from "./workload.ts";
import { drawAppend, learn, toRequest } from "./workload.ts";

export interface WriterSettings {
  readonly target: Target;
  /** Different in every process ever started on the database: ids of appends begin with it. */
  readonly name: string;
  /** Names the streams of its own, which outlive the process. */
  readonly slot: string;
  readonly seed: number;
  readonly writers: number;
  readonly mix: Mix;
  /** A writer waits up to this long before it appends again, in milliseconds. */
  readonly maxPauseMs: number;
  /** After which position the process also follows the log; where it is absent, it does not. */
  readonly follows?: Position;
}

/**
 * One in so many acknowledged appends is sent a second time: the answer must be the same. Of events alone so few that most flushes hold
 * none, since one keeps a flush off the shortest way.
 */
const repeatEvery = { everything: 16, events: 2_000 } as const;
/** How often an append is tried whose fate is unknown. Each takes up to 10 s in group commit. */
const maxTries = 30;
/** How long a writer waits where the disk is full, in milliseconds. */
const noSpacePauseMs = 500;

const settings = readSettings<WriterSettings>();
const runtime = createRuntime();
const ctx = rootContext(runtime);
const log = createLog(openTarget(settings.target), runtime);
await log.start(ctx);
tell(["open"]);
let stopping = false;
onStop(() => {
  stopping = true;
});
const stopFollowing = settings.follows === undefined ? undefined : follow(ctx, log, { after: settings.follows });
const known: Known = new Map();
await Promise.all(Array.from({ length: settings.writers }, (_, writer) => write(writer)));
await stopFollowing?.();
await log.stop(ctx);
process.exit(0);

async function write(writer: number): Promise<void> {
  const random = seededRandom(settings.seed * 1_000 + writer);
  for (let nr = 1; !stopping; nr++) {
    if (settings.maxPauseMs > 0) await sleep(ctx, random.next() * settings.maxPauseMs);
    const id = `${settings.name}-${writer}-${nr}`;
    const plan = drawAppend(random, id, `${settings.slot}/${writer}`, known, settings.mix);
    const outcome = await appendUntilAnswered(log, plan);
    if (outcome === undefined) continue;
    report(plan, outcome);
    if (outcome.ok && random.next() * repeatEvery[settings.mix] < 1) await repeat(plan);
  }
}

function report(plan: Plan, outcome: AppendOutcome): void {
  if (outcome.ok) {
    learn(known, plan, outcome.versions, outcome.recordVersions);
    acknowledge(plan, outcome);
    return;
  }
  tell(["conflict", plan.id]);
  if (outcome.reason === "conflict") known.set(outcome.stream, outcome.actual);
  else if (outcome.reason === "record_conflict") known.set(`record ${outcome.key}`, outcome.actual);
}

function acknowledge(plan: Plan, outcome: AppendOutcome & { ok: true }): void {
  const { position, versions, recordVersions, repeated } = outcome;
  const key = plan.writes.length === 0 ? plan.puts[0]?.key : undefined;
  tell([
    "ack",
    {
      id: plan.id,
      position: position === undefined ? undefined : Number(position),
      versions,
      recordVersions,
      key,
      repeated,
    },
  ]);
}

async function repeat(plan: Plan): Promise<void> {
  const again = await appendUntilAnswered(log, plan);
  if (again === undefined) return;
  if (again.ok && again.repeated) acknowledge(plan, again);
  else tell(["denied", plan.id, again.ok ? "it was written again" : again.reason]);
}

/** Sends an append until its fate is known. Undefined where it was refused, which is told. */
async function appendUntilAnswered(to: Log, plan: Plan): Promise<AppendOutcome | undefined> {
  const request = toRequest(plan);
  for (let tries = 1; tries <= maxTries; tries++) {
    try {
      const outcome = await to.append(ctx, request);
      if (outcome.ok || outcome.reason !== "overloaded") return outcome;
      await sleep(ctx, outcome.retryAfterMs);
    } catch (error) {
      const code = codeOf(error);
      if (code === "log.no_space") {
        tell(["full", plan.id]);
        await sleep(ctx, noSpacePauseMs);
        continue;
      }
      if (code !== "log.unavailable") {
        tell(["refused", plan.id, `${code}: ${(error as Error).message}`]);
        return undefined;
      }
      tell(["unknown", plan.id, code]);
    }
  }
  tell(["refused", plan.id, `unknown after ${maxTries} tries`]);
  return undefined;
}
