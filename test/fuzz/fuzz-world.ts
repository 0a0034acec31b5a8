import { createClient } from "@viable/client";
import type { AttackedGateway } from "../abuse/attacked-gateway.ts";
import type { Bearer, places } from "./entrances.ts";

/** What nobody may be told of who has no part in it. */
export interface Canaries {
  /** Of the first tenant, in the session that is attacked from. */
  readonly mine: string;
  /** Of the same tenant, in a session beside it. */
  readonly beside: string;
  /** Of the other tenant. */
  readonly other: string;
}

/** Two tenants with something in all that can be read, and the tokens that are shown. */
export interface FuzzWorld {
  readonly tokens: Readonly<Record<Bearer, string | undefined>>;
  readonly canaries: Canaries;
  /** Of the bearer's tenant. */
  placesOf(bearer: Bearer): Readonly<Record<(typeof places)[number], string>>;
  /** Canaries that this bearer must not be sent. */
  forbidden(bearer: Bearer): readonly string[];
}

let worlds = 0;

export async function createFuzzWorld(gateway: AttackedGateway): Promise<FuzzWorld> {
  const { owner, otherOwner } = await gateway.newOwners();
  worlds += 1;
  const canaries = {
    mine: `canary-mine-${worlds}`,
    beside: `canary-beside-${worlds}`,
    other: `canary-other-${worlds}`,
  };
  const mine = await furnish(gateway, owner, canaries.mine);
  const beside = await furnish(gateway, owner, canaries.beside);
  const other = await furnish(gateway, otherOwner, canaries.other);
  const narrow = await createClient({ url: gateway.url, token: owner }).mintCapability({
    expiresInMs: 3_600_000,
    sessionId: mine.session,
    operations: ["read"],
  });
  const tokens = {
    nobody: undefined,
    nonsense: "nonsense",
    owner,
    session: mine.token,
    narrow: narrow.token,
    otherOwner,
    otherSession: other.token,
  };
  const placesIn = (here: Furnished, there: Furnished) => ({
    "<session>": here.session,
    "<otherSession>": there.session,
    "<execution>": here.execution,
    "<otherExecution>": there.execution,
    "<capability>": here.capability,
    "<run>": here.run,
    "<export>": here.export,
    "<coordination>": here.coordination,
    "<position>": here.position,
  });
  const isOther = (bearer: Bearer) => bearer === "otherOwner" || bearer === "otherSession";
  return {
    tokens,
    canaries,
    placesOf: (bearer) =>
      isOther(bearer) ? placesIn(other, mine) : placesIn(mine, bearer === "owner" ? other : beside),
    forbidden(bearer) {
      if (isOther(bearer)) return [canaries.mine, canaries.beside];
      if (bearer === "owner") return [canaries.other];
      if (bearer === "session" || bearer === "narrow") return [canaries.other, canaries.beside];
      return Object.values(canaries);
    },
  };
}

interface Furnished {
  readonly session: string;
  readonly token: string;
  readonly execution: string;
  readonly capability: string;
  readonly run: string;
  readonly export: string;
  readonly coordination: string;
  readonly position: string;
}

/** A session with a canary in whatever it can have one in. */
async function furnish({ url }: AttackedGateway, owner: string, canary: string): Promise<Furnished> {
  const client = createClient({ url, token: owner });
  const { sessionId, token } = await client.openSession({ clientType: "api", purpose: canary });
  const api = createClient({ url, token });
  const { executionId } = await api.send(sessionId, { command: "echo", args: { canary }, mode: "sync" });
  await api.send(sessionId, { command: "memory.set", args: { key: canary, value: canary }, mode: "sync" });
  const started = await api.send(sessionId, {
    command: "reactor.start",
    args: { reactor: "asking", input: { canary } },
    mode: "sync",
  });
  if (started.status !== "completed") throw new Error(`No run was begun: ${JSON.stringify(started)}`);
  const { runId } = started.result as { runId: string };
  const minted = await api.mintCapability({ expiresInMs: 3_600_000, label: canary });
  const asked = await api.coordinate(sessionId, { operation: canary, timeoutMs: 3_600_000 });
  const exported = await api.requestExport(sessionId, "json");
  const { events } = await api.events({ session: sessionId, limit: 1 });
  return {
    session: sessionId,
    token,
    execution: executionId,
    capability: minted.capabilityId,
    run: runId,
    export: exported.exportId,
    coordination: asked.coordinationId,
    position: events[0]?.position ?? "",
  };
}
