/** What stands where neither manifest nor lockfile says it: nothing is guessed. */
export const unknown = "unknown";

/** In characters. Expressions are shorter; some packages have the whole text of their licence there, and an answer names thousands. */
const maxLicenceChars = 200;

/** The licence that a manifest names, in all the shapes that were ever in use; `unknown` where it names none. Ends in `…` where it was cut. */
export function licenceOf({ license, licenses }: { readonly [field: string]: unknown }): string {
  for (const value of [license, licenses]) {
    const names = (Array.isArray(value) ? value : [value]).map(nameOf).filter((name) => name !== undefined);
    // Several licences in a list were always a choice.
    if (names.length > 0) return cut(names.length === 1 ? (names[0] as string) : `(${names.join(" OR ")})`);
  }
  return unknown;
}

/** `"MIT"`, or `{"type": "MIT"}`. */
function nameOf(value: unknown): string | undefined {
  const name = typeof value === "object" && value !== null && "type" in value ? value.type : value;
  return typeof name === "string" && name.trim() !== "" ? name.trim() : undefined;
}

/** Cut text is no expression any more, so that nobody takes its beginning for the whole. */
const cut = (licence: string): string =>
  licence.length > maxLicenceChars ? `${licence.slice(0, maxLicenceChars).toWellFormed()}…` : licence;
