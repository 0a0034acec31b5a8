/** The page of the description: what it may do in a browser, that it is asked of no other origin, and that nothing else is served beside it. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import { Hono } from "hono";
import { expect, test } from "vitest";
import type { Mount } from "../openapi/route.ts";
import { addDocsPage } from "./add-docs-page.ts";

const folder = new URL("../../docs-page/", import.meta.url);

function setup() {
  const app = new Hono();
  const paths: string[] = [];
  const mount: Mount = (route, handle) => {
    paths.push(route.path);
    app.on(route.method, route.path, handle);
  };
  addDocsPage(mount);
  return { app, paths };
}

test("runs no script but its own files', evaluates none, asks its own gateway alone, and is framed by nobody", async () => {
  const { app, paths } = setup();
  expect(paths).toEqual(["/docs", "/docs/page.js", "/docs/page.css", "/docs/openapi-explorer.min.js"]);
  for (const path of paths) {
    const { status, headers } = await app.request(path);
    expect(status).toBe(200);
    const policy = Object.fromEntries(
      (headers.get("content-security-policy") ?? "").split("; ").map((part) => part.split(/ (.*)/).slice(0, 2)),
    );
    expect(policy).toMatchObject({
      "default-src": "'none'",
      "script-src": "'self'",
      "connect-src": "'self'",
      "frame-ancestors": "'none'",
      "form-action": "'none'",
    });
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
  }
});

test("has no script or handler in its text, and leads to no other origin", async () => {
  const { app } = setup();
  const page = await (await app.request("/docs")).text();
  expect([...page.matchAll(/<script([^>]*)>([^<]*)/g)].map(([, , inside]) => inside)).toEqual(["", ""]);
  expect(page).not.toMatch(/\son[a-z]+=|javascript:/);
  for (const path of ["/docs", "/docs/page.js", "/docs/page.css"])
    expect(await (await app.request(path)).text()).not.toMatch(/\/\/[a-z]+\.|https?:/);
  // The token is in memory alone.
  expect(await (await app.request("/docs/page.js")).text()).not.toMatch(/localStorage|sessionStorage|cookie|indexedDB/);
});

test.each([
  "/docs/",
  "/docs/package.json",
  "/docs/../package.json",
  "/docs/%2e%2e/package.json",
  "/docs/..%2fpackage.json",
  "/docs/openapi-explorer.json",
  "/docs/openapi-explorer-licence.txt",
  "/docs//page.js",
])("serves nothing at %s", async (path) => {
  const { app } = setup();
  expect((await app.request(`http://test.invalid${path}`)).status).toBe(404);
});

test("is not sent again to whoever has it, and comes packed to whoever takes it so", async () => {
  const { app } = setup();
  const path = "/docs/openapi-explorer.min.js";
  const first = await app.request(path);
  const tag = first.headers.get("etag") as string;
  expect((await app.request(path, { headers: { "if-none-match": tag } })).status).toBe(304);
  expect((await app.request(path, { headers: { "if-none-match": `"other", ${tag}` } })).status).toBe(304);
  expect((await app.request(path, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  const packed = await app.request(path, { headers: { "accept-encoding": "br, gzip" } });
  expect(packed.headers.get("content-encoding")).toBe("gzip");
  const bytes = new Uint8Array(await packed.arrayBuffer());
  expect(bytes.length).toBeLessThan(300_000);
  expect(gunzipSync(bytes).equals(Buffer.from(await first.arrayBuffer()))).toBe(true);
});

test("the explorer is the file of the release that is named beside it, and needs nothing that the policy forbids", async () => {
  const named = JSON.parse(await readFile(new URL("openapi-explorer.json", folder), "utf8"));
  const file = await readFile(new URL("openapi-explorer.min.js", folder));
  expect(createHash("sha256").update(file).digest("hex")).toBe(named.sha256);
  expect(file.toString("utf8")).toContain(`OpenAPI Explorer ${named.version}`);
  // What it fetches is what it is given.
  expect(file.toString("utf8")).not.toMatch(/fonts\.g(oogleapis|static)|cdn\.|unpkg|jsdelivr/);
  expect(await readdir(folder)).toHaveLength(6);
});
