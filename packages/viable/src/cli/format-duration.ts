/** A duration for people: `340 ms`, `2.4 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const [large, small] = units(Math.floor(ms / 1_000));
  return small === undefined ? large : `${large} ${small}`;
}

function units(seconds: number): [string, string | undefined] {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  const rest = (value: number, unit: string) => (value === 0 ? undefined : `${value} ${unit}`);
  if (days > 0) return [`${days} d`, rest(hours % 24, "h")];
  if (hours > 0) return [`${hours} h`, rest(minutes % 60, "min")];
  return [`${minutes} min`, rest(seconds % 60, "s")];
}
