/**
 * Writes a list as a PostgreSQL array literal, `{"a",NULL}`, so that both drivers are sent the same text and neither guesses
 * at types. Every text is quoted, so none can be taken for NULL, and only `"` and `\` mean anything between quotes.
 */
export function textArray(items: readonly (string | null)[]): string {
  let literal = "{";
  for (let index = 0; index < items.length; index++) {
    const item = items[index] as string | null;
    if (index > 0) literal += ",";
    literal += item === null ? "NULL" : `"${needsEscape.test(item) ? item.replace(/["\\]/g, "\\$&") : item}"`;
  }
  return `${literal}}`;
}

const needsEscape = /["\\]/;

/** The same for numbers, which need no quotes. */
export function numberArray(items: readonly (number | null)[]): string {
  return `{${items.map((item) => (item === null ? "NULL" : item)).join(",")}}`;
}
