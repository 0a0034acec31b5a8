// That a defect of a user's function can be found: where it threw is told to the process, and stands in no event.
import { createRuntime, rootContext, simulateTime, ViableError } from "@viable/kernel";
import { createLog, createMemoryStore } from "@viable/log";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactorEventTypes } from "./event-types.ts";
import { reactor } from "./reactor.ts";
import { createReactors } from "./reactors.ts";
import type { Steps } from "./steps.ts";
import { settled } from "./testing/settled.ts";
import { soleMembership } from "./testing/sole-membership.ts";
import type { Thrown } from "./thrown.ts";
import { stackOf } from "./thrown.ts";

const input = z.unknown();
type Said = Steps<Record<never, never>, Record<never, never>>;

/** A run of these steps to its end, or to where a person is asked: what was told of it, and all that was recorded. */
async function carryOut(said: (steps: Said) => unknown, settings: { timeoutMs?: number } = {}) {
  const time = simulateTime();
  const runtime = createRuntime({ clock: time });
  const ctx = rootContext(runtime);
  const log = createLog(createMemoryStore(), runtime, { types: reactorEventTypes });
  const told: Thrown[] = [];
  const reactors = createReactors({
    log,
    runtime,
    membership: soleMembership("prc_1", 1),
    definitions: [reactor("broken", { input, ...settings }, said as never)],
    onThrown: (thrown) => void told.push(thrown),
  });
  for (const part of [log, reactors]) await settled(time, part.start(ctx), 1_000);
  const begun = await settled(time, reactors.begin(ctx, "broken", {}), 1_000);
  if (!begun.ok) throw new Error(begun.message);
  await time.advance(60_000);
  const { events } = await settled(time, log.readStreamPage(ctx, `run:${begun.runId}`), 1_000);
  return { runId: begun.runId, told, recorded: JSON.stringify(events) };
}

/** A defect as they are: somewhere below what the step calls. */
function deepInside(order: { at?: { nix: number } }): number {
  return (order.at as { nix: number }).nix;
}
const breaks = (): number => deepInside({});

test.each<[string, string, (steps: Said) => unknown]>([
  ["run", "a", (steps) => steps.step("a", { run: breaks }).returns(() => 1)],
  ["guard", "a", (steps) => steps.step("a", { guard: () => ({ result: breaks() }), run: () => 1 }).returns(() => 1)],
  ["where", "a", (steps) => steps.step("a", { where: () => breaks() > 0, run: () => 1 }).returns(() => 1)],
  [
    "undo",
    "a",
    (steps) =>
      steps
        .step("a", { run: () => 1, undo: () => void breaks() })
        .step("b", { after: ["a"], run: () => Promise.reject(new ViableError("shop.closed", "Closed.")) })
        .returns(() => 1),
  ],
  [
    "compensate",
    "a",
    (steps) =>
      steps
        .step("a", {
          run: () => Promise.reject(new ViableError("shop.closed", "Closed.")),
          compensate: () => void breaks(),
        })
        .returns(() => 1),
  ],
  [
    "findOutcome",
    "a",
    (steps) =>
      steps
        .step("a", {
          idempotent: false,
          timeoutMs: 10,
          run: () => new Promise<number>(() => {}),
          findOutcome: () => ({ result: breaks() }),
        })
        .returns(() => 1),
  ],
  [
    "until",
    "again",
    (steps) =>
      steps
        .repeat(
          "again",
          { maxTurns: 2 },
          (turn) => turn.step("a", { run: () => 1 }).returns(() => 1),
          () => breaks() > 0,
        )
        .returns(() => 1),
  ],
])("a defect in a step's %s is told of with its stack, and no event has that", async (_role, step, said) => {
  const { runId, told, recorded } = await carryOut(said as never);
  expect(told[0]).toMatchObject({ runId, reactor: "broken", step, error: expect.any(TypeError) });
  expect(stackOf(told[0]?.error)).toMatch(/^TypeError: .*nix.*\n {4}at deepInside .*thrown\.test\.ts/);
  expect(recorded).toContain("nix");
  expect(recorded).not.toContain("deepInside");
});

test("what says itself what failed is not told of", async () => {
  const { told, recorded } = await carryOut((steps) =>
    steps
      .step("a", { run: (): Promise<number> => Promise.reject(new ViableError("shop.closed", "Closed.")) })
      .step("b", {
        run: (): number => {
          throw Object.assign(new Error("no such file"), { code: "ENOENT" });
        },
      })
      .returns(() => 1),
  );
  for (const code of ["shop.closed", "ENOENT"]) expect(recorded).toContain(code);
  expect(told).toEqual([]);
});

test("nor is what a function throws once it was told to end", async () => {
  const { told, recorded } = await carryOut(
    (steps) =>
      steps
        .step("a", {
          run: ({ signal }) =>
            new Promise<number>((_, reject) => signal.addEventListener("abort", () => reject(new Error("Aborted.")))),
        })
        .returns(() => 1),
    { timeoutMs: 1_000 },
  );
  expect(recorded).toContain("Aborted.");
  expect(told).toEqual([]);
});

test("a stack says what led to it, and is bounded with its places kept, whatever the message", () => {
  const cause = new TypeError("deep");
  const wrapped = new Error("x".repeat(100_000), { cause });
  const stack = stackOf(wrapped) ?? "";
  expect(stack.length).toBeLessThanOrEqual(4_000);
  expect(stack).toMatch(/^Error: x+…\n {4}at .*thrown\.test\.ts/);
  expect(stack).toMatch(/\nCaused by: TypeError: deep\n {4}at .*thrown\.test\.ts/);
});

test.each<[string, unknown]>([
  ["a text", "no"],
  ["nothing", undefined],
  ["what is no error", { stack: 7 }],
  [
    "what cannot be looked at",
    new Proxy(
      {},
      {
        has: () => true,
        get() {
          throw new Error("trap");
        },
      },
    ),
  ],
])("%s has no stack", (_what, thrown) => {
  expect(stackOf(thrown)).toBeUndefined();
});
