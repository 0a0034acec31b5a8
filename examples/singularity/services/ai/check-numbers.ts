import type { JsonValue } from "viable";

/** A number as people and programs write it: 12, 1,234, 3.5. */
const number = /\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?/g;

/**
 * The numbers a text names that stand nowhere in what it is about: not as a number, not in a name, not as how many entries a
 * list has. A model that invents a number is found by this; one that gives a right number a wrong meaning is not.
 */
export function findInventedNumbers(text: string, about: JsonValue): string[] {
  const known = new Set(numbersOf(JSON.stringify(about)));
  collectLengths(about, known);
  return [...new Set(numbersOf(text))].filter((each) => !known.has(each));
}

const numbersOf = (text: string): string[] =>
  (text.match(number) ?? []).map((each) => String(Number(each.replaceAll(",", ""))));

function collectLengths(value: JsonValue | undefined, into: Set<string>): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) into.add(String(value.length));
  for (const member of Object.values(value)) collectLengths(member as JsonValue | undefined, into);
}
