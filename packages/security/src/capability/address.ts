/**
 * Whether an address is one that a pattern stands for: itself alone, or, where the pattern ends in a star, what begins as it does. `*` reaches to
 * the end of a part, the next `/` or `.`; `**` to the end. A star matches at least one character, and stands nowhere but at the end.
 */
export function matchesAddress(pattern: string, address: string): boolean {
  if (pattern.endsWith("**")) return isBeyond(pattern.slice(0, -2), address);
  if (!pattern.endsWith("*")) return pattern === address;
  const stem = pattern.slice(0, -1);
  return isBeyond(stem, address) && !/[/.]/.test(address.slice(stem.length));
}

const isBeyond = (stem: string, address: string): boolean => address.length > stem.length && address.startsWith(stem);
