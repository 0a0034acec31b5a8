// That a process which was stopped while another took its run over calls nothing of it any more, beyond what was under way.
import { rootContext, sleep } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { reactor } from "./reactor.ts";
import { simulateProcesses } from "./testing/simulate-processes.ts";

const input = z.unknown();
const fails = (): number => {
  throw new Error("no");
};

/** What is called by the process that has the run first, and is stopped past its lease at a breakpoint. */
async function callsOfStopped(definition: ReactorDefinition, at: string): Promise<string[]> {
  let isFirst = true;
  const world = await simulateProcesses({
    seed: 1,
    definitions: [definition],
    fate: ({ when, what }) => {
      if (!isFirst || when !== "after" || what !== at) return "go";
      isFirst = false;
      return "pause";
    },
  });
  await world.finish(await world.begin(definition.name, 1, "k"));
  return world.calls.flatMap(({ process, role, step }) => (process === "process 1" ? [`${role} ${step}`] : []));
}

test("no step that waited for its turn", async () => {
  const definition = reactor("two", { input, maxConcurrency: 1 }, (steps) =>
    steps
      .step("a", { run: () => 1 })
      .step("b", { run: () => 1 })
      .returns(() => 1),
  );
  expect(await callsOfStopped(definition, "run a")).toEqual(["run a"]);
});

test("no further try of a compensation", async () => {
  const definition = reactor("compensates", { input }, (steps) =>
    steps
      .step("a", { run: fails, compensate: () => void fails() })
      // The process is stopped while it waits for the next try.
      .step("b", { run: (ctx) => sleep(rootContext(ctx.runtime), 1) })
      .returns(() => 1),
  );
  expect(await callsOfStopped(definition, "run b")).toEqual(["run a", "run b", "compensate a"]);
});
