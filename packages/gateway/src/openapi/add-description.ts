import { createHash } from "node:crypto";
import type { Context as KernelContext } from "@viable/kernel";
import type { Context } from "hono";
import type { Authenticated } from "../receive.ts";
import { describeRoutes, type Offers } from "./describe-routes.ts";
import { gatewayRoutes } from "./gateway-routes.ts";
import { namesTag } from "./names-tag.ts";
import type { Mount, Route } from "./route.ts";

export interface DescriptionSettings {
  /** The system's name, which says where events come from, and what is described. */
  readonly system: string;
  /** Of the release that answers. */
  readonly version: string;
  /** What the context's tenant may ask for by name: the same for as long as the process runs. */
  offers(ctx: KernelContext): Offers;
}

/** Tenants whose descriptions are kept, of some hundred kB each; others are made anew, in some milliseconds. */
const maxKept = 16;

/**
 * `/openapi.json`: what the gateway answers to, told by the routes that are mounted, with the commands and queries of the reader's tenant (W11). Made
 * when it is first asked for. Each reader's caches may keep it, and ask by its tag whether it is still the one.
 */
export function addDescription(
  mount: Mount,
  { reader }: { reader(c: Context): Promise<Authenticated> },
  { system, version, offers }: DescriptionSettings,
  routes: readonly Route[],
): void {
  const kept = new Map<string, { readonly text: string; readonly tag: string }>();
  const find = (ctx: KernelContext) => {
    const known = kept.get(ctx.tenant);
    if (known !== undefined) return known;
    const text = JSON.stringify(describeRoutes(routes, { title: system, version, offers: offers(ctx) }));
    const made = { text, tag: `"${createHash("sha256").update(text).digest("base64url").slice(0, 22)}"` };
    const [oldest] = kept.keys();
    if (kept.size >= maxKept && oldest !== undefined) kept.delete(oldest);
    kept.set(ctx.tenant, made);
    return made;
  };
  mount(gatewayRoutes.openApi, async (c) => {
    const { ctx } = await reader(c);
    const { text, tag } = find(ctx);
    const headers = { etag: tag, "cache-control": "private, no-cache", vary: "Authorization" };
    if (namesTag(c.req.header("if-none-match"), tag)) return c.body(null, 304, headers);
    return c.body(text, 200, { ...headers, "content-type": "application/json" });
  });
}
