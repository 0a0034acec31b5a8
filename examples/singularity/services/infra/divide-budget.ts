/**
 * Divides a budget of whole units by weighted max-min fairness: all shares grow in step with their weights, from their minima on;
 * whoever has enough steps out, and the others share what that leaves. Nobody can then get more without somebody who has less, by
 * weight, getting less still.
 */

export interface Demand {
  readonly name: string;
  readonly weight: number;
  /** Whole units that it must have. */
  readonly min: number;
  /** Whole units that it may have at most. */
  readonly max: number;
  /** Whole units that it could use. */
  readonly wanted: number;
}

export interface Share {
  readonly name: string;
  readonly amount: number;
  /** What it would get if units could be divided. */
  readonly exact: number;
}

/** The most that helps: what it wants, within what it may have, but not less than it must have. */
export const ceilingOf = ({ min, max, wanted }: Demand): number => Math.max(min, Math.min(max, wanted));

/** So near to the next whole unit is one that rounding in the arithmetic has taken a little from. */
const tolerance = 1e-9;

/**
 * Shares in the order of the demands; together they are the budget, or all ceilings where those are less. Expects minima that fit
 * into the budget.
 *
 * Whole units are the exact shares without their fractions, and the units left over go to the largest fractions. So an amount is
 * less than one unit from its exact share. With one unit more of budget an amount may therefore be one unit less, but never more.
 */
export function divideBudget(budget: number, demands: readonly Demand[]): Share[] {
  const total = Math.min(budget, sum(demands.map(ceilingOf)));
  const level = findLevel(total, demands);
  const shares = demands.map((demand) => {
    const exact = shareAt(level, demand);
    return { name: demand.name, exact, amount: Math.floor(exact + tolerance) };
  });
  const left = total - sum(shares.map((share) => share.amount));
  const byFraction = [...shares].sort((a, b) => b.exact - b.amount - (a.exact - a.amount));
  for (const share of byFraction.slice(0, left)) share.amount += 1;
  return shares;
}

/** What a demand has when each unit of weight has been given `level`. */
const shareAt = (level: number, demand: Demand): number =>
  Math.min(ceilingOf(demand), Math.max(demand.min, level * demand.weight));

/** The level at which all shares are the total. Between two levels at which somebody begins or stops to grow, the sum is a straight line. */
function findLevel(total: number, demands: readonly Demand[]): number {
  const given = (level: number): number => sum(demands.map((demand) => shareAt(level, demand)));
  const bends = demands.flatMap((demand) => [demand.min / demand.weight, ceilingOf(demand) / demand.weight]);
  const levels = [0, ...bends].sort((a, b) => a - b);
  const above = levels.findIndex((level) => given(level) >= total);
  const [low, high] = [levels[above - 1], levels[above] ?? levels.at(-1) ?? 0];
  if (low === undefined) return high;
  const [from, to] = [given(low), given(high)];
  return to > from ? low + ((high - low) * (total - from)) / (to - from) : high;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
