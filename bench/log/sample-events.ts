import type { JsonObject } from "@viable/kernel";

// The events that every subject writes and reads: the same types in the same turn, and about 300 characters of data, of which only
// a number differs.

const types = [
  "order.placed",
  "order.paid",
  "order.packed",
  "order.shipped",
  "order.delivered",
  "order.returned",
  "order.refunded",
  "order.closed",
] as const;

export const typeOf = (n: number): string => types[n % types.length] as string;

/** `more` is what a measurement carries along. */
export const dataOf = (n: number | string, more: JsonObject = {}): JsonObject => ({
  n,
  customer: "cus_01k9z6v3f8e7q0c2r5t8w1y4b7",
  currency: "EUR",
  amount: 1234.56,
  items: [
    { sku: "A-100-200", count: 3, price: 99.9 },
    { sku: "B-300-400", count: 1, price: 934.86 },
  ],
  address: { street: "Lange Reihe 17", city: "Hamburg", country: "DE", postcode: "20099" },
  note: 'leave it with "no. 19" if nobody opens',
  ...more,
});

/** The type of event number `n`, an expression, in SQL. */
export const typeInSql = (n: string): string =>
  `(ARRAY[${types.map((type) => `'${type}'`).join(",")}])[1 + (${n}) % ${types.length}]`;

/** The data of event number `n` in SQL, as text. */
export const dataInSql = (n: string): string => {
  const [before, after] = JSON.stringify(dataOf("%n")).split('"%n"') as [string, string];
  return `'${before}' || (${n}) || '${after}'`;
};

/** How many events of each type there are among the first so many, counted from 1. */
export function countsOf(events: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (let n = 1; n <= events; n++) counts[typeOf(n)] = (counts[typeOf(n)] ?? 0) + 1;
  return counts;
}
