// That nothing is done that could not be undone for want of what it was called with.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "../reactor.ts";
import { testReactor } from "../testing/test-reactor.ts";

const input = z.unknown();
const text = (chars: number) => () => "x".repeat(chars);

test("a step whose arguments are too large to be kept for its undo is not called", async () => {
  const definition = reactor("large", { input }, (steps) =>
    steps
      .step("one", { run: text(2_000_000) })
      .step("two", { run: text(2_000_000) })
      .step("both", {
        args: ({ results }) => ({ one: results.one, two: results.two }),
        run: () => 1,
        undo: () => {},
      })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  expect([run.status, run.callLines]).toEqual(["failed", ["run one", "run two"]]);
  expect(run.error).toMatchObject({ code: "reactor.invalid_argument" });
});

test("one whose arguments and result are each as large as they may be is kept, and undone", async () => {
  const definition = reactor("large", { input }, (steps) =>
    steps
      .step("one", { run: text(3_000_000) })
      .step("both", {
        args: ({ results }) => ({ one: results.one }),
        run: text(4_000_000),
        undo: () => {},
      })
      .step("bad", {
        after: ["both"],
        run: (): number => {
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  const run = await testReactor(definition, { input: 1 });
  expect([run.status, run.callLines]).toEqual(["compensated", ["run one", "run both", "run bad", "undo both"]]);
});

test("it is undone with what it was called with, whatever it made of that", async () => {
  const undone: unknown[] = [];
  const definition = reactor("changes", { input: z.object({ list: z.array(z.number()) }) }, (steps) =>
    steps
      .step("a", {
        args: ({ input }) => ({ of: input.list }),
        run: (_ctx, args) => {
          (args as { of: unknown }).of = "something else";
        },
        undo: (_ctx, { args }) => void undone.push(args),
      })
      .step("bad", {
        after: ["a"],
        run: (): number => {
          throw new Error("no");
        },
      })
      .returns(() => 1),
  );
  await testReactor(definition, { input: { list: [1, 2] } });
  expect(undone).toEqual([{ of: [1, 2] }]);
});
