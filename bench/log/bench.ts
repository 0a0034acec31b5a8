// The log by itself, without the rest of the system: appends, catching up, word of what is new, and how all this fares as it grows.
import type { BenchOptions, Row } from "../harness/row.ts";
import { measureAppends } from "./append.ts";
import { measureCatchUp } from "./catch-up.ts";
import { measureGrowth } from "./growth.ts";
import { measureLatency } from "./live-latency.ts";

const measures: { readonly [name: string]: (options: BenchOptions) => Promise<Row[]> } = {
  append: async (options) => [
    ...(await measureAppends(options, "postgres")),
    ...(await measureAppends(options, "pglite")),
  ],
  "catch-up": measureCatchUp,
  latency: measureLatency,
  growth: measureGrowth,
};

export const cases = Object.keys(measures);

/** One case after the other, each with databases of its own. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measures)) {
    if (options.case === undefined || options.case === name) rows.push(...(await measure(options)));
  }
  return rows;
}
