import type { TaskEnd } from "./outlier-window.ts";
import { OutlierWindow } from "./outlier-window.ts";

/** How long ends of tasks count, in milliseconds: half of the seed's minute, so that a swarm that fails is left alone within one. */
const windowMs = 30_000;
/** Of fewer than these nothing is concluded: one bad task in two is chance. Five in a row is where mesh proxies begin. */
const minEnded = 5;
/** How much of what ended must be its fault. */
const maxFaultShare = 0.5;
/** How long it is left alone, in milliseconds: twice as long each further time, up to the second. Those of mesh proxies. */
const firstEjectionMs = 30_000;
const longestEjectionMs = 300_000;
/** How long it takes, in milliseconds, until it gets its whole share again, and with how much of it it begins. */
const slowStartMs = 30_000;
export const firstShare = 0.1;
/** When the next task may be tried, in milliseconds, where of the one that was nothing is heard: it was not accepted after all. The seed's `task_timeout`. */
const probeMs = 60_000;
/** A swarm that has been well for so long begins anew, in milliseconds: it is left alone for the shortest time again. */
const forgivenAfterMs = 300_000;

/** A task that tries a swarm, and until when it is waited for, in monotonic milliseconds. */
interface Probe {
  readonly key: string;
  readonly untilMs: number;
}

type State =
  | { readonly name: "watched" }
  | { readonly name: "ejected"; readonly untilMs: number }
  | { readonly name: "probing"; probe: Probe | undefined }
  | { readonly name: "recovering"; readonly sinceMs: number };

interface Watched {
  readonly window: OutlierWindow;
  state: State;
  /** How often in a row it was ejected. */
  times: number;
  /** When it was last whole again, in monotonic milliseconds. */
  wholeMs: number;
  /** What was measured when it was last ejected. */
  reason: string;
  /** How bad that was: the share of faults. Where not all may be left out, those come back first of which less was. */
  faultShare: number;
}

/** What a choice must know of a swarm that is not whole. */
export interface OutlierStanding {
  readonly state: "ejected" | "probing" | "recovering";
  /** What was measured. */
  readonly reason: string;
  readonly faultShare: number;
  /** How much of its share of tasks it gets, above 0: less than 1 while it recovers. */
  readonly share: number;
  /** Whether one task may try it now. */
  readonly mayProbe: boolean;
  /** While ejected: when one may, in milliseconds from now. */
  readonly leftMs: number;
}

/**
 * Which swarms fail, as this process has measured it: tasks that it routed to them and that failed for want of a worker, a process or a
 * database, or that nobody ended in time, and processes that are late. Nothing of it is a fact (W2): another process measures for itself.
 *
 * States of a swarm: `watched` → `ejected`, once at least five tasks have ended in half a minute and half of them by its fault; it is left
 * out for 30 s, and for twice as long each time in a row, up to five minutes. → `probing`: one task at a time is let through. Its
 * success → `recovering`: it gets a tenth of its share, and more from second to second. Its failure → `ejected`. `recovering` → `watched` after
 * half a minute; → `ejected` where it fails again as before. A swarm that stays well for five minutes begins anew.
 */
export class Outliers {
  /** From the first end on, since what went well is what a fault is measured by: one for each swarm, of the same size whatever ends. */
  readonly #watched = new Map<string, Watched>();

  /** A task that was routed to a swarm has ended; `key` is what the task is known by. */
  record(address: string, key: string | undefined, end: TaskEnd, nowMs: number): void {
    let watched = this.#watched.get(address);
    if (watched === undefined) {
      watched = {
        window: new OutlierWindow(windowMs),
        state: { name: "watched" },
        times: 0,
        wholeMs: nowMs,
        reason: "",
        faultShare: 0,
      };
      this.#watched.set(address, watched);
    }
    this.#advance(watched, nowMs);
    const { state, window } = watched;
    if (state.name === "ejected") return;
    if (state.name === "probing") {
      // What was routed there before says how it was, not how it is.
      if (state.probe === undefined || state.probe.key !== key) return;
      if (end === "done") watched.state = { name: "recovering", sinceMs: nowMs };
      else this.#eject(watched, `the task that tried it ${words[end]}`, 1, nowMs);
      return;
    }
    window.record(end, nowMs);
    if (end === "done") return;
    const { ended, faults, last } = window.counts(nowMs);
    if (ended < minEnded || faults / ended < maxFaultShare) return;
    const counted = `${faults} of ${ended} tasks in ${windowMs / 1_000} s were its fault, the last ${words[last ?? "failed"]}`;
    this.#eject(watched, counted, faults / ended, nowMs);
  }

  /** What is to be known of a swarm, for the task of that key; undefined where it is whole. A task without a key tries nothing. */
  standing(address: string, nowMs: number, key?: string): OutlierStanding | undefined {
    const watched = this.#watched.get(address);
    if (watched === undefined) return undefined;
    this.#advance(watched, nowMs);
    const { state, reason, faultShare } = watched;
    if (state.name === "watched") return undefined;
    const share =
      state.name === "recovering" ? firstShare + (1 - firstShare) * ((nowMs - state.sinceMs) / slowStartMs) : 1;
    return {
      state: state.name,
      reason,
      faultShare,
      share,
      mayProbe: key !== undefined && state.name === "probing" && isFree(state.probe, key, nowMs),
      leftMs: state.name === "ejected" ? state.untilMs - nowMs : 0,
    };
  }

  /** A task is on its way to try a swarm: until it has ended, no other is. */
  beginProbe(address: string, key: string, nowMs: number): void {
    const watched = this.#watched.get(address);
    if (watched === undefined) return;
    this.#advance(watched, nowMs);
    const { state } = watched;
    if (state.name === "probing") state.probe = { key, untilMs: nowMs + probeMs };
  }

  forget(address: string): void {
    this.#watched.delete(address);
  }

  clear(): void {
    this.#watched.clear();
  }

  #eject(watched: Watched, reason: string, faultShare: number, nowMs: number): void {
    const forMs = Math.min(longestEjectionMs, firstEjectionMs * 2 ** watched.times);
    watched.times += 1;
    watched.reason = `${reason}; left alone for ${forMs / 1_000} s`;
    watched.faultShare = faultShare;
    watched.state = { name: "ejected", untilMs: nowMs + forMs };
    watched.window.clear();
  }

  /** What time alone does. */
  #advance(watched: Watched, nowMs: number): void {
    const { state } = watched;
    if (state.name === "ejected" && state.untilMs <= nowMs) watched.state = { name: "probing", probe: undefined };
    else if (state.name === "recovering" && nowMs - state.sinceMs >= slowStartMs) {
      watched.state = { name: "watched" };
      watched.wholeMs = state.sinceMs + slowStartMs;
    } else if (state.name === "watched" && nowMs - watched.wholeMs >= forgivenAfterMs) watched.times = 0;
  }
}

/** Whether a task may try a swarm: no other does, or none is heard of any more, or it is the same that is routed once more. */
const isFree = (probe: Probe | undefined, key: string, nowMs: number): boolean =>
  probe === undefined || probe.key === key || probe.untilMs <= nowMs;

const words = {
  failed: "failed for want of what a swarm needs",
  timed_out: "timed out",
  late: "found its process late",
};
