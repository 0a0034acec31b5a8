import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";

/** Stands between a store and its server. */
export interface Proxy extends AsyncDisposable {
  /** Leads to the same database, through here. */
  readonly connectionString: string;
  /**
   * As a pooler does that has no server to lend, or a network that loses what it is given: whoever comes is let in, and what is asked
   * after that is lost.
   */
  stalls: boolean;
  /** As a network does that forgot them: what is asked from now on over the connections that are there is lost. Others are as before. */
  forget(): void;
  /** How many connections the store has not let go of. */
  readonly open: number;
}

/** ReadyForQuery: the login is over, or a query answered. */
const isReady = (data: Buffer): boolean => data.length >= 6 && data.toString("latin1").at(-6) === "Z";

export async function startProxy(connectionString: string): Promise<Proxy> {
  const url = new URL(connectionString);
  const port = Number(url.port || 5432);
  const host = url.hostname;
  const sockets = new Set<Socket>();
  const open = new Set<Socket>();
  const forgotten = new WeakSet<Socket>();
  const proxy = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect(port, host);
    let isIn = false;
    const isLost = () => isIn && (control.stalls || forgotten.has(client));
    sockets.add(client);
    open.add(client);
    client.on("data", (data) => {
      if (!isLost()) upstream.write(data);
    });
    upstream.on("data", (data) => {
      if (isLost()) return;
      isIn ||= isReady(data);
      client.write(data);
    });
    client.on("end", () => {
      open.delete(client);
      // One that stalls does not answer a goodbye either.
      if (!isLost()) client.end();
    });
    client.on("close", () => {
      sockets.delete(client);
      open.delete(client);
      upstream.destroy();
    });
    upstream.on("close", () => {
      if (!isLost()) client.destroy();
    });
    for (const socket of [client, upstream]) socket.on("error", () => {});
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  url.hostname = "127.0.0.1";
  url.port = String((proxy.address() as AddressInfo).port);
  const control: Proxy = {
    connectionString: url.href,
    stalls: false,
    forget: () => {
      for (const socket of sockets) forgotten.add(socket);
    },
    get open() {
      return open.size;
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
      await once(proxy, "close");
    },
  };
  return control;
}
