import type { JsonValue } from "@viable/kernel";
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { ServiceDefinition } from "viable";
import { defineSystem } from "viable";
import type { System } from "viable/run";
import { createSystem } from "viable/run";
import { analyze } from "../analyze/analyze.ts";

export interface RunningServices extends AsyncDisposable {
  readonly system: System;
  /** What the gateway answers under `/v1` to the owner. */
  get(path: string): Promise<Record<string, unknown>>;
  /** Has a command done in a session of a command line, and answers as the gateway does. */
  run(command: string, args: JsonValue): Promise<Record<string, unknown>>;
}

/** Some services as they run, with `analyze`: real swarms and threads, the gateway's routes without sockets, a log in memory. */
export async function startServices(services: readonly ServiceDefinition[]): Promise<RunningServices> {
  const ctx = rootContext(createRuntime());
  const definition = defineSystem({ name: "part", services, commands: [analyze] });
  const system = createSystem(definition, { store: createMemoryStore() }, { servicePorts: "none" });
  await system.start(ctx);
  const call = async (path: string, init: RequestInit = {}): Promise<Record<string, unknown>> => {
    const headers = { authorization: `Bearer ${system.ownerToken}` };
    const response = await system.fetch(new Request(`http://test.invalid/v1${path}`, { ...init, headers }));
    return (await response.json()) as Record<string, unknown>;
  };
  const post = (path: string, body: object) => call(path, { method: "POST", body: JSON.stringify(body) });
  const { sessionId } = await post("/sessions", { clientType: "cli" });
  return {
    system,
    get: call,
    run: (command, args) => post(`/sessions/${sessionId}/commands`, { command, args, mode: "sync" }),
    [Symbol.asyncDispose]: async () => await system.stop(ctx),
  };
}
