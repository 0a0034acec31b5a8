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

/**
 * Between JSON texts: a control character, which JSON text holds only escaped. A list of them so joined needs no escaping here and
 * no unescaping there (`string_to_array`); quoting them took longer than anything else on the way to the database.
 */
const jsonSeparator = "\u001f";

/** A list of JSON texts for `string_to_array`. */
export const jsonTexts = (items: readonly string[]): string => items.join(jsonSeparator);
