import type { Webhooks } from "@viable/gateway";
import { rootContext } from "@viable/kernel";
import type { Log, Projection } from "@viable/log";
import { reaction } from "@viable/log";
import type { ExecutionEventData, RunEventData } from "@viable/protocol";
import { originOfRun } from "@viable/reactors";
import { executionStream } from "@viable/swarm";

/**
 * Tells receivers that a command waits for a person: where it, or a run that works for it, asks for an approval. At least once for each, however often
 * processes die, and told once, since the message follows from what is asked for.
 */
export function webhookWaits(log: Log, webhooks: Pick<Webhooks, "tellWaiting">): Projection {
  return reaction({
    name: "viable_webhook_waits",
    filter: { types: ["step.waiting", "approval.requested"] },
    async react({ type, stream, data, metadata }, reactCtx) {
      if (type === "approval.requested") {
        const { approvalId, title, until } = data as unknown as ExecutionEventData<"approval.requested">;
        const executionId = stream.slice(executionStream("").length);
        const approval = { approvalId, title, executionId, untilAt: new Date(until).toISOString() };
        const ctx = rootContext(reactCtx.runtime, { tenant: metadata.tenant, signal: reactCtx.signal });
        await webhooks.tellWaiting(ctx, executionId, approval);
        return;
      }
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
