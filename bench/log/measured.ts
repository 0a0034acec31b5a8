import type { Row, Series } from "../harness/row.ts";
import { compare, toRow } from "../harness/row.ts";

/** One thing that was measured of several subjects, round by round. */
export interface Measured<Round> {
  readonly case: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  /** Whether ratios are wanted: of every other subject to the limit where there is one, and of ours to every other. */
  readonly compared: boolean;
  value(round: Round): number;
}

/** What each subject was measured at, as rows, with the ratios that were asked for. */
export function toRows<Round>(
  rounds: ReadonlyMap<string, readonly Round[]>,
  { case: name, unit, higherIsBetter, compared, value }: Measured<Round>,
): Row[] {
  const all = [...rounds].map(
    ([subject, each]): Series => ({
      bench: "log",
      case: name,
      subject,
      unit,
      higherIsBetter,
      values: each.map(value),
    }),
  );
  const rows = all.map(toRow);
  if (!compared) return rows;
  const limit = all.find(({ subject }) => subject === "limit");
  const viable = all.find(({ subject }) => subject === "viable") as Series;
  const toLimit =
    limit === undefined ? [] : all.filter((series) => series !== limit).map((series) => compare(series, limit));
  const others = all.filter((series) => series !== viable && series !== limit);
  return [...rows, ...toLimit, ...others.map((series) => compare(viable, series))];
}
