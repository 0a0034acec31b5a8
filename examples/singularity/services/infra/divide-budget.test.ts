/** What every division promises, over thousands of budgets and demands; and that shares are fair by the definition of it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ceilingOf, type Demand, divideBudget } from "./divide-budget.ts";

const demand = fc
  .record({ weight: fc.integer({ min: 1, max: 10 }), min: fc.nat(10), room: fc.nat(30), wanted: fc.nat(60) })
  .map(({ weight, min, room, wanted }) => ({ weight, min, max: min + room, wanted }));

/** Demands whose minima fit into the budget. */
const cases = fc.tuple(fc.array(demand, { minLength: 1, maxLength: 8 }), fc.nat(150)).map(([demands, extra]) => {
  const named: Demand[] = demands.map((each, index) => ({ ...each, name: `d${index}` }));
  return { demands: named, budget: sum(named.map(({ min }) => min)) + extra };
});

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const amounts = (budget: number, demands: readonly Demand[]) =>
  divideBudget(budget, demands).map(({ amount }) => amount);
const holds = (check: (given: { budget: number; demands: Demand[] }) => void) =>
  fc.assert(fc.property(cases, check), { numRuns: 500 });

describe("for any budget that the minima fit into", () => {
  test("no more is given than there is, and nothing is left that somebody could use", () => {
    holds(({ budget, demands }) => {
      expect(sum(amounts(budget, demands))).toBe(Math.min(budget, sum(demands.map(ceilingOf))));
    });
  });

  test("amounts are whole, no less than the minimum and no more than wanted or allowed", () => {
    holds(({ budget, demands }) => {
      for (const [index, amount] of amounts(budget, demands).entries()) {
        const each = demands[index] as Demand;
        expect(Number.isInteger(amount)).toBe(true);
        expect(amount).toBeGreaterThanOrEqual(each.min);
        expect(amount).toBeLessThanOrEqual(Math.max(each.min, Math.min(each.max, each.wanted)));
      }
    });
  });

  test("an amount is less than one unit from its exact share", () => {
    holds(({ budget, demands }) => {
      for (const { amount, exact } of divideBudget(budget, demands)) expect(Math.abs(amount - exact)).toBeLessThan(1);
    });
  });

  test("with more budget no exact share is less, and no amount by more than one unit", () => {
    holds(({ budget, demands }) => {
      const before = divideBudget(budget, demands);
      for (const [index, { amount, exact }] of divideBudget(budget + 1, demands).entries()) {
        expect(exact).toBeGreaterThanOrEqual((before[index]?.exact ?? 0) - 1e-9);
        expect(amount).toBeGreaterThanOrEqual((before[index]?.amount ?? 0) - 1);
      }
    });
  });

  test("of two alike the one with more weight, or that wants more, gets no less", () => {
    const pair = fc.tuple(cases, demand, fc.integer({ min: 1, max: 5 }), fc.nat(20));
    fc.assert(
      fc.property(pair, ([{ budget, demands }, base, heavier, hungrier]) => {
        const others = [...demands, { ...base, name: "a" }];
        const room = budget + 2 * base.min;
        const [light = 0, heavy = 0] = amounts(room, [
          ...others,
          { ...base, name: "b", weight: base.weight + heavier },
        ]).slice(-2);
        expect(heavy).toBeGreaterThanOrEqual(light);
        const more = { ...base, name: "b", wanted: base.wanted + hungrier };
        const [modest = 0, hungry = 0] = amounts(room, [...others, more]).slice(-2);
        // They are alike up to what the one wants, and of two equal fractions the first is rounded up.
        expect(hungry).toBeGreaterThanOrEqual(modest - 1);
      }),
    );
  });

  test("whoever could use more has, by weight, no less than anybody above its minimum", () => {
    holds(({ budget, demands }) => {
      const shares = divideBudget(budget, demands);
      for (const [index, hungry] of demands.entries()) {
        const own = shares[index]?.exact ?? 0;
        if (own >= ceilingOf(hungry) - 1e-9) continue;
        for (const [other, each] of demands.entries()) {
          const exact = shares[other]?.exact ?? 0;
          if (exact > each.min + 1e-9) expect(exact / each.weight).toBeLessThanOrEqual(own / hungry.weight + 1e-9);
        }
      }
    });
  });
});
