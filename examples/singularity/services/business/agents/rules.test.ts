/**
 * Rules over facts: three answers, since what is not known makes nothing true, not even its contrary; every refusal of a rule says
 * where and why; nothing in a rule is run.
 */
import type { JsonObject, JsonValue } from "viable";
import { describe, expect, test } from "vitest";
import { followsInput } from "../../../testing/follows-input.ts";
import { type AgentBench, openBench } from "../../../testing/run-agent.ts";
import { rules } from "./rules.ts";

/** What one condition comes to: fired, notFired or undecided. */
async function evaluate(bench: AgentBench, when: JsonValue, facts: JsonObject): Promise<string> {
  const result = await bench.run(rules, { facts, rules: [{ name: "r", when }] });
  const lists = ["fired", "notFired", "undecided"].filter((list) => (result[list] as unknown[]).length > 0);
  expect(lists.length).toBe(1);
  return lists[0] as string;
}

followsInput(rules, "a discount for large orders of known customers", async (bench) => {
  const declared = [
    {
      name: "discount",
      when: {
        all: [
          { fact: "order.total", operator: "greaterThanInclusive", value: 100 },
          {
            any: [
              { fact: "customer.years", operator: "greaterThan", value: 2 },
              { fact: "coupon", operator: "exists", value: true },
            ],
          },
        ],
      },
      conclusion: { percent: 10 },
    },
    { name: "abroad", when: { not: { fact: "country", operator: "in", value: ["AT", "DE"] } } },
  ];
  const large = await bench.run(rules, {
    facts: { order: { total: 120 }, customer: { years: 3 }, country: "CH" },
    rules: declared,
  });
  expect(large).toEqual({
    evaluated: 2,
    fired: [
      {
        name: "discount",
        because: ["order.total is 120 (greaterThanInclusive 100: yes)", "customer.years is 3 (greaterThan 2: yes)"],
        conclusion: { percent: 10 },
      },
      { name: "abroad", because: ['country is "CH" (in ["AT","DE"]: no)'] },
    ],
    notFired: [],
    undecided: [],
    origin: "given rules",
  });
  const small = await bench.run(rules, { facts: { order: { total: 99.99 } }, rules: declared });
  expect(small).toMatchObject({
    fired: [],
    notFired: [{ name: "discount", because: ["order.total is 99.99 (greaterThanInclusive 100: no)"] }],
    undecided: [{ name: "abroad", lacking: ["country is not there"] }],
  });
  return [large, small];
});

const known = { fact: "a", operator: "equal", value: 1 };
const wrong = { fact: "a", operator: "equal", value: 2 };
const lacking = { fact: "gone", operator: "notEqual", value: 1 };

test.for([
  [{ all: [known, lacking] }, "undecided"],
  [{ all: [wrong, lacking] }, "notFired"],
  [{ any: [known, lacking] }, "fired"],
  [{ any: [wrong, lacking] }, "undecided"],
  [{ not: lacking }, "undecided"],
  [{ not: { all: [lacking, wrong] } }, "fired"],
  [{ not: known }, "notFired"],
] as const)("what is lacking decides nothing by itself: %j is %s", async ([when, answer]) => {
  await using bench = await openBench();
  expect(await evaluate(bench, when as JsonValue, { a: 1 })).toBe(answer);
});

test.for([
  ["equal", { n: [1, 2] }, { n: [1, 2] }, "fired"],
  ["equal", "1", 1, "notFired"],
  ["equal", null, null, "fired"],
  ["notEqual", { n: 1 }, { n: 1, m: 2 }, "fired"],
  ["lessThan", 1, 2, "fired"],
  ["lessThan", 2, 2, "notFired"],
  ["lessThanInclusive", 2, 2, "fired"],
  ["greaterThan", 2, 2, "notFired"],
  ["greaterThanInclusive", 2, 2, "fired"],
  // A text has no order here, so not even the contrary can be said.
  ["greaterThan", "10", 9, "undecided"],
  ["in", "b", ["a", "b"], "fired"],
  ["notIn", "b", ["a", "b"], "notFired"],
  ["contains", ["a", { b: 1 }], { b: 1 }, "fired"],
  ["contains", "abc", "bc", "fired"],
  ["contains", 5, 5, "undecided"],
  ["doesNotContain", ["a"], "b", "fired"],
  ["doesNotContain", true, "b", "undecided"],
  ["exists", 0, true, "fired"],
  ["exists", 0, false, "notFired"],
] as const)("%s of %j and %j", async ([operator, fact, value, answer]) => {
  await using bench = await openBench();
  const when = { fact: "f", operator, value };
  expect(await evaluate(bench, when as JsonValue, { f: fact } as JsonObject)).toBe(answer);
});

test("a fact is compared with another, or with a share of it", async () => {
  await using bench = await openBench();
  const share = { fact: "cycles", operator: "greaterThan", otherFact: "modules", times: 0.05 };
  expect(await evaluate(bench, share, { cycles: 6, modules: 100 })).toBe("fired");
  expect(await evaluate(bench, share, { cycles: 5, modules: 100 })).toBe("notFired");
  expect(await evaluate(bench, share, { cycles: 5 })).toBe("undecided");
  expect(await evaluate(bench, share, { cycles: 5, modules: "many" })).toBe("undecided");
  expect(await evaluate(bench, { fact: "a", operator: "equal", otherFact: "b" }, { a: [1], b: [1] })).toBe("fired");
});

