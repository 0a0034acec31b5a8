import type { AgentContext, JsonObject } from "viable";
import { agent } from "viable";
import { z } from "zod";
import { cutList, type Truncated } from "../../../source/cut-list.ts";
import { probeProvider } from "../probe-provider.ts";
import type { Health } from "../provider-health.ts";
import { readHealth, writeHealth } from "../provider-health.ts";
import type { Environment, Provider } from "../providers.ts";
import { describeProvider, howToConfigureOne, providerNames, readProviders } from "../providers.ts";

/** Models named of each provider; the largest list fewer than a hundred that answer text. */
const maxModelsListed = 200;

/** Looks at the providers that are configured, and remembers how they are. */
export const createProviderManager = (environment: Environment) =>
  agent({
    name: "provider-manager",
    capability: "model_management",
    description: "Which model providers are configured, whether they answer, and which models they list",
    input: z.strictObject({
      provider: z.enum(providerNames).optional().describe("Only this one; all unless told"),
    }),
    risk: "low",
    async handle(ctx, { provider: only }) {
      const { providers, problems } = readProviders(environment);
      const truncated: Truncated = {};
      const wanted = providerNames.filter((name) => only === undefined || name === only);
      const looked = await Promise.all(
        wanted.map(async (name): Promise<JsonObject> => {
          const provider = providers.find((each) => each.name === name);
          if (provider === undefined) {
            const isWrong = problems.some((problem) => problem.provider === name);
            return { provider: name, isConfigured: false, ...(!isWrong && { next: howToConfigureOne(name) }) };
          }
          const health = await lookAt(ctx, provider);
          return {
            ...describeProvider(provider),
            isConfigured: true,
            isKeySet: provider.key !== undefined,
            ...describeHealth(health, truncated),
          };
        }),
      );
      return {
        origin: "probe",
        configured: looked.filter((each) => each.isConfigured === true).length,
        up: looked.filter((each) => each.state === "up").length,
        providers: looked,
        problems: problems.filter((problem) => only === undefined || problem.provider === only),
        truncated,
      };
    },
  });

export const providerManager = createProviderManager(process.env);

async function lookAt(ctx: AgentContext, provider: Provider): Promise<Health> {
  const before = await readHealth(ctx.memory, provider);
  const startedMs = ctx.runtime.clock.monotonicMs();
  const found = await probeProvider(ctx, provider);
  const checkedAt = ctx.runtime.clock.now();
  const health: Health = {
    ...found,
    address: provider.baseUrl,
    checkedAt,
    since: before?.state === found.state ? before.since : checkedAt,
    ms: Math.round(ctx.runtime.clock.monotonicMs() - startedMs),
  };
  await writeHealth(ctx.memory, provider.name, health);
  return health;
}

function describeHealth(health: Health, truncated: Truncated): JsonObject {
  const { state, reason, ms, checkedAt, since, models, listsAll } = health;
  return {
    state,
    ...(reason !== undefined && { reason }),
    ms,
    checkedAt: new Date(checkedAt).toISOString(),
    since: new Date(since).toISOString(),
    ...(state === "up" && { models: cutList("models", models, maxModelsListed, truncated), listsAll }),
  };
}
