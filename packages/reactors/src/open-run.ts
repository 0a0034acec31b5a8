import type { JsonValue } from "@viable/kernel";
import type { Position, StoredEvent } from "@viable/log";
import type { Claim, RunEvent } from "@viable/protocol";
import { asRunEvent } from "./read-run.ts";
import { runIdOf } from "./run-journal.ts";

/** What a step of a run waits for from outside: what is received under a name, or a person's word, asked for at that place of the log. */
export type OutsideWait =
  | { readonly for: "event"; readonly name: string }
  | { readonly for: "approval"; readonly approvalId: string; readonly askedAt: Position };

/** A run without an outcome, as far as whoever might take it needs to know. */
export interface OpenRun {
  readonly runId: string;
  readonly tenant: string;
  readonly reactor: string;
  readonly hash: string;
  /** Position of the event that opened it. */
  readonly since: Position;
  readonly parentId: string | undefined;
  /** The session that began it, where one did: what it is composed of has none of its own. */
  readonly session: string | undefined;
  claim: Claim | undefined;
  /** Version of the last event of its stream that was seen. */
  version: number;
  /** Nothing of it goes on: until when (wall time in milliseconds), or null where only news can end it. Undefined where it goes on. */
  idle: number | null | undefined;
  /** It stands still until a person has said something, or its definition is here. */
  standing: "needs_review" | "parked" | undefined;
  /** When this process looks at it next; not noted. */
  scheduledMs: number | undefined;
  /** What its steps wait for from outside, by their path; undefined where nothing is. `AwaitedRuns` keeps it. */
  waits: Map<string, OutsideWait> | undefined;
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
    session: stored.type === "run.started" ? stored.metadata.session : undefined,
    claim: begins?.claim,
    version: stored.version,
    idle: undefined,
    standing: undefined,
    scheduledMs: undefined,
    waits: undefined,
    unreadable: event === undefined ? whyUnreadable(stored) : undefined,
  };
}

/** Why an event of a run says nothing here. */
export const whyUnreadable = ({ type, version, undecodable }: StoredEvent): NonNullable<OpenRun["unreadable"]> => ({
  version,
  reason: `its event ${version} (${type}) cannot be read: ${undecodable ?? "runs have no such event"}`,
});

/** What an open run becomes by its next event, which does not end it; changed in place. What it waits for is told by `AwaitedRuns`. */
export function foldOpenRun(run: OpenRun, event: RunEvent): void {
  run.standing = standingAfter(run.standing, event);
  switch (event.type) {
    case "run.claimed":
      run.claim = event.data;
      run.idle = undefined;
      return;
    case "run.parked":
    case "run.needs_review":
      return;
    case "step.waiting":
      run.idle = event.data.idle;
      return;
    default:
      run.idle = undefined;
  }
}

/** Whether a run stands still, and until what, after its next event. */
export function standingAfter(standing: OpenRun["standing"], event: RunEvent): OpenRun["standing"] {
  switch (event.type) {
    case "run.parked":
      return "parked";
    case "run.needs_review":
      return "needs_review";
    case "run.reviewed":
      return undefined;
    default: {
      // Whoever writes has its definition.
      const isTaken = event.type === "run.claimed" || event.type.startsWith("step.");
      return standing === "parked" && isTaken ? undefined : standing;
    }
  }
}

/** How an awaited event is known: its name, key and tenant. */
export const awaitedName = (tenant: string, event: string, key: string): string => JSON.stringify([tenant, event, key]);

export const asText = (value: JsonValue | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;
