/** A provider on this machine that speaks the wire formats and remembers what it was sent. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: { readonly [member: string]: unknown };
}

export interface ModelServer extends AsyncDisposable {
  /** Its address, as a base address with `/v1`. */
  readonly url: string;
  readonly seen: SeenRequest[];
}

/** Starts a server on a free port; `answer` gets each request once it is read, and may never answer. */
export async function serveModel(
  answer: (request: SeenRequest, response: ServerResponse) => void,
): Promise<ModelServer> {
  const seen: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString("utf8");
      const body = text === "" ? {} : (JSON.parse(text) as SeenRequest["body"]);
      const { method = "", url = "", headers } = request;
      const one: SeenRequest = { method, path: url, headers, body };
      seen.push(one);
      answer(one, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Sends a JSON answer. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: { readonly [name: string]: string } = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** A chat completion as OpenAI answers it. */
export const chatCompletion = (text: string, finishReason = "stop"): object => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "any",
  choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: finishReason }],
  usage: { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 },
});

/** A message as Anthropic answers it. */
export const anthropicMessage = (text: string, stopReason = "end_turn"): object => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "any",
  content: [{ type: "text", text }],
  stop_reason: stopReason,
  stop_sequence: null,
  usage: { input_tokens: 11, output_tokens: 7 },
});
