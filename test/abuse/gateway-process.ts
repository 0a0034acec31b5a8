/**
 * A whole system that listens, in a process of its own, to be attacked: by how it ends a crash shows, by what it holds a leak. Two tenants live in
 * it, each with an owner; what the second has is told to nobody but its own.
 */
import { Resolver } from "node:dns/promises";
import { createEgress } from "@viable/gateway";
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import { createPgliteStore } from "@viable/log-postgres";
import { mintOwnerToken } from "@viable/security";
import { agent, defineSystem, query, reactor, service } from "viable";
import { createSystem } from "viable/run";
import { z } from "zod";
import type { Asked, GatewaySettings, Told } from "./attacked-gateway.ts";

const { store: kind, nameServer, ...settings } = JSON.parse(process.argv[2] ?? "{}") as GatewaySettings;

const work = service({
  name: "work",
  description: "Works.",
  port: 0,
  agents: [
    agent({
      name: "echo",
      capability: "echo",
      description: "Says it again.",
      input: z.looseObject({}),
      handle: (_ctx, input) => input as never,
    }),
    agent({
      name: "wait",
      capability: "wait",
      description: "Waits.",
      input: z.strictObject({ ms: z.number().min(0).max(60_000) }),
      handle: (ctx, { ms }) =>
        new Promise<string>((resolve, reject) => {
          const timer = ctx.runtime.clock.setTimer(() => resolve("waited"), ms);
          ctx.signal.addEventListener("abort", () => {
            timer.cancel();
            reject(ctx.signal.reason);
          });
        }),
    }),
  ],
  queries: [
    query({
      name: "double",
      description: "Doubles.",
      // Twice as much must be a number still.
      input: z.strictObject({ n: z.number().min(-1e300).max(1e300) }),
      answer: (_ctx, { n }) => n * 2,
    }),
  ],
});
const asking = reactor("asking", { input: z.looseObject({}) }, (steps) =>
  steps.approval("ask", { title: "May it?" }).returns(({ results }) => results.ask),
);
const definition = defineSystem({
  name: "attacked",
  services: [work],
  reactors: [asking],
  egress: { allow: settings.allow ?? [] },
  gateway: { trustedProxies: settings.trustedProxies ?? [] },
});

const resolver = new Resolver();
if (nameServer !== undefined) resolver.setServers([nameServer]);
const resolve = (name: string): Promise<readonly string[]> => resolver.resolve4(name);

const innate = new Set(Object.getOwnPropertyNames(Object.prototype));
const ctx = rootContext(createRuntime());
const tell = (told: Told) => void process.send?.(told);
const troubles: string[] = [];
process.on("unhandledRejection", (reason) => {
  troubles.push(`unhandled: ${reason instanceof Error ? reason.stack : String(reason)}`);
});

const system = createSystem(
  definition,
  {
    store: kind === "pglite" ? createPgliteStore({ cacheDir: process.env.VIABLE_TEST_CACHE_DIR }) : createMemoryStore(),
    ...(nameServer !== undefined && { egress: createEgress({ allow: settings.allow ?? [], resolve }) }),
  },
  {
    gateway: { host: settings.host ?? "127.0.0.1", port: 0 },
    servicePorts: "none",
    threads: 1,
    onNotice: ({ level, message }) => {
      if (level === "error") troubles.push(message);
    },
  },
);
await system.start(ctx);
const other = rootContext(createRuntime(), { tenant: "other" });
const newOwners = () => ({
  owner: mintOwnerToken(ctx, system.capabilities).token,
  otherOwner: mintOwnerToken(other, system.capabilities).token,
});
process.on("message", (asked: Asked) => {
  if (asked.kind === "owners") return tell({ kind: "answer", id: asked.id, answer: newOwners() });
  globalThis.gc?.();
  const resources = process.getActiveResourcesInfo();
  tell({
    kind: "answer",
    id: asked.id,
    answer: {
      heapBytes: process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers,
      rssBytes: process.memoryUsage().rss,
      sockets: resources.filter((name) => name === "TCPSocketWrap").length,
      troubles: [...troubles],
      polluted: Object.getOwnPropertyNames(Object.prototype).filter((name) => !innate.has(name)),
    },
  });
});
process.once("disconnect", () => process.exit());
tell({
  kind: "up",
  url: system.gatewayUrl ?? "",
  owner: system.ownerToken,
  otherOwner: mintOwnerToken(other, system.capabilities).token,
  routes: system.routes(),
});
