// The log by itself, without the rest of the system: appends, catching up, word of what is new, and how all this fares as it grows.
import type { BenchOptions, Row } from "../harness/row.ts";
import { measureAppends } from "./append.ts";
import { measureCatchUp } from "./catch-up.ts";
import { measureGrowth } from "./growth.ts";
import { measureLatency } from "./live-latency.ts";

/** One case after the other, each with databases of its own. */
export async function bench(options: BenchOptions): Promise<Row[]> {
  return [
    ...(await measureAppends(options, "postgres")),
    ...(await measureAppends(options, "pglite")),
    ...(await measureCatchUp(options)),
    ...(await measureLatency(options)),
    ...(await measureGrowth(options)),
  ];
}
