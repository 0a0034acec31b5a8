import type { Row } from "../harness/row.ts";
import type { Measured } from "../log/measured.ts";
import { toRows as toLogRows } from "../log/measured.ts";

/** As the log's: with ratios to the limit, and of ours to every other. */
export const toRows = <Round>(rounds: ReadonlyMap<string, readonly Round[]>, measured: Measured<Round>): Row[] =>
  toLogRows(rounds, measured).map((row) => ({ ...row, bench: "gateway" }));
