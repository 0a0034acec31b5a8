// The subject `viable` of tokens: capabilities as the gateway verifies them. Each is an owner's, narrowed to a session: two links.
import { createRuntime, rootContext } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { createCapabilities, createHmacChain, mintOwnerToken } from "@viable/security";
import { answerParent } from "../harness/child.ts";
import { liveHeapMb } from "../reactors/memory-use.ts";
import type { TokenLoad, TokenRound } from "./token-load.ts";
import { tokensInUse } from "./token-load.ts";

const runtime = createRuntime();
const ctx = rootContext(runtime);
const log = createLog(createMemoryStore(), runtime);
await log.start(ctx);
const capabilities = createCapabilities({ log, open: async () => createHmacChain(new Uint8Array(32).fill(7)) });
await capabilities.start(ctx);
const owner = mintOwnerToken(ctx, capabilities);
let made = 0;
const makeTokens = (count: number): string[] =>
  Array.from({ length: count }, () => {
    const sessionId = `ses_${String(made++).padStart(26, "0")}`;
    const restrictions = { operations: ["read" as const, "write" as const], clientType: "web" as const, sessionId };
    return capabilities.attenuate(owner.token, { ...restrictions, commandsPerHour: 500, expiresAt: 4_000_000_000_000 })
      .token;
  });
/** As it comes from a socket: text that nobody has looked at. */
const copyOf = (token: string): string => Buffer.from(token).toString("latin1");

function look(tokens: readonly string[]): number {
  const beganMs = performance.now();
  for (const token of tokens)
    if (capabilities.verify(ctx, token) === undefined) throw new Error("A token of ours opens nothing.");
  return ((performance.now() - beganMs) * 1_000) / tokens.length;
}

answerParent({
  ready: () => true,
  round: ({ load: { firsts, repeats } }: { load: TokenLoad }): TokenRound => {
    const inUse = makeTokens(tokensInUse);
    const fresh = makeTokens(firsts).map(copyOf);
    const firstUs = look(fresh);
    look(inUse);
    const beforeMb = liveHeapMb();
    let us = 0;
    for (let done = 0; done < repeats; done += tokensInUse) us += look(inUse.map(copyOf)) * tokensInUse;
    return { firstUs, repeatUs: us / repeats, grewMb: liveHeapMb() - beforeMb };
  },
});