test("facts are what was given, and nothing that objects have by birth", async () => {
  await using bench = await openBench();
  for (const fact of ["constructor", "toString.name", "list.length", "__proto__", "text.0"]) {
    const when = { fact, operator: "exists", value: true };
    expect(await evaluate(bench, when, { list: [1], text: "x" }), fact).toBe("notFired");
  }
  expect(await evaluate(bench, { fact: "list.0.n", operator: "equal", value: 7 }, { list: [{ n: 7 }] })).toBe("fired");
});

test("what would take too long to compare is left open, and the answer says so", async () => {
  await using bench = await openBench();
  const list = Array.from({ length: 300_000 }, () => 1);
  const declared = ["a", "b", "c", "d"].map((name) => ({
    name,
    when: { fact: "list", operator: "contains", value: 2 },
  }));
  expect(await bench.run(rules, { facts: { list }, rules: declared })).toMatchObject({
    notFired: [{ name: "a", because: ["list is a list of 300000 (contains 2: no)"] }, { name: "b" }, { name: "c" }],
    undecided: [{ name: "d", lacking: ["list was not compared: 1000000 values were"] }],
  });
});

test("a large object is not counted again for each comparison, and what equals it in size costs what it has", async () => {
  await using bench = await openBench();
  let looks = 0;
  const watched = (members: number): JsonObject =>
    new Proxy(Object.fromEntries(Array.from({ length: members }, (_, index) => [`m${index}`, index])), {
      ownKeys(target) {
        looks++;
        return Reflect.ownKeys(target);
      },
    });
  const facts = { small: watched(10), large: watched(30_000), other: watched(30_000) };
  const ask = async (when: JsonValue) => {
    const declared = Array.from({ length: 100 }, (_, index) => ({ name: `r${index}`, when }));
    looks = 0;
    const { notFired, undecided } = await bench.run(rules, { facts, rules: declared });
    return { notFired: (notFired as unknown[]).length, undecided: (undecided as unknown[]).length };
  };
  expect(await ask({ fact: "large", operator: "exists", value: false })).toEqual({ notFired: 100, undecided: 0 });
  expect(looks).toBeLessThan(10);
  expect(await ask({ fact: "large", operator: "equal", otherFact: "small" })).toEqual({ notFired: 100, undecided: 0 });
  expect(looks).toBeLessThan(10);
  // A million values are compared at most, and these have thirty thousand members to look at.
  const { notFired } = await ask({ fact: "large", operator: "notEqual", otherFact: "other" });
  expect(notFired).toBeLessThan(40);
});

describe("what is no rule is refused with place and reason", () => {
  const deep = (levels: number): JsonValue => (levels === 0 ? known : { not: deep(levels - 1) });
  test.for([
    [
      { all: [known, { fact: "a", operator: "matches", value: "(a+)+$" }] },
      "when.all.1.operator",
      /must be one of equal/,
    ],
    [{ all: [] }, "when.all", /at least one/],
    [{ any: "x" }, "when.any", /must be a list/],
    ["a > 1", "when", /must be an object/],
    [undefined, "when", /must be an object/],
    [{ not: { operator: "equal", value: 1 } }, "when.not.fact", /must name a fact/],
    [{ fact: "a..b", operator: "equal", value: 1 }, "when.fact", /must name a fact/],
    [{ fact: "a", operator: "equal" }, "when.value", /is missing/],
    [{ fact: "a", operator: "lessThan", value: "2" }, "when.value", /must be a number/],
    [{ fact: "a", operator: "in", value: 2 }, "when.value", /must be a list/],
    [{ fact: "a", operator: "exists", value: 1 }, "when.value", /true or false/],
    [{ fact: "a", operator: "exists", otherFact: "b" }, "when.value", /but for exists/],
    [{ fact: "a", operator: "lessThan", otherFact: "b", times: "2" }, "when.times", /must be a number/],
    [{ ...known, path: "$..[?(@)]" }, "when.path", /is not known/],
    [{ all: [known], any: [known] }, "when.any", /is not known/],
    [deep(16), expect.stringMatching(/^when(\.not){16}$/), /deeper than 16/],
    [{ all: Array.from({ length: 201 }, () => known) }, "when", /201 comparisons/],
    [{ any: [known, { all: Array.from({ length: 200 }, () => known) }] }, "when", /201 comparisons/],
  ] as const)("%j", ([when, place, reason]) => {
    const parsed = rules.input.safeParse({ facts: {}, rules: [{ name: "r", when }] });
    const issues = parsed.error?.issues.map(({ path, message }) => ({ at: path.slice(2).join("."), message }));
    expect(issues).toContainEqual({ at: place, message: expect.stringMatching(reason) });
  });

  test("a list of more than anybody could read, with one reason", () => {
    const when = { all: Array.from({ length: 200_000 }, () => 5) };
    const issues = rules.input.safeParse({ facts: {}, rules: [{ name: "r", when }] }).error?.issues;
    expect(issues).toMatchObject([
      { path: ["rules", 0, "when"], message: expect.stringContaining("200000 comparisons") },
    ]);
  });

  test("two rules of one name, none at all, and too many", () => {
    const named = (name: string) => ({ name, when: known });
    const refused = (list: unknown) => rules.input.safeParse({ facts: {}, rules: list }).error?.issues[0];
    expect(refused([named("a"), named("b"), named("a")])).toMatchObject({ path: ["rules", 2, "name"] });
    expect(refused([])).toMatchObject({ path: ["rules"] });
    expect(refused(Array.from({ length: 201 }, (_, index) => named(`r${index}`)))).toMatchObject({ path: ["rules"] });
    expect(refused([named("a")])).toBeUndefined();
  });
});
