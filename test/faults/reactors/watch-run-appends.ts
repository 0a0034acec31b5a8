import type { AppendOutcome, AppendRequest, Log, StreamAppend } from "@viable/log";
import type { Life, WorkerLine } from "./worker-lines.ts";

interface Watch {
  /** The present life of this process. */
  life(): Life;
  tell(line: WorkerLine): void;
  readonly ignoresVersions: boolean;
}

interface HeldClaim {
  readonly by: Life;
  readonly claim: number;
}

const prefix = "run:";
const isOfRun = ({ stream }: StreamAppend): boolean => stream.startsWith(prefix);

/**
 * A log that tells of every append to a run what came of it, and knows which claims of runs this process has made. Nothing else is
 * changed, but where `ignoresVersions` is set: that takes the fence away, as a defect on purpose.
 */
export function watchRunAppends(log: Log, watch: Watch): { readonly log: Log; claimOf(runId: string): HeldClaim } {
  const claims = new Map<string, HeldClaim>();

  const note = (stream: StreamAppend, life: Life) => {
    for (const { type, data } of stream.events) {
      const claim = type === "run.claimed" ? data : type === "run.started" ? data.claim : undefined;
      if (claim !== undefined)
        claims.set(stream.stream.slice(prefix.length), { by: life, claim: (claim as { attempt: number }).attempt });
    }
  };
  const append: Log["append"] = async (ctx, request) => {
    const ofRuns = request.streams?.filter(isOfRun) ?? [];
    if (ofRuns.length === 0) return await log.append(ctx, request);
    const life = watch.life();
    const outcome = await log.append(ctx, watch.ignoresVersions ? withoutVersions(request) : request);
    if (outcome.ok) {
      for (const stream of ofRuns) {
        note(stream, life);
        const to = outcome.versions[request.streams?.indexOf(stream) as number] as number;
        const from = to - stream.events.length + 1;
        watch.tell(["wrote", stream.stream.slice(prefix.length), from, stream.events.length, life]);
      }
    } else tellRefused(outcome, ofRuns, life);
    return outcome;
  };
  const tellRefused = (outcome: AppendOutcome & { ok: false }, ofRuns: readonly StreamAppend[], life: Life) => {
    const refused = outcome.reason === "conflict" ? ofRuns.find(({ stream }) => stream === outcome.stream) : undefined;
    if (refused === undefined || refused.expected === "any") return;
    const types = refused.events.map(({ type }) => type);
    watch.tell(["refused", refused.stream.slice(prefix.length), refused.expected, types, life]);
  };
  return {
    log: new Proxy(log, {
      get(target, name) {
        if (name === "append") return append;
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    }),
    claimOf: (runId) => claims.get(runId) ?? { by: watch.life(), claim: 0 },
  };
}

function withoutVersions(request: AppendRequest): AppendRequest {
  const streams = request.streams?.map((stream) =>
    isOfRun(stream) && stream.expected !== 0 ? { ...stream, expected: "any" as const } : stream,
  );
  return { ...request, ...(streams !== undefined && { streams }) };
}
