import type { SingletonOffer, Singletons } from "@viable/cluster";
import type { Context, Part } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { WebhookApproval } from "@viable/protocol";
import { isOutcome, maxHops } from "@viable/protocol";
import type { Executions } from "@viable/swarm";
import type { Egress } from "../egress/create-egress.ts";
import { HttpProblem } from "../problems.ts";
import { Deliverer, dueRequest } from "./deliverer.ts";
import { webhookSecret } from "./sign-message.ts";
import { WebhookIndex } from "./webhook-index.ts";

/** Messages of one tenant that may wait: as many as a process keeps executions open unless told otherwise. */
const maxWaiting = 10_000;

export interface WebhooksSettings {
  readonly log: Log;
  readonly singletons: Singletons;
  readonly executions: Executions;
  readonly egress: Egress;
  /** The key that the secrets of sessions follow from: the same in every process of the system. */
  openKey(ctx: Context): Promise<Uint8Array>;
  /** Told in a sentence of what keeps messages from being sent. */
  onProblem?(message: string): void;
}

/**
 * Tells receivers what became of commands that named them, by the Standard Webhooks specification.
 *
 * Promised: what was accepted with a receiver's address is told to it at least once, or kept as a dead letter with its reasons; a repeat has the same
 * `webhook-id`; of all processes one sends at a time, and another goes on within the lease of one that dies; nothing is sent to an address that the
 * egress guard refuses.
 *
 * Not promised: an order between messages. That nothing is sent twice. That the number waiting is held to the last one where several processes accept
 * at the same time: each has heard of the others' within a second.
 */
export interface Webhooks extends Part {
  /** What a session's messages are signed with. */
  secretOf(sessionId: string): string;
  /** Throws, with the reasons, where no outcome can be sent to that address. */
  admit(ctx: Context, url: string): void;
  /**
   * Tells the receiver that an execution, or what it was delegated by, waits for a person; does nothing where there is none, or was told. Rejects
   * where that cannot be written.
   */
  tellWaiting(ctx: Context, executionId: string, approval: WebhookApproval): Promise<void>;
}

/** Makes the webhooks of this process; nothing happens before `start`, which wants log, singletons and executions started. */
export function createWebhooks(settings: WebhooksSettings): Webhooks {
  const { log, singletons, executions, egress, onProblem } = settings;
  const index = new WebhookIndex();
  let key: Uint8Array | undefined;
  let stopWatching = () => {};
  let offer: SingletonOffer | undefined;
  const secretOf = (sessionId: string): string => {
    if (key === undefined)
      throw new ViableError("webhook.not_started", "There are no secrets of webhooks before they have started.");
    return webhookSecret(key, sessionId);
  };
  return {
    secretOf,
    admit(ctx, url) {
      const verdict = egress.judge(url);
      if (!verdict.ok) throw refused(verdict.code, verdict.reason);
      if (index.isGone(ctx.tenant, url, ctx.runtime.clock.now()))
        throw refused("webhook.gone", "it answered 410 not long ago: nothing is to be sent there any more");
      const waiting = index.waitingOf(ctx.tenant);
      if (waiting < maxWaiting) return;
      throw new HttpProblem({
        status: 429,
        code: "gateway.webhooks_full",
        detail: "Too many messages to receivers wait to be sent.",
        reasons: [`${waiting} wait, and ${maxWaiting} may.`],
        next: "Look at GET /v1/webhooks for what keeps them, or wait for the outcome instead.",
        retryAfterMs: 60_000,
      });
    },
    async tellWaiting(ctx, executionId, approval) {
      let state = await executions.get(ctx, executionId);
      for (let hops = 0; hops < maxHops && state?.accepted.parentId !== undefined; hops++)
        state = await executions.get(ctx, state.accepted.parentId);
      const url = state?.accepted.webhookUrl;
      if (state === undefined || url === undefined || isOutcome(state.status)) return;
      const outcome = await log.append(ctx, dueRequest(ctx, state, { url, topic: "execution.waiting", approval }));
      // A conflict says that it was made due before.
      if (!outcome.ok && outcome.reason === "overloaded")
        throw new ViableError("webhook.overloaded", `${outcome.waiting} appends are waiting for the database.`, {
          retryable: true,
        });
    },
    async start(ctx) {
      key = await settings.openKey(ctx);
      stopWatching = await index.watch(ctx, log);
      const deliverer = new Deliverer({
        log,
        index,
        executions,
        egress,
        secretOf,
        ...(onProblem !== undefined && { onProblem }),
      });
      offer = singletons.run(ctx, "webhooks", {
        start: (runCtx) => deliverer.run(runCtx),
        onProblem: ({ message }) => onProblem?.(message),
      });
    },
    async stop(ctx) {
      await offer?.stop(ctx);
      stopWatching();
    },
  };
}

const refused = (code: string, reason: string): HttpProblem =>
  new HttpProblem({
    status: 422,
    code: "gateway.webhook_refused",
    detail: "Nothing can be sent to that webhookUrl.",
    reasons: [reason],
    errors: [{ path: "body.webhookUrl", reason: `${code}: ${reason}` }],
    next: "Name a receiver on the internet by http or https, or have the system's config allow its host (egress.allow).",
  });
