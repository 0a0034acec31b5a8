// That whoever runs a system finds the place where a step of a reactor breaks, and is not drowned in it.
import { simulateTime } from "@viable/kernel";
import { startTestSystem } from "@viable/testing";
import { expect, test } from "vitest";
import { z } from "zod";
import { agent, defineSystem, reactor, service } from "./index.ts";
import { createThrownNotices } from "./thrown-notices.ts";

const breakHere = (order: { at?: { nix: number } }): number => (order.at as { nix: number }).nix;

test("a step that breaks is told of in the process's own log, with its stack, and its events have none", async () => {
  const input = z.looseObject({});
  const broken = reactor("broken", { input }, (steps) =>
    steps.step("a", { run: () => breakHere({}) }).returns(() => null),
  );
  const idle = agent({ name: "idle", capability: "idle", description: "Does nothing.", input, handle: () => null });
  const desk = service({ name: "desk", description: "Works.", port: 0, agents: [idle] });
  await using t = await startTestSystem(defineSystem({ name: "breaks", services: [desk], reactors: [broken] }));
  const begun = await t.settled(t.system.reactors.begin(t.ctx, "broken", {}));
  if (!begun.ok) throw new Error(begun.message);
  await t.settled(t.system.reactors.whenEnded(t.ctx, begun.runId));
  expect(t.notices).toContainEqual({
    level: "warn",
    message: expect.stringMatching(`^${begun.runId}: a of broken threw TypeError: .*nix.*\n {4}at breakHere `),
  });
  expect(JSON.stringify(await t.events())).not.toContain("breakHere");
});

test("of each step, whichever run or element, it is told once a minute; what has no stack is not told of", async () => {
  const time = simulateTime();
  const told: string[] = [];
  const tell = createThrownNotices(time, (message) => told.push(message.split("\n")[0] ?? ""));
  const at = { runId: "run_1", reactor: "order", step: "ship[0]/label" };
  tell({ ...at, error: "no" });
  tell({ ...at, error: new Error("one") });
  tell({ ...at, runId: "run_2", step: "ship[7]/label", error: new Error("two") });
  tell({ ...at, step: "pay", error: new Error("three") });
  tell({ ...at, reactor: "return", error: new Error("four") });
  await time.advance(59_999);
  tell({ ...at, error: new Error("five") });
  await time.advance(1);
  tell({ ...at, error: new Error("six") });
  expect(told).toEqual([
    "run_1: ship[0]/label of order threw Error: one",
    "run_1: pay of order threw Error: three",
    "run_1: ship[0]/label of return threw Error: four",
    "run_1: ship[0]/label of order threw Error: six",
  ]);
});
