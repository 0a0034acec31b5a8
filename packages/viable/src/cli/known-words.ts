import type { Client } from "@viable/client";
import type { Clock, JsonObject } from "@viable/kernel";
import type { Candidate, Known, Wanted } from "./complete-words.ts";
import type { GatewayOptions } from "./gateway.ts";

/** Whoever has pressed a key waits for this, in milliseconds: what is not known by then is not told. */
const answerMs = 500;
/** As many of what there may be any number of, the newest. */
const limit = 50;

/** What stands for each word that the verbs name, by the word, or by the verb and the word where it means something else there. */
const sources: Readonly<Record<string, (client: Client, wanted: Wanted) => Promise<Candidate[]>>> = {
  command: async (client) =>
    (await client.commands()).commands.map(({ command, description }) => ({ word: command, about: description })),
  query: async (client) =>
    (await client.queries()).queries.map(({ query, description }) => ({ word: query, about: description })),
  execution: async (client) =>
    (await client.executions({ limit })).executions.map(({ executionId, command, status }) => ({
      word: executionId,
      about: `${command} ${status}`,
    })),
  session: async (client) =>
    (await client.sessions({ limit })).sessions.map(({ sessionId, status, purpose = "" }) => ({
      word: sessionId,
      about: `${status} ${purpose}`,
    })),
  service: async (client) =>
    unique((await client.swarms()).swarms.map(({ service, description }) => ({ word: service, about: description }))),
  process: async (client) => unique((await client.swarms()).swarms.map(({ processId }) => ({ word: processId }))),
  part: async (client, { words }) => {
    const { parts, workers } = await client.swarm(words[0] ?? "");
    return [...parts, ...workers].map(({ id, state }) => ({ word: id, about: state }));
  },
  reactor: async (client) => (await client.reactors()).reactors.map(({ name }) => ({ word: name })),
  run: async (client) =>
    (await client.runs({ limit })).runs.map(({ runId, reactor, status }) => ({
      word: runId,
      about: `${reactor} ${status}`,
    })),
  approval: async (client) =>
    (await client.approvals({ limit })).approvals.map(({ approvalId, title }) => ({ word: approvalId, about: title })),
  "registry discover capability": async (client) => sources.command?.(client, {} as Wanted) ?? [],
  capability: async (client) =>
    (await client.capabilities({ limit })).capabilities.map(({ capabilityId, status, restrictions }) => ({
      word: capabilityId,
      about: `${status} ${restrictions?.label ?? ""}`,
    })),
  user: async (client) => (await client.users.list({ limit })).users.map(({ user }) => ({ word: user })),
  projection: async (client) => (await client.projections()).projections.map(({ name }) => ({ word: name })),
  delivery: async (client) =>
    (await client.webhooks({ limit })).webhooks.map(({ deliveryId, status }) => ({ word: deliveryId, about: status })),
  provider: async (client) =>
    (await client.users.credentials()).credentials.map(({ provider }) => ({ word: provider })),
  "memory get key": async (client, { begins }) =>
    (await client.memory({ namespace: "default", prefix: begins, limit })).entries.map(({ key }) => ({ word: key })),
};

/** Asks the gateway that the options lead to, for half a second in all. Whatever goes wrong, it is not known. */
export function askKnown(clock: Clock, connect: (options: GatewayOptions) => Client): Known {
  const within = async <T>(asked: () => Promise<T>, otherwise: T): Promise<T> => {
    const late = Promise.withResolvers<T>();
    const timer = clock.setTimer(() => late.resolve(otherwise), answerMs, { background: true });
    try {
      return await Promise.race([asked(), late.promise]);
    } catch {
      return otherwise;
    } finally {
      timer.cancel();
    }
  };
  return {
    words(wanted) {
      const source = sources[`${wanted.verb} ${wanted.what}`] ?? sources[wanted.what];
      if (source === undefined) return Promise.resolve([]);
      return within(async () => await source(connect(wanted.options), wanted), []);
    },
    input({ what, options }, name) {
      return within<JsonObject | undefined>(async () => {
        const client = connect(options);
        if (what === "query") return (await client.queries()).queries.find(({ query }) => query === name)?.input;
        return (await client.commands()).commands.find(({ command }) => command === name)?.input;
      }, undefined);
    },
  };
}

const unique = (all: readonly Candidate[]): Candidate[] => [...new Map(all.map((each) => [each.word, each])).values()];
