/**
 * What the compiler knows of a reactor: what steps are called with, what a run comes to, and what it refuses. The checks are the types
 * themselves; that they run shows that the builder takes what the compiler takes.
 */
import { expect, expectTypeOf, test } from "vitest";
import { z } from "zod";
import type { ReactorDefinition } from "./definition.ts";
import { processManager } from "./process-manager.ts";
import { reactor } from "./reactor.ts";
import { schedule } from "./schedule.ts";
import { testReactor } from "./testing/index.ts";

const increment = (_ctx: unknown, { n }: { n: number }) => ({ n: n + 1 });

test("a function that has its types already is called with what fits them", () => {
  const definition = reactor("count", { input: z.strictObject({ n: z.number(), name: z.string() }) }, (steps) =>
    steps
      .step("first", { args: ({ input }) => ({ n: input.n }), run: increment })
      .step("second", { args: ({ results }) => ({ n: results.first.n }), run: increment })
      .step("maybe", { args: ({ results }) => ({ n: results.second.n }), where: ({ n }) => n > 1, run: increment })
      .returns(({ results }) => ({ always: results.second, sometimes: results.maybe })),
  );
  expectTypeOf(definition.output).toEqualTypeOf<
    { always: { n: number }; sometimes: { n: number } | null } | undefined
  >();
  expect(() =>
    reactor("count", { input: z.strictObject({ n: z.number(), name: z.string() }) }, (steps) =>
      steps
        // @ts-expect-error A name is no number.
        .step("first", { args: ({ input }) => ({ n: input.name }), run: increment })
        .step("second", {
          args: ({ results }) => ({ n: results.first.n }),
          // @ts-expect-error It is called with n alone.
          run: (_ctx, { m }) => m,
        })
        .returns(() => null),
    ),
  ).not.toThrow();
});

test("elements, branches and turns have the types of what they are of", () => {
  const definition = reactor(
    "order",
    { input: z.strictObject({ id: z.string(), lines: z.array(z.string()) }) },
    (steps) =>
      steps
        .map("ship", { over: ({ input }) => input.lines }, (line) =>
          line
            .step("length", { args: ({ element }) => ({ element }), run: (_ctx, { element }) => element.length })
            .returns(({ results }) => results.length),
        )
        .map("count", { over: () => [1, 2, 3], collect: "count" }, (each) => each.returns(({ element }) => element))
        .switch("pay", {
          args: ({ input }) => ({ id: input.id }),
          branches: {
            card: { when: ({ id }) => id.startsWith("c"), steps: (card) => card.returns(() => 1) },
            bill: { when: () => true, steps: (bill) => bill.returns(({ input }) => input.id) },
          },
        })
        .repeat(
          "poll",
          { maxTurns: 3 },
          (turn) => turn.step("look", { run: () => 2 }).returns(({ results }) => results.look),
          (last) => last > 1,
        )
        .returns(({ results }) => ({ ...results, lengths: results.ship, pay: results.pay, poll: results.poll })),
  );
  expectTypeOf<NonNullable<(typeof definition)["output"]>["lengths"]>().toEqualTypeOf<number[]>();
  expectTypeOf<NonNullable<(typeof definition)["output"]>["pay"]>().toEqualTypeOf<number | string>();
  expectTypeOf<NonNullable<(typeof definition)["output"]>["poll"]>().toEqualTypeOf<number>();
});

test("a map goes over what is, or may be, a list", () => {
  const input = z.strictObject({
    name: z.string(),
    n: z.number(),
    some: z.array(z.string()).nullable(),
    any: z.unknown(),
  });
  const maps = () =>
    reactor("maps", { input }, (steps) =>
      steps
        .waitFor("got", { event: "got" })
        .map("some", { over: ({ input }) => input.some }, (each) => each.returns(() => 1))
        .map("any", { over: ({ input }) => input.any }, (each) => each.returns(() => 1))
        .map("sent", { over: ({ results }) => results.got }, (each) => each.returns(() => 1))
        .map("pair", { over: ({ input }) => [input.name, "b"] }, (each) =>
          each
            .step("one", { args: ({ element }) => ({ element }), run: (_ctx, { element }) => element.length })
            .returns(({ results }) => results.one),
        )
        // @ts-expect-error A text is none.
        .map("text", { over: ({ input }) => input.name }, (each) => each.returns(() => 1))
        // @ts-expect-error Nor is a number.
        .map("number", { over: ({ input }) => input.n }, (each) => each.returns(() => 1))
        .returns(({ results }) => results.pair),
    );
  expectTypeOf<NonNullable<ReturnType<typeof maps>["output"]>>().toEqualTypeOf<number[]>();
  expect(maps).not.toThrow();
});

