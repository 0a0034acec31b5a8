import type { Context } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log } from "@viable/log";
import { append, toEvent } from "./deliverer.ts";
import type { Delivery } from "./delivery.ts";
import { readDelivery } from "./delivery.ts";
import { deleteGone, writeDue } from "./webhook-index.ts";

/** How often one delivery may be sent again by hand: its stream is read whole for each try. */
const maxReplays = 10;
/** How often it is decided again where somebody else was quicker. */
const maxDecisions = 3;

/**
 * Has a delivery that has ended sent again, as often as a new one is tried, also to an address that said it was gone. Throws
 * `webhook.not_found`, also for those of another session where one is given; `webhook.pending`, `webhook.too_many_replays`, `webhook.overloaded`.
 */
export async function replayDelivery(
  ctx: Context,
  log: Log,
  deliveryId: string,
  session: string | undefined,
): Promise<Delivery> {
  for (let decisions = 0; decisions < maxDecisions; decisions++) {
    const delivery = await readDelivery(ctx, log, deliveryId);
    if (delivery === undefined || (session !== undefined && delivery.session !== session))
      throw new ViableError("webhook.not_found", `There is no delivery ${deliveryId}.`);
    if (delivery.status === "pending")
      throw new ViableError("webhook.pending", `${deliveryId} is still being tried.`, {
        next: `Its next try is at ${new Date(delivery.nextAt).toISOString()}.`,
      });
    if (delivery.replays >= maxReplays)
      throw new ViableError("webhook.too_many_replays", `${deliveryId} was sent again ${maxReplays} times.`, {
        next: "Read the execution instead; its outcome is there.",
      });
    const outcome = await log.append(ctx, {
      streams: [append(delivery, [toEvent(ctx, "webhook.replayed", { by: ctx.principal })])],
      records: [writeDue(delivery, ctx.runtime.clock.now()), deleteGone(delivery)],
    });
    if (outcome.ok) return delivery;
    if (outcome.reason === "overloaded") break;
  }
  throw new ViableError("webhook.overloaded", `That ${deliveryId} is sent again could not be recorded now.`, {
    retryable: true,
  });
}
