import { ViableError } from "viable";

/** The longest answer that is read, thinking and JSON included. */
const maxAnswerBytes = 4 * 1024 * 1024;

/**
 * `fetch` for addresses that hold a key and may misbehave: the body ends with `ai.answer_too_large` past the bound, and no redirect is
 * followed, since the key in the headers would go along.
 */
export async function boundedFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await fetch(input, { ...init, redirect: "manual" });
  if (response.body === null) return response;
  let bytes = 0;
  const bound = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes <= maxAnswerBytes) controller.enqueue(chunk);
      else
        controller.error(
          new ViableError("ai.answer_too_large", `The answer has more than ${maxAnswerBytes} bytes.`, {
            next: "Check that the address is that of a model provider.",
          }),
        );
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(bound), { status, statusText, headers });
}
