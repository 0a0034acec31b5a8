import type { Context } from "@viable/kernel";
import { createRuntime, rootContext } from "@viable/kernel";
import { createMemoryStore } from "@viable/log";
import type { System, SystemOptions } from "../../create-system.ts";
import { createSystem } from "../../create-system.ts";
import type { SystemDefinition } from "../../index.ts";
import { runWords } from "./written-shell.ts";

/** A running system, and a command line that leads there. */
export interface CommandLine {
  readonly ctx: Context;
  readonly system: System;
  viable(...words: string[]): Promise<{ status: number; out: string; err: string }>;
}

/** A system on a store in memory, with a gateway on a port of its own. `atEnd` is told how to stop it: `onTestFinished`, in a test. */
export async function commandLine(
  atEnd: (stop: () => Promise<void>) => void,
  definition: SystemDefinition,
  options: Partial<SystemOptions> = {},
): Promise<CommandLine> {
  const runtime = createRuntime();
  const ctx = rootContext(runtime);
  const system = createSystem(
    definition,
    { store: createMemoryStore() },
    { gateway: { host: "127.0.0.1", port: 0 }, servicePorts: "any", ...options },
  );
  await system.start(ctx);
  atEnd(() => system.stop(ctx));
  const environment = { VIABLE_URL: system.gatewayUrl, VIABLE_TOKEN: system.ownerToken };
  return { ctx, system, viable: (...words) => runWords(words, { environment }) };
}
