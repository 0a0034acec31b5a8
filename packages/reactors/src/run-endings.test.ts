// That how a run ended is told to its own tenant, and to nobody else, whatever was away when it was asked.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import type { SimulatedProcess } from "./testing/simulate-processes.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const definition = reactor("secret", { input: z.unknown() }, (steps) =>
  steps
    .step("a", { run: ({ runtime }) => sleep(rootContext(runtime), 5_000).then(() => "secret") })
    .returns(({ results }) => results.a),
);

/** What a tenant hears of a run of the default tenant's that it asks for while the database is away, in a process that does not carry it on. */
async function heardBy(tenant: string) {
  const world = await simulateProcesses({ seed: 1, processes: 2, definitions: [definition] });
  const [, other] = world.processes as [SimulatedProcess, SimulatedProcess];
  const runId = await world.begin("secret", 1, "k");
  await world.time.advance(1_000);
  other.link.up = false;
  const ended = other.reactors.whenEnded(rootContext(other.ctx.runtime, { tenant }), runId);
  const heard = ended.then(({ type }) => type).catch(({ code }) => code);
  await world.time.advance(1);
  other.link.up = true;
  const startMs = world.time.now();
  return { heard: await world.settled(heard), afterMs: world.time.now() - startMs };
}

test("another tenant is told that there is no such run, as soon as the database is back", async () => {
  const { heard, afterMs } = await heardBy("someone-else");
  expect(heard).toBe("reactor.run_not_found");
  expect(afterMs).toBeLessThan(4_000);
});

test("its own is told when it ends", async () => {
  const { heard, afterMs } = await heardBy("default");
  expect(heard).toBe("run.completed");
  expect(afterMs).toBeLessThan(5_000);
});
