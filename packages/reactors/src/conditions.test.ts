// That a condition which does not say yes or no at once is told of, and not taken for a no.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { replayHistory } from "./testing/replay-history.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();
/** What is neither true nor false: above all a promise, whatever becomes of it. */
const answers: { readonly [what: string]: () => unknown } = {
  "a promise": async () => true,
  "a promise that is broken": () => Promise.reject(new Error("nobody waits for this")),
  "a number": () => 1,
  nothing: () => undefined,
};

const definitions = (answer: never) => ({
  where: reactor("skips", { input }, (steps) =>
    steps.step("decides", { where: answer, retry: {}, run: () => 1 }).returns(() => 1),
  ),
  when: reactor("branches", { input }, (steps) =>
    steps
      .switch("decides", {
        args: () => ({}),
        branches: { one: { when: answer, steps: (one) => one.returns(() => 1) } },
        otherwise: (other) => other.returns(() => 2),
      })
      .returns(() => 1),
  ),
  until: reactor("repeats", { input }, (steps) =>
    steps.repeat("decides", { maxTurns: 3 }, (turn) => turn.returns(() => 1), answer).returns(() => 1),
  ),
});

test.for(Object.keys(answers))("%s is no answer, and the step that asked fails and says so", async (what) => {
  for (const [condition, definition] of Object.entries(definitions(answers[what] as never))) {
    const run = await testReactor(definition, { input: 1 });
    expect(run.error, condition).toMatchObject({
      code: "reactor.invalid_condition",
      message: expect.stringMatching(new RegExp(`^The \`${condition}\` of the step decides`)),
    });
    expect(run.events.filter(({ type }) => type === "step.failed")).toHaveLength(1);
    expect(replayHistory(definition, run.events)).toMatchObject({ ok: true });
  }
});

test("true and false are", async () => {
  for (const answer of [true, false])
    for (const definition of Object.values(definitions((() => answer) as never)))
      expect((await testReactor(definition, { input: 1 })).error?.code).not.toBe("reactor.invalid_condition");
});
