import { createRuntime, rootContext } from "@viable/kernel";
import type { AppendOutcome } from "@viable/log";
import { createLog } from "@viable/log";
import { createPostgresStore } from "../postgres-store.ts";

/** What a process is to append, as far as it can be said beforehand: which version it knows shows when it gets there. */
export interface AppendDraft {
  readonly id: string;
  readonly streams: readonly { readonly stream: string; readonly expects: Expects; readonly events: number }[];
  readonly records: readonly { readonly key: string; readonly expects: Expects }[];
  /** Sent twice, one after the other, as by someone who has not heard the first answer. */
  readonly twice: boolean;
}

/** The version that it saw last, the one before that, or any. */
type Expects = "seen" | "stale" | "any";

/** An append that was sent, and what came of it. */
export interface AppendNote {
  readonly id: string;
  readonly streams: readonly { readonly stream: string; readonly expected: number | "any"; readonly ids: string[] }[];
  readonly records: readonly { readonly key: string; readonly expected: number | "any" }[];
  readonly outcome: AppendOutcome;
}

export interface Script {
  readonly connectionString: string;
  /** Each is worked off in order; all at the same time. */
  readonly lanes: readonly (readonly AppendDraft[])[];
}

export type ScriptAnswer = { readonly notes: readonly AppendNote[] } | { readonly failed: string };

// A process of its own that appends what it is sent, over a log as every process has one.
process.on("message", (script: Script) => {
  void runScript(script)
    .then(
      (notes): ScriptAnswer => ({ notes }),
      (error: unknown): ScriptAnswer => ({ failed: String(error) }),
    )
    .then((answer) => process.send?.(answer));
});

async function runScript({ connectionString, lanes }: Script): Promise<AppendNote[]> {
  const runtime = createRuntime();
  const ctx = rootContext(runtime);
  const log = createLog(createPostgresStore({ connectionString }), runtime);
  await log.start(ctx);
  const seen = new Map<string, number>();
  const notes: AppendNote[] = [];
  const expectedOf = (name: string, expects: Expects): number | "any" => {
    if (expects === "any") return "any";
    const version = seen.get(name) ?? 0;
    return expects === "seen" ? version : Math.max(0, version - 1);
  };
  const send = async (draft: AppendDraft): Promise<void> => {
    const streams = draft.streams.map(({ stream, expects, events }) => ({
      stream,
      expected: expectedOf(stream, expects),
      ids: Array.from({ length: events }, (_, nr) => `${draft.id}/${stream}/${nr}`),
    }));
    const records = draft.records.map(({ key, expects }) => ({ key, expected: expectedOf(`record ${key}`, expects) }));
    for (const _ of draft.twice ? [1, 2] : [1]) {
      const outcome = await log.append(ctx, {
        id: draft.id,
        streams: streams.map(({ ids, ...write }) => ({
          ...write,
          events: ids.map((id) => ({ id, type: "t", data: {} })),
        })),
        records: records.map((write) => ({ ...write, value: draft.id })),
      });
      notes.push({ id: draft.id, streams, records, outcome });
      if (outcome.ok) {
        for (const [index, { stream }] of streams.entries()) see(seen, stream, outcome.versions[index] ?? 0);
        for (const [index, { key }] of records.entries())
          see(seen, `record ${key}`, outcome.recordVersions[index] ?? 0);
      } else if (outcome.reason === "conflict") seen.set(outcome.stream, outcome.actual);
      else if (outcome.reason === "record_conflict") seen.set(`record ${outcome.key}`, outcome.actual);
    }
  };
  await Promise.all(
    lanes.map(async (drafts) => {
      for (const draft of drafts) await send(draft);
    }),
  );
  await log.stop(ctx);
  return notes;
}

function see(seen: Map<string, number>, name: string, version: number): void {
  seen.set(name, Math.max(seen.get(name) ?? 0, version));
}
