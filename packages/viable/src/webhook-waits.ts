import type { Webhooks } from "@viable/gateway";
import { rootContext } from "@viable/kernel";
import type { Log, Projection } from "@viable/log";
import { reaction } from "@viable/log";
import type { RunEventData } from "@viable/protocol";
import { originOfRun } from "@viable/reactors";

/**
 * Tells receivers that a command waits for a person: where a run that works for it asks for an approval. At least once for each, however often
 * processes die, and told once, since the message follows from what is asked for.
 */
export function webhookWaits(log: Log, webhooks: Pick<Webhooks, "tellWaiting">): Projection {
  return reaction({
    name: "viable_webhook_waits",
    filter: { types: ["step.waiting"] },
    async react({ stream, data, metadata }, reactCtx) {
      const { wait } = data as unknown as RunEventData<"step.waiting">;
      if (wait.for !== "approval") return;
      const ctx = rootContext(reactCtx.runtime, { tenant: metadata.tenant, signal: reactCtx.signal });
      const runId = stream.slice("run:".length);
      const cause = (await originOfRun(ctx, log, runId))?.causation;
      if (cause === undefined) return;
      const { approvalId, title, until } = wait;
      const untilAt = until === undefined ? undefined : new Date(until).toISOString();
      await webhooks.tellWaiting(ctx, cause, { approvalId, title, runId, ...(untilAt !== undefined && { untilAt }) });
    },
  });
}
