// That whatever is thrown is a failure of the step, and of nothing else.
import { rootContext, sleep, ViableError } from "@viable/kernel";
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";
import { testReactor } from "./testing/test-reactor.ts";

const input = z.unknown();

test("what is thrown may be something that cannot be looked at", async () => {
  const unlookable = new Proxy(
    {},
    {
      getPrototypeOf() {
        throw new Error("trap");
      },
    },
  );
  const definition = reactor("throws", { input }, (steps) =>
    steps.step("a", { run: (): Promise<number> => Promise.reject(unlookable) }).returns(() => 1),
  );
  expect(await testReactor(definition, { input: 1 })).toMatchObject({ status: "failed" });
});

test("an error that was made elsewhere and says that a run was halted is a failure like others", async () => {
  const definition = reactor("throws", { input }, (steps) =>
    steps
      .step("a", { run: (): Promise<number> => Promise.reject(new ViableError("reactor.halted", "Elsewhere.")) })
      .returns(() => 1),
  );
  expect(await testReactor(definition, { input: 1 })).toMatchObject({ status: "failed" });
});

test("each failed try says how long it took, without the wait for the next one", async () => {
  const definition = reactor("slow", { input }, (steps) =>
    steps
      .step("a", {
        retry: { maxAttempts: 2, baseMs: 1_000, maxMs: 1_000 },
        run: async (ctx): Promise<number> => {
          await sleep(rootContext(ctx.runtime), ctx.attempt * 1_500);
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  const { events } = await testReactor(definition, { input: 1 });
  const tries = events.flatMap((each) => (each.type === "step.failed" ? [[each.data.attempt, each.data.ms]] : []));
  expect(tries).toEqual([
    [1, 1_500],
    [2, 3_000],
  ]);
});
