import type { JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { HealthView } from "@viable/protocol";
import type { Registry } from "@viable/registry";
import type { Policies } from "@viable/security";
import type { AgentDefinition, Catalogue, Swarm } from "@viable/swarm";
import { agent, contextOf } from "@viable/swarm";
import { z } from "zod";
import { createAtSwarms } from "./at-swarms.ts";
import { chatCommand } from "./chat-command.ts";
import { systemService } from "./define-system.ts";
import { helpCommand } from "./help-command.ts";
import { swarmsFor } from "./swarm-views.ts";

/** What the system's own commands need to know of it; asked when a command runs, since the system is put together after them. */
export interface SystemCommandSources {
  catalogue(): Catalogue;
  registry(): Registry;
  readonly policies: Policies;
  /** The swarms of the process that runs the command. */
  swarms(): ReadonlyMap<string, Swarm>;
  /** The swarms of all processes, drained ones among them, as far as this one knows. */
  running(): readonly { readonly service: string; readonly processId: string }[];
  /** This process. */
  processId(): string;
  health(): Promise<HealthView>;
}

/** Commands that every system has, run by the built-in swarm. */
export function systemCommands(sources: SystemCommandSources): AgentDefinition[] {
  const { catalogue, registry, policies, swarms, running, processId, health } = sources;
  const atSwarms = createAtSwarms({ swarms, running, processId });
  const target = {
    service: z.string(),
    /** The one process; where absent, each that runs it. */
    process: z.string().optional(),
  };
  const place = { namespace: z.string().min(1).max(100).default("default"), key: z.string().min(1).max(200) };
  return [
    helpCommand({ catalogue, registry, policies }),
    chatCommand(catalogue, policies),
    agent({
      name: "system-health",
      capability: "system.health",
      description: "How the system is now, as `viable health` shows it, for agents that look after the whole.",
      input: z.strictObject({}),
      risk: "low",
      handle: async () => (await health()) as unknown as JsonValue,
    }),
    agent({
      name: "system-swarms",
      capability: "system.swarms",
      description: "Every swarm of the process that answers, with its measured load, its parts and its workers.",
      input: z.strictObject({}),
      risk: "low",
      handle: (ctx) => {
        const all = [...swarms().values()].map((swarm) => swarm.status());
        return { swarms: swarmsFor(ctx.tenant, all) } as unknown as JsonValue;
      },
    }),
    agent({
      name: "memory-set",
      capability: "memory.set",
      description: "Writes a value into the memory that all services share; with `expected`, only at that version.",
      input: z.strictObject({
        ...place,
        value: z.json(),
        expected: z.number().int().min(0).optional(),
        expiresInMs: z.number().int().min(1).optional(),
      }),
      handle: async (ctx, { namespace, key, value, expected, expiresInMs }) => {
        const outcome = await ctx.globalMemory.set(key, value, {
          namespace,
          ...(expected !== undefined && { expected }),
          ...(expiresInMs !== undefined && { expiresInMs }),
        });
        if (!outcome.ok) {
          throw new ViableError("memory.conflict", `"${key}" is at version ${outcome.actual}, not ${expected}.`, {
            next: "Read it again and decide anew.",
            details: { actual: outcome.actual },
          });
        }
        return { namespace, key, version: outcome.version };
      },
    }),
    agent({
      name: "memory-delete",
      capability: "memory.delete",
      description: "Deletes a key from the memory that all services share.",
      input: z.strictObject(place),
      handle: async (ctx, { namespace, key }) => {
        await ctx.globalMemory.delete(key, namespace);
        return { namespace, key };
      },
    }),
    agent({
      name: "swarm-scale",
      capability: "swarm.scale",
      description: "Sets how many workers a service's swarm has, in each process that runs it or in one.",
      input: z.strictObject({ ...target, workers: z.coerce.number().int().min(1).max(1_000) }),
      handle: (ctx, { service, process, workers }) =>
        atSwarms(ctx, "swarm.scale", { service, process, workers }, async (swarm) => {
          const before = swarm.measure().workers;
          await swarm.scale(contextOf(ctx), workers);
          return { before, workers: swarm.measure().workers };
        }),
    }),
    agent({
      name: "swarm-drain",
      capability: "swarm.drain",
      description:
        "Has a service's swarm asked for nothing more, in each process that runs it or in one, or with `undo` for as much as before. What it holds comes to its end. A singleton that moves to another process is asked there as ever.",
      risk: "high",
      input: z.strictObject({ ...target, undo: z.boolean().default(false) }),
      handle: (ctx, { service, process, undo }) => {
        if (service === systemService)
          throw new ViableError("swarm.not_drained", `"${systemService}" is not drained: it is what takes the undo.`, {
            next: "Stop the process instead (SIGTERM): it drains whole.",
          });
        return atSwarms(ctx, "swarm.drain", { service, process, undo }, async (swarm) => {
          await swarm.drain(contextOf(ctx), !undo);
          const { running, queued } = swarm.measure();
          return { isDrained: !undo, running, queued };
        });
      },
    }),
    agent({
      name: "swarm-restart",
      capability: "swarm.restart",
      description:
        "Ends a part of a swarm (memory, workers, queen, health-monitor, meta-client, worker-1 …) as a crash would, in each process that runs it or in one; its supervisor starts it again.",
      risk: "high",
      input: z.strictObject({ ...target, part: z.string() }),
      handle: (ctx, { service, process, part }) =>
        atSwarms(ctx, "swarm.restart", { service, process, part }, (swarm) => {
          swarm.kill(part, `asked by ${ctx.principal}`);
          return { part };
        }),
    }),
  ];
}
