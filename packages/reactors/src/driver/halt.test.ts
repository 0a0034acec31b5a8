// That a process which stops waits for what is under way, and for nothing that it has lost meanwhile.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "../definition.ts";
import { reactor } from "../reactor.ts";
import type { StepContext } from "../step-context.ts";
import type { SimulatedProcess } from "../testing/simulate-processes.ts";
import { simulateProcesses } from "../testing/simulate-processes.ts";

const input = z.unknown();
const hourMs = 3_600_000;
const rest = ({ runtime }: StepContext, ms: number) => sleep(rootContext(runtime), ms);
const long = (ctx: StepContext) => rest(ctx, hourMs);
const fails = (): number => {
  throw new Error("no");
};
const failsLater = async (ctx: StepContext): Promise<number> => {
  await rest(ctx, 10);
  throw new Error("no");
};

/** Whether a process has stopped that was told to, and was then held for gone. */
async function hasStopped(definition: ReactorDefinition): Promise<boolean> {
  const world = await simulateProcesses({ seed: 1, definitions: [definition] });
  await world.begin(definition.name, 1, "k");
  await world.time.advance(1_000);
  const process = world.processes[0] as SimulatedProcess;
  let isStopped = false;
  void process.reactors.stop(process.ctx).then(() => {
    isStopped = true;
  });
  await world.time.advance(1_000);
  process.pause();
  await world.time.advance(40_000);
  await process.resume();
  await world.time.advance(60_000);
  return isStopped;
}

test.for<[string, ReactorDefinition]>([
  [
    "a step runs",
    reactor("runs", { input }, (steps) =>
      steps
        .step("short", { run: (ctx) => rest(ctx, 5_000) })
        .step("long", { timeoutMs: 2 * hourMs, run: long })
        .returns(() => 1),
    ),
  ],
  [
    "a step is undone",
    reactor("undoes", { input }, (steps) =>
      steps
        .step("a", { timeoutMs: 2 * hourMs, run: () => 1, undo: (ctx) => long(ctx) })
        .step("bad", { run: failsLater })
        .returns(() => 1),
    ),
  ],
  [
    "a failure is compensated",
    reactor("compensates", { input }, (steps) =>
      steps
        .step("a", { timeoutMs: 2 * hourMs, run: fails, compensate: (ctx) => long(ctx) as never })
        .step("short", { run: (ctx) => rest(ctx, 5_000) })
        .returns(() => 1),
    ),
  ],
])("a process that is held for gone while it stops has stopped, though %s", async ([, definition]) => {
  expect(await hasStopped(definition)).toBe(true);
});