test("what is spread has the types of its members, and what is written beside them counts", () => {
  const definition = reactor("count", { input: z.strictObject({ n: z.number(), name: z.string() }) }, (steps) =>
    steps
      .step("first", { args: ({ input }) => ({ ...input, name: 5 }), run: (_ctx, { n, name }) => n + name })
      .step("second", { args: ({ results }) => results, run: (_ctx, { first }) => [first] })
      .returns(({ results }) => ({ ...results, more: true })),
  );
  expectTypeOf(definition.output).toEqualTypeOf<{ first: number; second: number[]; more: true } | undefined>();
});

test("what is inside of something that may not be there may be undefined, however deep", () => {
  const input = z.strictObject({ n: z.number(), about: z.strictObject({ by: z.string() }).optional() });
  const lines = (): { price: number }[] | null => [{ price: 1 }];
  const definition = reactor("maybe", { input }, (steps) =>
    steps
      .step("skipped", { where: () => false, run: () => ({ deep: { q: 5 }, or: 1 as number | null }) })
      .step("lines", { run: lines })
      .step("after", {
        args: ({ input, results }) => ({
          deep: results.skipped.deep.q,
          or: results.skipped.or,
          by: input.about.by,
          price: results.lines[0]?.price,
          whole: results.skipped,
        }),
        run: (_ctx, args) => {
          expectTypeOf(args.deep).toEqualTypeOf<number | undefined>();
          expectTypeOf(args.or).toEqualTypeOf<number | null | undefined>();
          expectTypeOf(args.by).toEqualTypeOf<string | undefined>();
          expectTypeOf(args.price).toEqualTypeOf<number | undefined>();
          expectTypeOf(args.whole).toEqualTypeOf<{ deep: { q: number }; or: number | null } | null>();
          return 1;
        },
      })
      // @ts-expect-error It may have been skipped, and then there is no number.
      .step("wants", { args: ({ results }) => ({ n: results.skipped.deep.q }), run: increment })
      .step("always", { args: ({ input }) => ({ n: input.n }), run: increment })
      .returns(({ results }) => ({ deep: results.skipped.deep, always: results.always.n })),
  );
  expectTypeOf(definition.output).toEqualTypeOf<{ deep: { q: number } | undefined; always: number } | undefined>();
});

test("a run begins with what its schema takes, and its steps see what the schema comes to", async () => {
  const input = z.strictObject({ n: z.string().transform(Number), times: z.number().default(3) });
  const child = reactor("child", { input }, (steps) =>
    steps
      .step("first", {
        args: ({ input }) => input,
        run: (_ctx, args) => {
          expectTypeOf(args).toEqualTypeOf<{ n: number; times: number }>();
          return args.n;
        },
      })
      .returns(({ results }) => results.first),
  );
  expectTypeOf(child).toEqualTypeOf<ReactorDefinition<{ n: string; times?: number | undefined }, number>>();
  const around = (args: "right" | "wrong") =>
    reactor("around", { input: z.strictObject({ n: z.string() }) }, (steps) =>
      steps
        .compose("some", child, { args: ({ input }) => ({ n: input.n }) })
        // @ts-expect-error It takes a text, and makes a number of it.
        .compose("other", child, { args: () => (args === "right" ? { n: "5", times: 2 } : { n: 5 }) })
        .returns(() => 1),
    );
  expect(() => around("right")).not.toThrow();
  const planned = { name: "often", cron: "* * * * *" };
  expect(schedule({ ...planned, reactor: child, input: { n: "5" } }).input).toEqual({ n: "5" });
  // @ts-expect-error The same.
  expect(() => schedule({ ...planned, reactor: child, input: { n: 5 } })).toThrow("input.n");
  const on = { type: "order.paid", key: () => "k" };
  processManager({ name: "orders", reactor: child, on: [{ ...on, starts: () => ({ n: "5", times: 1 }) }] });
  // @ts-expect-error The same.
  processManager({ name: "orders", reactor: child, on: [{ ...on, starts: () => ({ n: 5 }) }] });
  expect((await testReactor(child, { input: { n: "5" } })).result).toBe(5);
});

test("a sleep is for a time or until one", () => {
  reactor("sleeps", { input: z.strictObject({ at: z.number() }) }, (steps) =>
    steps
      .sleep("for", { args: () => ({ forMs: 5 }) })
      .sleep("until", { args: ({ input }) => ({ until: input.at }) })
      .returns(() => 1),
  );
  expect(() =>
    reactor("sleeps", { input: z.strictObject({ at: z.number() }) }, (steps) =>
      steps
        // @ts-expect-error Which of them would hold?
        .sleep("both", { args: ({ input }) => ({ forMs: 5, until: input.at }) })
        .returns(() => 1),
    ),
  ).toThrow("both");
});
