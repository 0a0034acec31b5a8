/** What stands where neither manifest nor lockfile says it: nothing is guessed. */
export const unknown = "unknown";

/** The licence that a manifest names, in all the shapes that were ever in use; `unknown` where it names none. */
export function licenceOf({ license, licenses }: { readonly [field: string]: unknown }): string {
  for (const value of [license, licenses]) {
    const names = (Array.isArray(value) ? value : [value]).map(nameOf).filter((name) => name !== undefined);
    // Several licences in a list were always a choice.
    if (names.length > 0) return names.length === 1 ? (names[0] as string) : `(${names.join(" OR ")})`;
  }
  return unknown;
}

function nameOf(value: unknown): string | undefined {
  if (typeof value === "object" && value !== null && "type" in value) return nameOf(value.type);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}
