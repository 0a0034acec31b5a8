import type { JsonValue } from "@viable/kernel";
import type { Position, StoredEvent } from "@viable/log";
import type { Claim, RunEvent } from "@viable/protocol";
import { asRunEvent } from "./read-run.ts";
import { runIdOf } from "./run-journal.ts";

/** A run without an outcome, as far as whoever might take it needs to know. */
export interface OpenRun {
  readonly runId: string;
  readonly tenant: string;
  readonly reactor: string;
  readonly hash: string;
  /** Position of the event that opened it. */
  readonly since: Position;
  readonly parentId: string | undefined;
  claim: Claim | undefined;
  /** Version of the last event of its stream that was seen. */
  version: number;
  /** Nothing of it goes on: until when (wall time in milliseconds), or null where only news can end it. Undefined where it goes on. */
  idle: number | null | undefined;
  /** It stands still until a person has said something, or its definition is here. */
  standing: "needs_review" | "parked" | undefined;
  /** When this process looks at it next; not noted. */
  scheduledMs: number | undefined;
  /** What it waits for from outside, as event and key. */
  awaits: readonly string[];
  /** Approvals that are asked for. */
  approvals: readonly string[];
  /** The first event of it that cannot be read here, by its version, and why: what is told above may have changed since, and nobody takes it here. */
  unreadable: { readonly version: number; readonly reason: string } | undefined;
}

/** Whether an event opens a run, in whatever shape it was read. */
export const opensRun = ({ type }: StoredEvent): boolean => type === "run.started" || type === "run.undo_requested";

/** A run that an event opens, as far as that can be read. */
export function toOpenRun(stored: StoredEvent): OpenRun {
  const event = asRunEvent(stored);
  const begins = event?.type === "run.started" ? event.data : undefined;
  const { reactor, hash, parentId } = stored.data;
  return {
    runId: runIdOf(stored.stream),
    tenant: stored.metadata.tenant,
    reactor: asText(reactor) ?? "",
    hash: asText(hash) ?? "",
    since: stored.position,
    parentId: begins?.parent?.runId ?? asText(parentId),
    claim: begins?.claim,
    version: stored.version,
    idle: undefined,
    standing: undefined,
    scheduledMs: undefined,
    awaits: [],
    approvals: [],
    unreadable: event === undefined ? whyUnreadable(stored) : undefined,
  };
}

/** Why an event of a run says nothing here. */
export const whyUnreadable = ({ type, version, undecodable }: StoredEvent): NonNullable<OpenRun["unreadable"]> => ({
  version,
  reason: `its event ${version} (${type}) cannot be read: ${undecodable ?? "runs have no such event"}`,
});

/** What an open run becomes by its next event, which does not end it; changed in place. */
export function foldOpenRun(run: OpenRun, event: RunEvent): void {
  // Whoever writes has its definition.
  if (run.standing === "parked" && (event.type === "run.claimed" || event.type.startsWith("step.")))
    run.standing = undefined;
  switch (event.type) {
    case "run.claimed":
      run.claim = event.data;
      run.idle = undefined;
      return;
    case "run.parked":
      run.standing = "parked";
      return;
    case "run.needs_review":
      run.standing = "needs_review";
      return;
    case "run.reviewed":
      run.standing = undefined;
      run.idle = undefined;
      return;
    case "approval.decided":
      run.approvals = run.approvals.filter((each) => each !== event.data.approvalId);
      run.idle = undefined;
      return;
    case "step.waiting": {
      const { wait, idle } = event.data;
      run.idle = idle;
      if (wait.for === "event") {
        const name = awaitedName(run.tenant, wait.event, wait.key);
        run.awaits = [...run.awaits.filter((each) => each !== name), name];
      } else if (wait.for === "approval") run.approvals = [...run.approvals, wait.approvalId];
      return;
    }
    default:
      run.idle = undefined;
  }
}

/** How an awaited event is known: its name, key and tenant. */
export const awaitedName = (tenant: string, event: string, key: string): string => JSON.stringify([tenant, event, key]);

export const asText = (value: JsonValue | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;
