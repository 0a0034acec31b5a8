import type { Context } from "@viable/kernel";
import type { Log, Position } from "@viable/log";
import type { WebhookPage } from "@viable/protocol";
import { deliveryIdOf, readDelivery, toWebhookView } from "./delivery.ts";

/** The tenant's deliveries, or those of one session, the newest first: a page, and where the next begins. */
export async function listDeliveries(
  ctx: Context,
  log: Log,
  { limit, before, session }: { limit: number; before: Position | undefined; session: string | undefined },
): Promise<WebhookPage> {
  const page = await log.readAllPage(ctx, {
    direction: "backward",
    limit,
    ...(before !== undefined && { from: before }),
    filter: { tenant: ctx.tenant, types: ["webhook.due"], ...(session !== undefined && { session }) },
  });
  const found = await Promise.all(page.events.map(({ stream }) => readDelivery(ctx, log, deliveryIdOf(stream))));
  const next = page.isEnd ? undefined : page.events.at(-1)?.position;
  return {
    webhooks: found.filter((delivery) => delivery !== undefined).map(toWebhookView),
    ...(next !== undefined && { next }),
  };
}
