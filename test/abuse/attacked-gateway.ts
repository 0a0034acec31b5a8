import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import { expect } from "vitest";

export interface GatewaySettings {
  /** Default `memory`. On `pglite` what a database refuses to hold is met as well. */
  readonly store?: "memory" | "pglite";
  readonly host?: string;
  readonly trustedProxies?: readonly string[];
  /** What of this machine it may call as a receiver of webhooks. */
  readonly allow?: readonly string[];
  /** Who tells it where names lead, as `address:port`. The machine's own unless given. */
  readonly nameServer?: string;
}

/** What its process holds at the moment, after a collection. */
export interface Look {
  readonly heapBytes: number;
  readonly rssBytes: number;
  readonly sockets: number;
  /** Errors that it has told of as its own, and what nobody has caught. */
  readonly troubles: readonly string[];
  /** Names that every object of its has, and should not. */
  readonly polluted: readonly string[];
}

export interface Asked {
  readonly id: number;
  readonly kind: "look" | "owners";
}

/** Tokens of the two tenants' owners. */
export interface Owners {
  readonly owner: string;
  readonly otherOwner: string;
}

interface Up extends Owners {
  readonly kind: "up";
  readonly url: string;
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}
export type Told = Up | { readonly kind: "answer"; readonly id: number; readonly answer: Look | Owners };

export interface AttackedGateway extends AsyncDisposable, Omit<Up, "kind"> {
  readonly port: number;
  /** Of the first tenant's owner, who behaves. */
  readonly client: Client;
  look(): Promise<Look>;
  /** Others than those it began with: each has limits of its own. */
  newOwners(): Promise<Owners>;
  /** A well-behaved client is served as ever, and nothing was told of as an error of ours. */
  expectServes(): Promise<void>;
  /** It holds what it held before, but for what was recorded meanwhile: no socket more, and so many bytes at most. */
  expectBack(before: Look, maxMoreBytes?: number): Promise<void>;
  readonly hasEnded: boolean;
}

/** What a few hundred requests leave in memory by right: events of the store, caches, compiled code. */
const usualBytes = 48 * 1024 * 1024;

/** Starts a system that listens in a process of its own. */
export async function startGateway(settings: GatewaySettings = {}): Promise<AttackedGateway> {
  const child: ChildProcess = fork(
    fileURLToPath(new URL("./gateway-process.ts", import.meta.url)),
    [JSON.stringify(settings)],
    { execArgv: ["--conditions=viable-source", "--expose-gc"], stdio: ["ignore", "pipe", "pipe", "ipc"] },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding("utf8").on("data", (text: string) => {
      said = (said + text).slice(-20_000);
    });
  const ended = once(child, "exit");
  const up = Promise.withResolvers<Up>();
  const answers = new Map<number, (answer: never) => void>();
  child.on("message", (told: Told) => {
    if (told.kind === "up") up.resolve(told);
    else answers.get(told.id)?.(told.answer as never);
  });
  void ended.then(() => up.reject(new Error(`The gateway ended. ${said}`)));
  const { url, owner, otherOwner, routes } = await up.promise;
  const client = createClient({ url, token: owner });
  const { sessionId } = await client.openSession({ clientType: "api" });
  const ask = <T>(kind: Asked["kind"]): Promise<T> => {
    if (self.hasEnded) throw new Error(`The gateway is gone. ${said}`);
    const id = answers.size;
    return new Promise<T>((resolve, reject) => {
      answers.set(id, resolve);
      void ended.then(() => reject(new Error(`The gateway ended. ${said}`)));
      child.send({ id, kind } satisfies Asked);
    });
  };
  let served = 0;
  const self: AttackedGateway = {
    url,
    owner,
    otherOwner,
    routes,
    port: Number(new URL(url).port),
    client,
    get hasEnded() {
      return child.exitCode !== null || child.signalCode !== null;
    },
    look: () => ask<Look>("look"),
    newOwners: () => ask<Owners>("owners"),
    async expectServes() {
      served += 1;
      expect(await client.send(sessionId, { command: "echo", args: { n: served }, mode: "sync" })).toMatchObject({
        status: "completed",
        result: { n: served },
      });
      expect((await self.look()).troubles).toEqual([]);
    },
    async expectBack(before, maxMoreBytes = usualBytes) {
      // Of its own clients a connection may be kept.
      await expect.poll(async () => (await self.look()).sockets).toBeLessThanOrEqual(before.sockets + 2);
      await expect.poll(async () => (await self.look()).heapBytes - before.heapBytes).toBeLessThanOrEqual(maxMoreBytes);
    },
    async [Symbol.asyncDispose]() {
      if (self.hasEnded) return;
      child.kill("SIGKILL");
      await ended;
    },
  };
  return self;
}
