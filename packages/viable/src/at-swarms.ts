import type { JsonObject, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { AgentContext, Swarm } from "@viable/swarm";
import { systemService } from "./define-system.ts";

/** What must be known of where swarms run. */
export interface SwarmPlaces {
  /** Those of this process. */
  swarms(): ReadonlyMap<string, Swarm>;
  /** Those of all processes, as far as this one knows. */
  running(): readonly { readonly service: string; readonly processId: string }[];
  processId(): string;
}

/** How much of a command's time others have for their part of it. */
const shareOfTime = 0.8;

type Target = { readonly service: string; readonly process?: string | undefined };

/**
 * Does something to a service's swarm in each process that runs it, or in the one that is named. Here at once, elsewhere by the same command, handed
 * to the built-in swarm of that process and recorded as any other. Answers what came of each; throws `swarm.unknown_service` where it runs nowhere.
 */
export function createAtSwarms({ swarms, running, processId }: SwarmPlaces) {
  return async (
    ctx: AgentContext,
    command: string,
    { service, process, ...args }: Target & JsonObject,
    here: (swarm: Swarm) => JsonObject | Promise<JsonObject>,
  ): Promise<JsonValue> => {
    const own = swarms().get(service);
    const known = running();
    const elsewhere = known.flatMap((each) => (each.service === service ? [each.processId] : []));
    const processes = [...new Set([...elsewhere, ...(own === undefined ? [] : [processId()])])].sort();
    const wanted = processes.filter((each) => process === undefined || each === process);
    const services = [...new Set([...swarms().keys(), ...known.map((each) => each.service)])].sort();
    if (wanted.length === 0) throw unknown(service, process, processes, services);
    // One that is not there any more, or hangs, leaves time to tell what came of the others.
    const timeoutMs = Math.max(1, (ctx.deadline - ctx.runtime.clock.now()) * shareOfTime);
    const at = async (each: string): Promise<readonly JsonObject[]> => {
      if (each === processId() && own !== undefined) return [{ service, processId: each, ...(await here(own)) }];
      const to = { service: systemService, process: each, timeoutMs };
      const outcome = await ctx.delegate(command, { service, process: each, ...args }, to);
      if (outcome.ok) return (outcome.result as { readonly swarms: readonly JsonObject[] }).swarms;
      return [{ service, processId: each, error: outcome.error.message }];
    };
    return { service, swarms: (await Promise.all(wanted.map(at))).flat() };
  };
}

function unknown(
  service: string,
  process: string | undefined,
  processes: readonly string[],
  services: readonly string[],
): ViableError {
  const where = process === undefined || processes.length === 0 ? "anywhere" : `in ${process}`;
  return new ViableError("swarm.unknown_service", `No swarm "${service}" runs ${where}.`, {
    next: processes.length === 0 ? `There are ${services.join(", ")}.` : `It runs in ${processes.join(", ")}.`,
  });
}
