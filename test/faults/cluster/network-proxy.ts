import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { Random } from "@viable/kernel";

/** Between hosts and a server: what a network does to a connection. It says nothing of its own. */
export class NetworkProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #random: Random;
  readonly #pairs = new Set<Pair>();
  /** How long a piece takes, each way, in milliseconds, drawn anew for each; pieces of one way keep their order. */
  #delayMs: { readonly from: number; readonly to: number } | undefined;

  private constructor(server: Server, random: Random) {
    this.#server = server;
    this.#random = random;
  }

  static async start(host: string, upstreamPort: number, random: Random): Promise<NetworkProxy> {
    const server = createServer({ allowHalfOpen: true });
    const proxy = new NetworkProxy(server, random);
    server.on("connection", (client) => proxy.#join(client, connect({ port: upstreamPort, allowHalfOpen: true })));
    server.listen(0, host);
    await once(server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  slowDown(delayMs: { readonly from: number; readonly to: number } | undefined): void {
    this.#delayMs = delayMs;
  }

  /** Ends all connections in the middle of what they are at, both ways. */
  cut(): number {
    const pairs = [...this.#pairs];
    for (const { client, upstream } of pairs) for (const socket of [client, upstream]) socket.resetAndDestroy();
    return pairs.length;
  }

  /**
   * Forgets all connections, as a router does that was restarted: the server's side ends, and nobody tells the other, which is half open
   * from then on. New ones are let through.
   */
  forget(): number {
    const pairs = [...this.#pairs];
    for (const pair of pairs) {
      pair.isForgotten = true;
      pair.upstream.destroy();
    }
    return pairs.length;
  }

  #join(client: Socket, upstream: Socket): void {
    const pair: Pair = { client, upstream, isForgotten: false };
    this.#pairs.add(pair);
    this.#carry(pair, client, upstream);
    this.#carry(pair, upstream, client);
    client.on("close", () => {
      this.#pairs.delete(pair);
      upstream.destroy();
    });
    upstream.on("close", () => {
      if (!pair.isForgotten) client.destroy();
    });
    for (const socket of [client, upstream]) socket.on("error", () => {});
  }

  #carry(pair: Pair, from: Socket, to: Socket): void {
    let freeAtMs = 0;
    const later = (act: () => void) => {
      const now = performance.now();
      const delay = this.#delayMs;
      const dueMs = delay === undefined ? now : now + delay.from + this.#random.next() * (delay.to - delay.from);
      freeAtMs = Math.max(freeAtMs, dueMs);
      if (freeAtMs <= now) act();
      else setTimeout(act, freeAtMs - now);
    };
    from.on("data", (data) => {
      if (!pair.isForgotten) later(() => to.writable && to.write(data));
    });
    from.on("end", () => {
      if (!pair.isForgotten) later(() => to.end());
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client, upstream } of this.#pairs) for (const socket of [client, upstream]) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  isForgotten: boolean;
}
