// Proves what a config's routing rules may say, and that the refusal of one names the place and what would do.
import { describe, expect, test } from "vitest";
import type { RoutingRuleSettings } from "./check-routing-rules.ts";
import { checkRoutingRules } from "./check-routing-rules.ts";

const names = { services: ["old", "new"], capabilities: ["work", "storage.put", "storage.get", "storages"] };
const check = (...rules: readonly unknown[]) => checkRoutingRules(rules as readonly RoutingRuleSettings[], names);

describe("a rule", () => {
  test("is for the capabilities that it names, by name or by group, or for all", () => {
    const capabilitiesOf = (capability?: string | string[]) =>
      check({ name: "a", when: capability && { capability }, policy: "local-first" })[0]?.capabilities;
    expect(capabilitiesOf("work")).toEqual(["work"]);
    expect(capabilitiesOf("storage.*")).toEqual(["storage.put", "storage.get"]);
    expect(capabilitiesOf(["work", "storage.*", "storage.put"])).toEqual(["work", "storage.put", "storage.get"]);
    expect(capabilitiesOf()).toEqual(names.capabilities);
  });

  test("is data that does not change, with what it leaves out filled in", () => {
    const [rule] = check({ name: "eu-only", when: { tenant: "acme" }, to: { tags: ["region:eu"], version: "^2" } });
    expect(rule).toEqual({
      name: "eu-only",
      capabilities: names.capabilities,
      tenants: ["acme"],
      to: { tags: ["region:eu"], version: "^2" },
      policy: "least-loaded",
      weights: {},
    });
    expect([Object.isFrozen(rule), Object.isFrozen(rule?.to), Object.isFrozen(rule?.tenants)]).toEqual([
      true,
      true,
      true,
    ]);
  });

  test.each<[string, unknown, string]>([
    ["no object", 7, "routing.0: must be an object"],
    ["no name", { policy: "local-first" }, "routing.0.name: must be lower case words"],
    [
      "a member nobody knows",
      { name: "a", otherwise: {} },
      "routing.0.otherwise: is not known; there are name, when, to",
    ],
    ["nothing to say", { name: "a", when: { capability: "work" } }, 'routing.0: "a" says nothing'],
    [
      "a capability nobody offers",
      { name: "a", when: { capability: "wrok" }, policy: "local-first" },
      'routing.0.when.capability: no service of the config offers "wrok"; near to it: work',
    ],
    ["a group nobody offers", { name: "a", when: { capability: "work.*" }, policy: "local-first" }, 'offers "work.*"'],
    [
      "an empty list",
      { name: "a", when: { tenant: [] }, policy: "local-first" },
      "routing.0.when.tenant: must be a word",
    ],
    [
      "a service that is not there",
      { name: "a", to: { service: "mew" } },
      'routing.0.to.service: there is no service "mew"; near to it: new',
    ],
    ["a range that is none", { name: "a", to: { version: "newest" } }, "routing.0.to.version: must be a range"],
    [
      "an unknown policy",
      { name: "a", policy: "round-robin" },
      "routing.0.policy: must be one of least-loaded, power-of-two, weighted, local-first",
    ],
    [
      "weights without the policy",
      { name: "a", to: {}, weights: { old: 1 } },
      "routing.0.weights: weights and the policy",
    ],
    ["the policy without weights", { name: "a", policy: "weighted" }, "routing.0.weights: weights and the policy"],
    [
      "a share of nothing",
      { name: "a", policy: "weighted", weights: { old: 0 } },
      "routing.0.weights.old: must be a number above 0",
    ],
    [
      "a share for one that `to` leaves out",
      { name: "a", to: { service: "new" }, policy: "weighted", weights: { old: 1 } },
      "routing.0.weights.old: it has a share",
    ],
    [
      "a refusal that goes somewhere",
      { name: "a", to: { service: "new" }, refuse: "No." },
      "routing.0.refuse: what is refused goes nowhere",
    ],
    ["a refusal without a reason", { name: "a", refuse: "" }, "routing.0.refuse: must say why"],
  ])("with %s is refused, and the reason names the place", (_what, rule, reason) => {
    expect(() => check(rule)).toThrow(
      expect.objectContaining({ code: "config.invalid", message: expect.stringContaining(reason) }),
    );
  });

  test("of the name of another, or after one that takes every task, is refused", () => {
    const first = { name: "a", when: { tenant: "acme" }, policy: "local-first" };
    expect(() => check(first, { ...first, when: { tenant: "other" } })).toThrow(
      'routing.1.name: the rule "a" is given twice.',
    );
    expect(() => check({ name: "all", policy: "local-first" }, first)).toThrow(
      'routing.1: "all" before it is for every task, so it is never met.',
    );
  });

  test("more than 256 are refused (W10)", () => {
    const rules = Array.from({ length: 257 }, (_, index) => ({ name: `r${index}`, when: { tenant: "t" }, to: {} }));
    expect(check(...rules.slice(1))).toHaveLength(256);
    expect(() => check(...rules)).toThrow("routing: there may be 256 rules, and there are 257.");
  });
});
