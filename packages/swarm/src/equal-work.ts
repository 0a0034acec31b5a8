import { createHash } from "node:crypto";
import type { JsonValue } from "@viable/kernel";
import { canonicalJson } from "@viable/kernel";
import type { NewEvent, StoredEvent } from "@viable/log";

/**
 * Where equal tasks meet (S9). The key stream says who does the work and who waits for it; it is appended to together with
 * the executions themselves, so of two equal tasks accepted at once, in any two processes, one conflicts and decides again.
 *
 * States: free → taken (`work.started`) → taken (`work.joined` …) → free (`work.finished`) | taken by another (`work.started`).
 */
export interface EqualWork {
  /** Version of the key stream. */
  readonly version: number;
  readonly leader: string | undefined;
  readonly followers: readonly string[];
  /** Who did it last, where nobody does it now, and the wall time of its end, in milliseconds. */
  readonly finished: { readonly executionId: string; readonly time: number } | undefined;
}

export const freeWork: EqualWork = { version: 0, leader: undefined, followers: [], finished: undefined };

/** More followers than this would not fit one append with the leader's outcome; one more does its own work. */
export const maxFollowers = 500;

/** The stream on which tasks of this tenant with this capability and these arguments meet. */
export function workStream(tenant: string, capability: string, args: JsonValue): string {
  const digest = createHash("sha256")
    .update(canonicalJson([tenant, capability, args]))
    .digest("hex");
  return `work:${capability}:${digest.slice(0, 32)}`;
}

export const workStarted = (executionId: string): NewEvent => ({ type: "work.started", data: { executionId } });
export const workJoined = (executionId: string): NewEvent => ({ type: "work.joined", data: { executionId } });
export const workFinished = (executionId: string): NewEvent => ({ type: "work.finished", data: { executionId } });

/** The state after one more event of the key stream. */
export function foldWork(work: EqualWork, event: StoredEvent): EqualWork {
  const executionId = String(event.data.executionId);
  const { version } = event;
  switch (event.type) {
    case "work.started":
      return {
        ...freeWork,
        version,
        leader: executionId,
        followers: work.followers.filter((each) => each !== executionId),
      };
    case "work.joined":
      return { ...work, version, followers: [...work.followers, executionId] };
    case "work.finished":
      return { ...freeWork, version, finished: { executionId, time: event.time } };
    default:
      return { ...work, version };
  }
}
