import type { Context, ErrorOnTheWire, Random } from "@viable/kernel";
import type { Present } from "./bus.ts";
import { hasWildcard, matchesSubject } from "./subject.ts";
import type { SubscriptionQueue } from "./subscription-queue.ts";

type Answer = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly error: ErrorOnTheWire };

/** A message on its way to one subscription. */
export interface Delivery {
  readonly ctx: Context;
  readonly subject: string;
  readonly text: string;
  /** Where the first answer goes; undefined where nobody asked. */
  readonly answer: ((answer: Answer) => void) | undefined;
}

export type MemoryQueue = SubscriptionQueue<Delivery>;

/** What the buses of one process have in common: the place of a broker. */
export interface MemoryHub {
  add(queue: MemoryQueue): void;
  remove(queue: MemoryQueue): void;
  /** Offers to every subscription that matches, of a group to one. Returns to how many. */
  send(delivery: Delivery, random: Random): number;
  arrive(entry: Present): void;
  /** Forgets exactly this announcement, not a later one of the same id. */
  leave(entry: Present): void;
  present(kind: string): readonly Present[];
}

interface Wildcard {
  readonly tokens: readonly string[];
  readonly queue: MemoryQueue;
}

/** A hub that several memory buses share, so that one program can play several processes. */
export function createMemoryHub(): MemoryHub {
  // Most subscriptions are to one subject (whoever waits for one execution), and there may be thousands: those are looked up.
  const exact = new Map<string, Set<MemoryQueue>>();
  const wildcards = new Map<MemoryQueue, Wildcard>();
  const presences = new Map<string, Map<string, Present>>();

  const matching = (subject: string): MemoryQueue[] => {
    const found = [...(exact.get(subject) ?? [])];
    if (wildcards.size > 0) {
      const tokens = subject.split(".");
      for (const wildcard of wildcards.values()) {
        if (matchesSubject(wildcard.tokens, tokens)) found.push(wildcard.queue);
      }
    }
    return found;
  };

  return {
    add(queue) {
      if (hasWildcard(queue.pattern)) {
        wildcards.set(queue, { tokens: queue.pattern.split("."), queue });
        return;
      }
      const queues = exact.get(queue.pattern) ?? new Set();
      exact.set(queue.pattern, queues.add(queue));
    },
    remove(queue) {
      wildcards.delete(queue);
      const queues = exact.get(queue.pattern);
      queues?.delete(queue);
      if (queues?.size === 0) exact.delete(queue.pattern);
    },
    send(delivery, random) {
      let offered = 0;
      let groups: Map<string, MemoryQueue[]> | undefined;
      for (const queue of matching(delivery.subject)) {
        if (queue.group === undefined) {
          queue.offer(delivery);
          offered += 1;
          continue;
        }
        // A space cannot stand in a pattern, so this names pattern and group without ambiguity.
        const name = `${queue.pattern} ${queue.group}`;
        groups ??= new Map();
        const members = groups.get(name);
        if (members === undefined) groups.set(name, [queue]);
        else members.push(queue);
      }
      for (const members of groups?.values() ?? []) {
        // By chance, as NATS does, so that nobody comes to rely on taking turns.
        (members[Math.floor(random.next() * members.length)] as MemoryQueue).offer(delivery);
        offered += 1;
      }
      return offered;
    },
    arrive(entry) {
      const ofKind = presences.get(entry.kind) ?? new Map<string, Present>();
      presences.set(entry.kind, ofKind.set(entry.id, entry));
    },
    leave(entry) {
      const ofKind = presences.get(entry.kind);
      if (ofKind?.get(entry.id) !== entry) return;
      ofKind.delete(entry.id);
      if (ofKind.size === 0) presences.delete(entry.kind);
    },
    present: (kind) => [...(presences.get(kind)?.values() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1)),
  };
}
