import { describeRoutes } from "@viable/gateway";
import type { TestSystem, TestSystemOptions } from "@viable/testing";
import { startTestSystem as start } from "@viable/testing";
import type { SystemDefinition } from "viable";
import { afterEach, expect } from "vitest";
import type { ExchangeCheck } from "../openapi/check-exchange.ts";
import { createExchangeCheck } from "../openapi/check-exchange.ts";

/** What the exchanges of the test that runs are complained of, when they are over. */
let pending: Promise<string[]>[] = [];
/** By the routes: all systems of a test file have the same, and making a check takes longer than many a test. */
const checks = new Map<string, ExchangeCheck>();

afterEach(async () => {
  const complaints = (await Promise.all(pending)).flat();
  pending = [];
  expect(complaints, "what /openapi.json tells of these is not so").toEqual([]);
});

/**
 * The test kit's, with every answer of JSON, and every body that is taken, held to what the gateway says of itself: so the description
 * cannot lie. It looks beside the test, and reads copies, so that nothing takes any time of the system's.
 */
export async function startTestSystem(definition: SystemDefinition, options?: TestSystemOptions): Promise<TestSystem> {
  const t = await start(definition, options);
  const fetch = t.system.fetch.bind(t.system);
  const key = t.system
    .routes()
    .map(({ method, path }) => `${method} ${path}`)
    .join();
  const check = checks.get(key) ?? createExchangeCheck(describe(t));
  checks.set(key, check);
  const checked = async (request: Request): Promise<Response> => {
    const sent = request.clone();
    const response = await fetch(request);
    pending.push(look(check, sent, response));
    return response;
  };
  return Object.assign(t, { system: Object.assign(t.system, { fetch: checked }) });
}

/** Bodies by name are told in general: what their arguments are is the command's to check. */
const describe = (t: TestSystem) =>
  describeRoutes(t.system.routes(), { title: "test", version: "0.0.0", offers: { commands: [], queries: [] } });

function look(check: ExchangeCheck, sent: Request, response: Response): Promise<string[]> {
  const { method, url } = sent;
  const isJson = /^application\/(?:[a-z-]+\+)?json$/.test(response.headers.get("content-type") ?? "");
  const copy = isJson ? response.clone() : undefined;
  const { status, headers } = response;
  return (async () => {
    const text = await sent.text();
    const answer = await copy?.text();
    return check({
      method,
      url,
      status,
      headers,
      ...(text !== "" && status < 300 && { request: JSON.parse(text) }),
      ...(answer !== undefined && { answer: JSON.parse(answer) }),
    });
  })();
}
