import type { Child } from "../harness/child.ts";

/** A session of ours as requests go to it. */
export interface BenchSession {
  readonly url: string;
  readonly sessionId: string;
  readonly token: string;
}

/** Opens a session at our server, with the token of its owner. */
export async function openBenchSession(viable: Child): Promise<BenchSession> {
  const { url, token } = await viable.ask<{ url: string; token: string }>({ ask: "ready" });
  const opened = await post(`${url}/v1/sessions`, token, { clientType: "api" });
  return { url, sessionId: opened.sessionId as string, token: opened.token as string };
}

/** What is sent and has to be answered well. */
export async function post(url: string, token: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return (await response.json()) as Record<string, unknown>;
}
