// Durable runs of steps: few and many, short and long, wide, asleep, and after their process was killed. Beside us DBOS, Restate and
// LangGraph, and the limit, which makes the same events durable by hand.
import type { BenchOptions, Row } from "../harness/row.ts";
import { measureAsleep } from "./asleep.ts";
import { measureChains } from "./chains.ts";
import { measureFanOut } from "./fan-out.ts";
import { measureHistory } from "./history.ts";
import { measureMapMemory } from "./map-memory.ts";
import { measureResume } from "./resume.ts";

const measures: { readonly [name: string]: (options: BenchOptions) => Promise<Row[]> } = {
  five: (options) => measureChains(options, { name: "five", steps: 5, concurrent: [1, 32, 256] }),
  three: (options) => measureChains(options, { name: "three", steps: 3, concurrent: [50] }),
  history: measureHistory,
  "fan-out": measureFanOut,
  "map-memory": measureMapMemory,
  asleep: measureAsleep,
  resume: measureResume,
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
