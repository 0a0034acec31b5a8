import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { importSameCopy } from "../harness/same-copy.ts";

type Fetch = (request: Request, env: object) => Response | Promise<Response>;

/** Serves a Hono app over the very adapter that we use, on a free port; its address. */
export async function listenOnHono(fetch: Fetch): Promise<string> {
  const { getRequestListener } = await importSameCopy<{ getRequestListener(fetch: Fetch): RequestListener }>(
    "@viable/gateway",
    "@hono/node-server",
  );
  const server = createServer(getRequestListener(fetch));
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
