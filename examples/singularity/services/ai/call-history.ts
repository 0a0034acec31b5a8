/** What this service measured when it asked models: how long they took and how often they failed. */
import type { Memory } from "viable";
import { z } from "zod";

/** A call to one model, as it went. */
export interface Call {
  /** Wall time in milliseconds. */
  readonly at: number;
  readonly ms: number;
  readonly ok: boolean;
}

export interface Measured {
  readonly calls: number;
  readonly failures: number;
  /** Of the calls that succeeded; undefined when none did. */
  readonly medianMs: number | undefined;
}

const namespace = "model-calls";
/** Calls remembered of each model: enough for a median, few enough that a bad hour is forgotten by the next. */
const maxCalls = 50;
/** A month: what a model was like before says nothing about it now. */
const keptForMs = 30 * 24 * 3_600_000;
/** Others may write at the same moment. A measurement that is lost after so many tries is no loss. */
const maxTries = 3;
/** Models measured; more are not configured anywhere. */
const maxModels = 200;

const remembered = z.object({ calls: z.array(z.object({ at: z.number(), ms: z.number(), ok: z.boolean() })) });

/** A memory key is no longer. */
const maxKeyChars = 200;

export const historyKey = (provider: string, model: string): string => `${provider}/${model}`.slice(0, maxKeyChars);

/** Remembers a call. Losing it to somebody who writes at the same moment is no error. */
export async function recordCall(memory: Memory, key: string, { at, ms, ok }: Call): Promise<void> {
  for (let tries = 0; tries < maxTries; tries++) {
    const entry = await memory.get(key, namespace);
    const before = remembered.safeParse(entry?.value);
    const calls = [...(before.success ? before.data.calls : []), { at, ms, ok }].slice(-maxCalls);
    const written = await memory.set(
      key,
      { calls },
      { namespace, expected: entry?.version ?? 0, expiresInMs: keptForMs },
    );
    if (written.ok) return;
  }
}

/** What is remembered of all models, by `historyKey`. */
export async function readHistory(memory: Memory): Promise<ReadonlyMap<string, Measured>> {
  const entries = await memory.list(namespace, { limit: maxModels });
  if (entries.length === 0) return new Map();
  const { median } = await import("simple-statistics");
  const history = new Map<string, Measured>();
  for (const { key, value } of entries) {
    const found = remembered.safeParse(value);
    if (!found.success) continue;
    const times = found.data.calls.filter(({ ok }) => ok).map(({ ms }) => ms);
    history.set(key, {
      calls: found.data.calls.length,
      failures: found.data.calls.length - times.length,
      medianMs: times.length === 0 ? undefined : Math.round(median(times)),
    });
  }
  return history;
}
