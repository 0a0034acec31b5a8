// The subject `viable` of look-ups: a registry on a log in memory, which holds the entries of so many swarms of other processes.
import { createMemoryBus } from "@viable/bus";
import { joinCluster } from "@viable/cluster";
import type { JsonObject } from "@viable/kernel";
import { createRuntime, rootContext } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { createRegistry } from "@viable/registry";
import { answerParent, readSettings } from "../harness/child.ts";
import { liveHeapMb } from "../reactors/memory-use.ts";
import type { LookUpShape } from "./look-up-load.ts";
import { capabilitiesOf, timeLookUps } from "./look-up-load.ts";

const shape = readSettings<LookUpShape>();
const runtime = createRuntime();
const ctx = rootContext(runtime);
const log = createLog(createMemoryStore(), runtime);
const bus = createMemoryBus(runtime);

/** Far longer than the benchmark: nothing is renewed meanwhile. */
const entryMs = 24 * 3_600_000;
const join = () => joinCluster({ log, runtime, hosts: [], leaseMs: entryMs });
const membership = join();
/** The processes that the swarms are in. */
const processes = Array.from({ length: 10 }, join);
for (const part of [log, bus, membership, ...processes]) await part.start(ctx);

const prefix = "registry/";
{
  // One swarm registers as any does, and leaves; the others' records are as its was, under their names.
  const first = createRegistry({ log, bus, membership, entryMs });
  await first.start(ctx);
  const measurement = { workers: 3, running: 1, queued: 0, completed: 9, failed: 0, latencyMs: 10 };
  const registered = await first.register(
    ctx,
    {
      service: "first",
      capabilities: ["first"],
      processId: membership.processId,
      epoch: membership.epoch,
      version: "1.0.0",
      tags: ["bench"],
    },
    () => measurement,
  );
  const { records } = await log.listRecords(ctx, prefix, { limit: 1 });
  const value = records[0]?.value as JsonObject;
  await registered.withdraw(ctx);
  await first.stop(ctx);
  for (let swarm = 0; swarm < shape.swarms; swarm++) {
    const service = `swarm-${swarm}`;
    const { processId, epoch } = processes[swarm % processes.length] as (typeof processes)[number];
    await log.append(ctx, {
      records: [
        {
          key: `${prefix}${service}/${processId}`,
          value: { ...value, service, processId, epoch, capabilities: [...capabilitiesOf(shape, swarm)] },
          expected: "any",
          expiresAt: runtime.clock.now() + entryMs,
        },
      ],
    });
  }
}
const beforeMb = liveHeapMb();
const registry = createRegistry({ log, bus, membership, entryMs });
await registry.start(ctx);
const heldMb = liveHeapMb() - beforeMb;
if (registry.stats().entries !== shape.swarms)
  throw new Error(`${registry.stats().entries} of ${shape.swarms} entries are known.`);

answerParent({
  ready: () => true,
  lookUp: () =>
    timeLookUps(shape, (capability) => {
      const outcome = registry.route(capability, { tenant: ctx.tenant });
      return outcome.ok ? outcome.decision.chosen.service : undefined;
    }),
  heldMb: () => heldMb,
});
