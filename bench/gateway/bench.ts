// What the gateway's door costs: so far, what it takes to know a token. Beside us signed tokens by jose.
import type { BenchOptions, Row } from "../harness/row.ts";
import { measureTokens } from "./tokens.ts";

const measures: { readonly [name: string]: (options: BenchOptions) => Promise<Row[]> } = {
  token: measureTokens,
};

export const cases = Object.keys(measures);

export async function bench(options: BenchOptions): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, measure] of Object.entries(measures)) {
    if (options.case === undefined || options.case === name) rows.push(...(await measure(options)));
  }
  return rows;
}
