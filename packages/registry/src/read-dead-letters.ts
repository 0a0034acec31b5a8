import type { Context } from "@viable/kernel";
import type { Log, Position, StoredEvent } from "@viable/log";
import type { DeadLetter, DeadLetterData, DeadLetterPage, ExecutionEventData } from "@viable/protocol";

/** Events that are looked at for one page: most tasks that fail or time out are no dead letters. Whoever wants more goes on from where it ended. */
const maxLookedAt = 5_000;
/** Of those, how many are read at once. */
const pageEvents = 500;
/** How much of an execution is read to see whether anybody took it: one that nobody did has no more than this. */
const firstEvents = 16;

const types = ["task.dead_lettered", "execution.failed", "execution.timed_out"];

/**
 * The tasks of a tenant that came to nothing before anybody ended them, the newest first, from the log alone: what was refused, what ran
 * out of time before any process had claimed it, and what was given up after its attempts (W11, X5).
 */
export async function readDeadLetters(
  ctx: Context,
  log: Log,
  { limit, before }: { readonly limit: number; readonly before?: Position | undefined },
): Promise<DeadLetterPage> {
  const found: DeadLetter[] = [];
  let from = before;
  for (let lookedAt = 0; lookedAt < maxLookedAt; lookedAt += pageEvents) {
    const page = await log.readAllPage(ctx, {
      direction: "backward",
      limit: pageEvents,
      // One that cannot be read must not hide the others.
      decoding: "none",
      filter: { tenant: ctx.tenant, types },
      ...(from !== undefined && { from }),
    });
    const beginnings = await readBeginnings(ctx, log, page.events.filter(mayBeOne));
    const unread = page.events.findIndex((event) => mayBeOne(event) && !beginnings.has(event.stream));
    for (const event of unread === -1 ? page.events : page.events.slice(0, unread)) {
      const letter = toDeadLetter(event, beginnings.get(event.stream));
      if (letter !== undefined) found.push(letter);
      if (found.length >= limit) return { deadLetters: found, next: event.position };
      from = event.position;
    }
    if (page.isEnd && unread === -1) return { deadLetters: found };
  }
  return { deadLetters: found, ...(from !== undefined && { next: from }) };
}

/** Whether what an execution began with decides. */
const mayBeOne = ({ type, data }: StoredEvent): boolean =>
  type === "execution.timed_out" || (type === "execution.failed" && isGivenUp(data as Failed));

type Failed = Partial<ExecutionEventData<"execution.failed">>;
const isGivenUp = ({ error }: Failed): boolean => error?.code === "swarm.attempts_exhausted";

/** The first events of executions, by their streams: of the first in any case, and of those after it up to what one read of the log holds. */
async function readBeginnings(
  ctx: Context,
  log: Log,
  events: readonly StoredEvent[],
): Promise<ReadonlyMap<string, readonly StoredEvent[]>> {
  const streams = [...new Set(events.map(({ stream }) => stream))];
  const beginnings = new Map<string, readonly StoredEvent[]>();
  if (streams.length === 0) return beginnings;
  const pages = await log.readStreams(
    ctx,
    streams.map((stream) => ({ stream, fromVersion: 1 })),
    { limit: firstEvents, decoding: "none" },
  );
  for (const [index, stream] of streams.entries()) {
    let { events, isEnd } = pages[index] ?? { events: [], isEnd: true };
    const isWhole = () => isEnd || events.length >= firstEvents || wasTaken(events);
    // What was cut off is not known. Read on, the first takes whoever asks again further, however large it is.
    if (index > 0 && !isWhole()) break;
    while (!isWhole()) {
      const rest = { fromVersion: events.length + 1, limit: firstEvents - events.length, decoding: "none" } as const;
      const page = await log.readStreamPage(ctx, stream, rest);
      events = [...events, ...page.events];
      isEnd = page.isEnd;
    }
    beginnings.set(stream, events);
  }
  return beginnings;
}

/** Whether an execution's first events say that somebody took it, or was to begin it as soon as that was heard of. */
const wasTaken = (beginning: readonly StoredEvent[]): boolean =>
  beginning.some(({ type, data }) => {
    if (type !== "execution.accepted") return type === "execution.claimed";
    const { claim, assigned } = data as unknown as ExecutionEventData<"execution.accepted">;
    return (claim ?? assigned) !== undefined;
  });

/** The dead letter that an event tells of, if it tells of one. Pure. */
function toDeadLetter(event: StoredEvent, beginning: readonly StoredEvent[] = []): DeadLetter | undefined {
  const { position, metadata } = event;
  const place = { time: new Date(event.time).toISOString(), position };
  if (event.type === "task.dead_lettered") {
    const { command, kind, code, reason, service, parentId, more } = event.data as unknown as DeadLetterData;
    return {
      ...place,
      kind,
      command,
      code,
      reason,
      ...(service !== undefined && { service }),
      ...(parentId !== undefined && { parentId }),
      ...(more > 0 && { more }),
    };
  }
  const [first] = beginning;
  if (first?.type !== "execution.accepted") return undefined;
  const accepted = first.data as unknown as ExecutionEventData<"execution.accepted">;
  const { command, service, parentId } = accepted;
  const of = {
    command,
    service,
    ...(metadata.causation !== undefined && { executionId: metadata.causation }),
    ...(parentId !== undefined && { parentId }),
  };
  if (event.type === "execution.failed") {
    const { error } = event.data as Failed;
    if (error === undefined) return undefined;
    return { ...place, kind: "given_up", ...of, code: error.code, reason: error.message };
  }
  if (wasTaken(beginning)) return undefined;
  const { processId } = accepted.route.chosen;
  const until = new Date(accepted.deadline).toISOString();
  const isApproved = beginning.some(({ type }) => type === "execution.approved");
  if (accepted.approval !== undefined && !isApproved) {
    const reason = `It waited for a person's approval (${accepted.approval.approvalId}), which nobody had given by ${until}.`;
    return { ...place, kind: "past_deadline", ...of, code: "approval.timed_out", reason };
  }
  const reason =
    accepted.joinedTo === undefined
      ? `It was routed to ${service} in ${processId}, which had not taken it by its deadline, ${until}.`
      : `It waited for ${accepted.joinedTo}, which did the same and had not ended by its deadline, ${until}.`;
  return { ...place, kind: "past_deadline", ...of, code: "execution.timed_out", reason };
}
