import { ViableError } from "@viable/kernel";
import type { APICallError, LanguageModel } from "ai";
import { boundedFetch } from "./bounded-fetch.ts";
import { catalogue, tokensFor } from "./models.ts";
import type { Provider } from "./providers.ts";
import { type Waiting, withTimeLimit } from "./time-limit.ts";

/** What is asked of a model. */
export interface Question {
  readonly system?: string | undefined;
  readonly prompt: string;
  readonly maxTokens: number;
  readonly temperature: number;
}

export interface ModelAnswer {
  readonly text: string;
  /** Whether it ends before its end: its tokens were used up, or the provider would not let it go on. */
  readonly isCut: boolean;
  /** As the provider counted; absent where it did not say. */
  readonly inputTokens?: number;
  readonly outputTokens?: number;
}

/** One model has this long for one question, all tries together: longer answers are not asked for here. */
export const maxAskMs = 30_000;
/** After the first try. The waits between them are what the provider asks for, else two seconds and four. */
const maxRetries = 2;
/** The largest number of tokens that is asked for is some pages; what is longer is no answer to that, and could not be kept. */
const maxAnswerChars = 500_000;

// The library would print what a model does not support, a temperature for one, into the system's own output.
globalThis.AI_SDK_LOG_WARNINGS = false;

/**
 * Asks a model once, for 30 seconds at most. Throws `ai.call_failed` with the reason in a sentence; neither that nor anything
 * else it throws holds the key, the prompt, or what the provider wrote about either.
 */
export async function askModel(
  ctx: Waiting,
  provider: Provider,
  model: string,
  question: Question,
): Promise<ModelAnswer> {
  const { generateText } = await import("ai");
  const known = catalogue.find((each) => each.provider === provider.name && each.model === model);
  const languageModel = await openModel(provider, model);
  try {
    return await withTimeLimit(ctx, maxAskMs, async (signal) => {
      const { text, finishReason, usage } = await generateText({
        model: languageModel,
        ...(question.system !== undefined && { instructions: question.system }),
        prompt: question.prompt,
        maxOutputTokens: tokensFor(known, question.maxTokens),
        temperature: question.temperature,
        ...(known !== undefined && { reasoning: known.leastThinking }),
        maxRetries,
        abortSignal: signal,
      });
      if (text.trim() === "") throw failed("it answered without any text");
      if (text.length > maxAnswerChars) throw failed(`it answered more than ${maxAnswerChars} characters`);
      return {
        text,
        isCut: finishReason === "length" || finishReason === "content-filter",
        ...(usage.inputTokens !== undefined && { inputTokens: usage.inputTokens }),
        ...(usage.outputTokens !== undefined && { outputTokens: usage.outputTokens }),
      };
    });
  } catch (error) {
    ctx.signal.throwIfAborted();
    throw await toFailure(error);
  }
}

async function openModel({ name, baseUrl, key }: Provider, model: string): Promise<LanguageModel> {
  const settings = { baseURL: baseUrl, ...(key !== undefined && { apiKey: key }), fetch: boundedFetch };
  switch (name) {
    case "openai":
      // The interface that every compatible server speaks too.
      return (await import("@ai-sdk/openai")).createOpenAI(settings).chat(model);
    case "anthropic":
      return (await import("@ai-sdk/anthropic")).createAnthropic(settings)(model);
    case "openai-compatible":
      return (await import("@ai-sdk/openai-compatible")).createOpenAICompatible({ ...settings, name }).chatModel(model);
  }
}

const failed = (reason: string, retryable = false): ViableError =>
  new ViableError("ai.call_failed", reason, { retryable });

/** What went wrong, in words of our own: what a provider writes may repeat the key or the prompt. */
async function toFailure(error: unknown): Promise<ViableError> {
  if (error instanceof ViableError) {
    return error.code === "ai.timeout" ? failed(lowerFirst(error.message), true) : error;
  }
  const { APICallError, RetryError } = await import("ai");
  if (RetryError.isInstance(error)) {
    const last = await toFailure(error.lastError);
    return failed(`${last.message}, ${error.errors.length} times`, last.retryable);
  }
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof ViableError) return failed(lowerFirst(cause.message));
  }
  if (APICallError.isInstance(error)) return failed(describeCall(error), error.isRetryable);
  return failed("it gave an answer that is none");
}

function describeCall({ statusCode, cause }: APICallError): string {
  if (statusCode === undefined) {
    const code = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? ` (${cause.code})` : "";
    return `it cannot be reached${code}`;
  }
  if (statusCode === 401 || statusCode === 403) return `it refused the key (${statusCode})`;
  if (statusCode === 404) return "it has no such model or address (404)";
  if (statusCode === 429) return "it takes no more requests now (429)";
  if (statusCode >= 300) return `it answered ${statusCode}`;
  return "it gave an answer that is none";
}

const lowerFirst = (sentence: string): string =>
  sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, "");
