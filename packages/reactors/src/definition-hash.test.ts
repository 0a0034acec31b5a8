// What makes a definition another one, which runs that are under way are not carried on with: what their events are read by, and nothing else.
import { expect, test } from "vitest";
import { z } from "zod";
import { reactor } from "./reactor.ts";

const input = z.strictObject({ amount: z.number() });
const run = () => 1;

interface Said {
  readonly title?: string;
  readonly pay?: object;
  readonly task?: object;
  readonly poll?: object;
  readonly compose?: object;
  readonly after?: readonly string[];
  readonly way?: readonly string[];
  readonly settings?: object;
  readonly child?: object;
  readonly isReversed?: boolean;
}

/** An order with something of each kind of step. */
function hash(said: Said = {}): string {
  const child = reactor("child", { input }, (steps) => steps.step("a", { run, ...said.child }).returns(() => 1));
  const branch = {
    when: () => true,
    steps: (steps: { returns(template: () => number): never }) => steps.returns(() => 1),
  };
  return reactor("order", { input, ...said.settings }, (steps) => {
    const add = {
      pay: (to: typeof steps) => to.step("pay", { args: ({ input }) => ({ amount: input.amount }), run, ...said.pay }),
      look: (to: typeof steps) => to.step("look", { run }),
    };
    const both = said.isReversed === true ? add.pay(add.look(steps) as never) : add.look(add.pay(steps) as never);
    return both
      .approval("leave", { title: said.title ?? "May I?", after: said.after ?? ["look", "pay"] })
      .task("pack", { capability: "pack", args: () => ({}), ...said.task })
      .compose("inner", child, { args: () => ({ amount: 1 }), ...said.compose })
      .switch("way", {
        args: () => ({}),
        branches: Object.fromEntries((said.way ?? ["short", "long"]).map((name) => [name, branch])) as never,
      })
      .repeat(
        "poll",
        { maxTurns: 3, ...said.poll },
        (turn) => turn.returns(() => 1),
        () => true,
      )
      .returns(() => 1);
  }).hash;
}

test.for<[string, Said]>([
  [
    "what is said for people",
    { pay: { description: "Takes the money." }, title: "Might I?", settings: { description: "x" } },
  ],
  ["how long something may take", { pay: { timeoutMs: 5 }, task: { timeoutMs: 5 }, settings: { timeoutMs: 5_000 } }],
  [
    "how often it is tried",
    { pay: { retry: { maxAttempts: 9 } }, task: { retry: {} }, compose: { maxRestarts: 9 }, poll: { maxTurns: 9 } },
  ],
  ["where it takes turns", { pay: { pool: "bank" }, settings: { maxConcurrency: 5 } }],
  ["the same of what it composes", { child: { timeoutMs: 5 } }],
  ["in which order steps are said", { isReversed: true }],
  ["in which order a step names those it comes after", { after: ["pay", "look"] }],
])("is the same, whatever is changed of %s", ([, said]) => {
  expect(hash(said)).toBe(hash());
});

test("is another for whatever a run's events are read by", () => {
  const hashes = [
    hash(),
    hash({ settings: { version: 2 } }),
    hash({ settings: { reversible: true } }),
    hash({ pay: { args: () => ({}) } }),
    hash({ pay: { undo: () => {} } }),
    hash({ pay: { where: () => true } }),
    hash({ pay: { idempotent: false } }),
    hash({ task: { capability: "wrap" } }),
    hash({ after: ["pay"] }),
    hash({ way: ["short"] }),
    // The first that holds is taken.
    hash({ way: ["long", "short"] }),
    hash({ child: { idempotent: false } }),
  ];
  expect(new Set(hashes).size).toBe(hashes.length);
});
