import { codeOf, ViableError } from "@viable/kernel";
import { z } from "zod";
import { boundedFetch } from "./bounded-fetch.ts";
import type { Health, HealthState } from "./provider-health.ts";
import type { Provider } from "./providers.ts";
import { type Waiting, withTimeLimit } from "./time-limit.ts";

/** A provider that lists its models no faster than this is of no use to somebody who waits. */
const probeTimeoutMs = 5_000;
/** Remembered of each list; a memory value has room for them. */
const maxModels = 1_000;
/** Longer names are no models' names, and neither are those with something in them that nobody sees. */
const maxNameChars = 200;
const isName = (id: string): boolean => id.length <= maxNameChars && !/\p{C}/u.test(id);

const list = z.object({ data: z.array(z.object({ id: z.string() })), has_more: z.boolean().optional() });

type Probed = Pick<Health, "state" | "reason" | "models" | "listsAll">;

/** Asks a provider for its models, for 5 seconds at most. Whatever comes of it is an answer; only being stopped throws. */
export async function probeProvider(ctx: Waiting, provider: Provider): Promise<Probed> {
  try {
    return await withTimeLimit(ctx, probeTimeoutMs, async (signal) => {
      const response = await boundedFetch(addressOf(provider), { headers: headersOf(provider), signal });
      if (!response.ok) {
        await response.body?.cancel();
        return without(stateOf(response.status), `It answered ${response.status}.`);
      }
      const found = list.safeParse(parseJson(await response.text()));
      if (!found.success) return without("no-models", "It answered something that is no list of models.");
      const listed = found.data.data.map(({ id }) => id);
      const models = listed.filter(isName).sort().slice(0, maxModels);
      return { state: "up", models, listsAll: found.data.has_more !== true && models.length === listed.length };
    });
  } catch (error) {
    ctx.signal.throwIfAborted();
    return without(
      "unreachable",
      error instanceof ViableError ? error.message : `It cannot be reached (${whyNot(error)}).`,
    );
  }
}

const without = (state: HealthState, reason: string): Probed => ({ state, reason, models: [], listsAll: false });

// The default page of Anthropic has 20 models, the longest a thousand. Others list all and may refuse what they do not know.
const addressOf = ({ name, baseUrl }: Provider): string =>
  name === "anthropic" ? `${baseUrl}/models?limit=1000` : `${baseUrl}/models`;

function headersOf({ name, key }: Provider): Record<string, string> {
  if (key === undefined) return {};
  return name === "anthropic"
    ? { "x-api-key": key, "anthropic-version": "2023-06-01" }
    : { authorization: `Bearer ${key}` };
}

function stateOf(status: number): HealthState {
  if (status === 401 || status === 403) return "refused";
  // Not every compatible server has a list.
  if (status === 404 || status === 405) return "no-models";
  return status === 429 ? "limited" : "failing";
}

/** The code of the system's own error, as `ECONNREFUSED`: a message could hold what was sent. */
const whyNot = (error: unknown): string =>
  codeOf(error instanceof Error && error.cause !== undefined ? error.cause : error);

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
