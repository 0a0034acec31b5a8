import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { accepts } from "hono/accepts";
import { gatewayRoutes } from "../openapi/gateway-routes.ts";
import { namesTag } from "../openapi/names-tag.ts";
import type { Mount, Route } from "../openapi/route.ts";

const folder = new URL("../../docs-page/", import.meta.url);

/**
 * What the page may do: run the scripts that lie beside it, and ask this gateway. No other origin, no script in the page, no `eval`; nobody frames
 * it, and its form is sent nowhere. Styles may stand in the page, since the explorer's elements have some.
 */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers = {
  "content-security-policy": contentSecurityPolicy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  // May be kept, and is asked for by its tag each time: the next release may have another.
  "cache-control": "no-cache",
  vary: "Accept-Encoding",
};

/** The files there are: each is a route of its own, so no path leads to any other. */
const assets = {
  "page.js": "text/javascript; charset=utf-8",
  "page.css": "text/css; charset=utf-8",
  "openapi-explorer.min.js": "text/javascript; charset=utf-8",
} as const;

interface Kept {
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly zipped: Uint8Array<ArrayBuffer>;
  readonly tag: string;
}

/** `/docs`: a page to browse `/openapi.json` with. It holds nothing of the system's: what it shows it asks for, with the token that it asks for. */
export function addDocsPage(mount: Mount): void {
  // Read when first asked for: a megabyte, and most gateways never are.
  const kept = new Map<string, Promise<Kept>>();
  const find = (name: string): Promise<Kept> => {
    const known = kept.get(name);
    if (known !== undefined) return known;
    const reading = read(name);
    kept.set(name, reading);
    reading.catch(() => kept.delete(name));
    return reading;
  };
  const serve = (route: Route, name: string, type: string) =>
    mount(route, async (c) => {
      const { plain, zipped, tag } = await find(name);
      if (namesTag(c.req.header("if-none-match"), tag)) return c.body(null, 304, { ...headers, etag: tag });
      const encoding = accepts(c, { header: "Accept-Encoding", supports: ["gzip", "identity"], default: "identity" });
      return c.body(encoding === "gzip" ? zipped : plain, 200, {
        ...headers,
        etag: tag,
        "content-type": type,
        ...(encoding === "gzip" && { "content-encoding": "gzip" }),
      });
    });
  serve(gatewayRoutes.docs, "index.html", "text/html; charset=utf-8");
  for (const [name, type] of Object.entries(assets)) serve(assetRoute(name), name, type);
}

async function read(name: string): Promise<Kept> {
  const plain = new Uint8Array(await readFile(new URL(name, folder)));
  const digest = createHash("sha256").update(plain).digest("base64url").slice(0, 22);
  // Weak: the same, zipped or not.
  return { plain, zipped: new Uint8Array(await promisify(gzip)(plain)), tag: `W/"${digest}"` };
}

const assetRoute = (name: string): Route => ({
  method: "GET",
  path: `/docs/${name}`,
  guard: "open",
  isAsset: true,
  operation: `docs/${name}`,
  summary: "A part of the page",
  answers: { 200: { description: "The file." } },
});
