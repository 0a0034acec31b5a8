import { wrongUsage } from "./exit-status.ts";

const unitMs: Readonly<Record<string, number>> = { s: 1_000, min: 60_000, h: 3_600_000, d: 24 * 3_600_000 };

/** The milliseconds that an option gives as `90s`, `30min`, `12h` or `7d`. Throws `cli.usage`, naming the option. */
export function toDuration(option: string, text: string): number {
  const [, count = "", unit = ""] = /^(\d{1,6})(s|min|h|d)$/.exec(text) ?? [];
  const ms = Number(count) * (unitMs[unit] ?? 0);
  if (ms === 0) throw wrongUsage(`${option}: "${text}" is not a duration.`, "Write it like 90s, 30min, 12h or 7d.");
  return ms;
}
