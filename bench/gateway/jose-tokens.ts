// The subject `jose` of tokens: the same claims as a JSON Web Token signed with Ed25519, verified each time, since it has no memory of its own.
import { answerParent } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { liveHeapMb } from "../reactors/memory-use.ts";
import type { TokenLoad, TokenRound } from "./token-load.ts";
import { tokensInUse } from "./token-load.ts";

interface Jose {
  generateKeyPair(algorithm: string): Promise<{ publicKey: object; privateKey: object }>;
  SignJWT: new (claims: object) => SignJwt;
  jwtVerify(token: string, key: object): Promise<{ payload: { sessionId?: string } }>;
}
interface SignJwt {
  setProtectedHeader(header: object): SignJwt;
  setExpirationTime(time: number): SignJwt;
  sign(key: object): Promise<string>;
}

const { generateKeyPair, SignJWT, jwtVerify } = loadPeer<Jose>("jose");
const { publicKey, privateKey } = await generateKeyPair("EdDSA");
let made = 0;
const makeTokens = (count: number): Promise<string[]> =>
  Promise.all(
    Array.from({ length: count }, () => {
      const sessionId = `ses_${String(made++).padStart(26, "0")}`;
      const claims = { operations: ["read", "write"], clientType: "web", sessionId, commandsPerHour: 500 };
      return new SignJWT(claims).setProtectedHeader({ alg: "EdDSA" }).setExpirationTime(4_000_000_000).sign(privateKey);
    }),
  );

async function look(tokens: readonly string[]): Promise<number> {
  const beganMs = performance.now();
  for (const token of tokens)
    if ((await jwtVerify(token, publicKey)).payload.sessionId === undefined) throw new Error("It says nothing.");
  return ((performance.now() - beganMs) * 1_000) / tokens.length;
}

answerParent({
  ready: () => true,
  round: async ({ load: { firsts, repeats } }: { load: TokenLoad }): Promise<TokenRound> => {
    const inUse = await makeTokens(tokensInUse);
    const firstUs = await look(await makeTokens(firsts));
    const beforeMb = liveHeapMb();
    let us = 0;
    for (let done = 0; done < repeats; done += tokensInUse) us += (await look(inUse)) * tokensInUse;
    return { firstUs, repeatUs: us / repeats, grewMb: liveHeapMb() - beforeMb };
  },
});
