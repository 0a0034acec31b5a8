/** Which model providers are configured. The environment is read here and nowhere else in this service. */

/** The variables of a process: `process.env`, or what a test hands over. */
export type Environment = { readonly [variable: string]: string | undefined };

export const providerNames = ["openai", "anthropic", "openai-compatible"] as const;
export type ProviderName = (typeof providerNames)[number];

/** A provider that may be asked. It holds the key, so it never becomes part of a result: `describeProvider` is for that. */
export interface Provider {
  readonly name: ProviderName;
  /** Without a slash at its end: `https://api.openai.com/v1`. */
  readonly baseUrl: string;
  readonly key: string | undefined;
  /** The one model of a compatible server. The others have theirs in the catalogue. */
  readonly model: string | undefined;
}

/** Why a provider cannot be used, or not fully, and what to do. */
export type ProviderProblem = { readonly provider: ProviderName; readonly reason: string; readonly next: string };

export interface Configuration {
  readonly providers: readonly Provider[];
  readonly problems: readonly ProviderProblem[];
}

/** What to do when nothing is configured. */
export const howToConfigure =
  "Set OPENAI_API_KEY, ANTHROPIC_API_KEY, or OPENAI_COMPATIBLE_URL with OPENAI_COMPATIBLE_MODEL, and start the system again.";

/** The variables of each provider: its key, its address, and where it stands unless told. */
const variables = {
  openai: { key: "OPENAI_API_KEY", url: "OPENAI_BASE_URL", defaultUrl: "https://api.openai.com/v1" },
  anthropic: { key: "ANTHROPIC_API_KEY", url: "ANTHROPIC_BASE_URL", defaultUrl: "https://api.anthropic.com/v1" },
  "openai-compatible": { key: "OPENAI_COMPATIBLE_KEY", url: "OPENAI_COMPATIBLE_URL", defaultUrl: undefined },
} as const;

/** Reads what is configured. An empty variable is one that is not set. */
export function readProviders(environment: Environment): Configuration {
  const providers: Provider[] = [];
  const problems: ProviderProblem[] = [];
  for (const name of providerNames) {
    const { key: keyVariable, url: urlVariable, defaultUrl } = variables[name];
    // What is read from a file often ends with a line break.
    const key = environment[keyVariable]?.trim() || undefined;
    const url = environment[urlVariable] || defaultUrl;
    // The compatible server is there when it has an address, the others when they have a key.
    if (url === undefined || (defaultUrl !== undefined && key === undefined)) continue;
    const baseUrl = toBaseUrl(url);
    if (baseUrl === undefined) {
      problems.push({
        provider: name,
        reason: `${urlVariable} is no address of a provider.`,
        next: `Set ${urlVariable} to an http or https address without credentials in it, as https://models.example.org/v1.`,
      });
      continue;
    }
    if (key !== undefined && !/^[!-~]+$/.test(key)) {
      problems.push({
        provider: name,
        reason: `${keyVariable} holds characters that no key has, and none could be sent.`,
        next: `Set ${keyVariable} again: a key is one word of letters, digits and marks.`,
      });
      continue;
    }
    const model = name === "openai-compatible" ? environment.OPENAI_COMPATIBLE_MODEL || undefined : undefined;
    providers.push({ name, baseUrl, key, model });
    if (name === "openai-compatible" && model === undefined) {
      problems.push({
        provider: name,
        reason: "OPENAI_COMPATIBLE_MODEL is not set, so none of its models can be asked.",
        next: "Set it to one of the models that model_management lists.",
      });
    }
  }
  return { providers, problems };
}

/** What may be shown of a provider: never its key, and of its address only what cannot hold one. */
export function describeProvider({ name, baseUrl, model }: Provider): {
  provider: ProviderName;
  address: string;
  model?: string;
} {
  return { provider: name, address: baseUrl, ...(model !== undefined && { model }) };
}

/** Why a provider is not there, for those who look for it. */
export function howToConfigureOne(name: ProviderName): string {
  const { key, url, defaultUrl } = variables[name];
  return defaultUrl === undefined
    ? `Set ${url} and OPENAI_COMPATIBLE_MODEL, and ${key} where the server wants one.`
    : `Set ${key}.`;
}

function toBaseUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, origin, pathname, username, password, search } = new URL(text);
  if (protocol !== "http:" && protocol !== "https:") return undefined;
  // Either may hold a key, which would then stand in results and messages.
  if (username !== "" || password !== "" || search !== "") return undefined;
  const path = pathname.replace(/\/+$/, "");
  // The bare address is a common way to write it; its interface lies below /v1.
  return origin === "https://api.anthropic.com" && path === "" ? `${origin}/v1` : `${origin}${path}`;
}
