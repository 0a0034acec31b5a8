import type { JsonValue } from "@viable/kernel";
import fc from "fast-check";

/** As much of JSON Schema as our own schemas are written in. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly enum?: readonly JsonValue[];
  readonly const?: JsonValue;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
}

/** Texts that have broken something somewhere. */
export const nastyTexts: readonly string[] = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "\udfff\ud800",
  "\u202e",
  "\u2028",
  "\ufeff",
  "\r\n\r\n",
  "__proto__",
  "constructor",
  "toString",
  "../../etc/passwd",
  "%00",
  "%",
  "*",
  "**",
  "'; DROP TABLE viable.events; --",
  "\\",
  '"',
  "#{7*7}",
  "{{7*7}}",
  "<script>",
  "NaN",
  "Infinity",
  "-0",
  "1e999",
  "9007199254740993",
  "default",
  "other",
  "system",
  "owner",
  "null",
  "true",
  "a".repeat(5_000),
  "é".repeat(300),
  "😀".repeat(100),
];
const nastyNumbers = [0, -0, -1, 1, 0.5, 2 ** 31, -(2 ** 31), 2 ** 53, -(2 ** 53), 1e308, -1e308, 5e-324];

const text: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom(...nastyTexts),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: "binary", maxLength: 40 }),
);
const number: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(...nastyNumbers),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** Any JSON, more often odd than not. */
export const anyJson: fc.Arbitrary<JsonValue> = fc.letrec<{ value: JsonValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthIdentifier: "json" },
    text,
    number,
    fc.constantFrom(null, true, false),
    fc.array(tie("value"), { maxLength: 4, depthIdentifier: "json" }),
    fc.dictionary(text, tie("value"), { maxKeys: 4, depthIdentifier: "json" }),
  ),
})).value;

/** What a schema allows, as far as it can be made without asking it. */
export function fittingJson(schema: JsonSchema, depth = 0): fc.Arbitrary<JsonValue> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined && choices.length > 0) return fc.oneof(...choices.map((each) => fittingJson(each, depth)));
  const type = typeof schema.type === "string" ? schema.type : schema.type?.[0];
  const { minLength = 0, maxLength = 30, minimum = -1_000, maximum = 100_000 } = schema;
  switch (depth > 5 ? "null" : type) {
    case "string":
      return fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 60)) });
    case "integer":
      return fc.integer({ min: Math.max(minimum, -(2 ** 31)), max: Math.min(Math.max(minimum, maximum), 2 ** 31 - 1) });
    case "number":
      return fc.double({ min: minimum, max: Math.max(minimum, maximum), noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array":
      return fc.array(fittingJson(schema.items ?? {}, depth + 1), { maxLength: 4 });
    case "object": {
      const members = Object.entries(schema.properties ?? {});
      return fc.record(Object.fromEntries(members.map(([name, each]) => [name, fittingJson(each, depth + 1)])), {
        requiredKeys: [...(schema.required ?? [])],
      }) as fc.Arbitrary<JsonValue>;
    }
    default:
      return anyJson;
  }
}

/** A value with one thing in it that is not as it was. */
export const spoiltJson = (value: JsonValue): fc.Arbitrary<JsonValue> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return anyJson;
  const members = value as Readonly<Record<string, JsonValue>>;
  const names = Object.keys(members);
  const changed = fc
    .tuple(names.length === 0 ? text : fc.constantFrom(...names), anyJson)
    .map(([name, other]): JsonValue => ({ ...members, [name]: other }));
  const added = fc.tuple(text, anyJson).map(([name, other]): JsonValue => ({ ...members, [name]: other }));
  const without = fc
    .constantFrom("", ...names)
    .map((name): JsonValue => Object.fromEntries(Object.entries(members).filter(([each]) => each !== name)));
  const inside =
    names.length === 0
      ? anyJson
      : fc
          .constantFrom(...names)
          .chain((name) =>
            spoiltJson(members[name] as JsonValue).map((other): JsonValue => ({ ...members, [name]: other })),
          );
  return fc.oneof(changed, added, without, inside);
};

/** JSON as text, sometimes with bytes that are not as they were. */
export const writtenJson = (value: JsonValue): fc.Arbitrary<string> => {
  const whole = JSON.stringify(value);
  return fc.oneof(
    { weight: 40, arbitrary: fc.constant(whole) },
    { weight: 5, arbitrary: fc.nat({ max: whole.length }).map((at) => whole.slice(0, at)) },
    {
      weight: 5,
      arbitrary: fc
        .tuple(
          fc.nat({ max: whole.length }),
          fc.constantFrom("\0", "{", "}", '"', ",", "[", "\\u0000", "\\ud800", "1e999", "\u{10ffff}"),
        )
        .map(([at, piece]) => whole.slice(0, at) + piece + whole.slice(at)),
    },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 20_000 }).map((depth) => "[".repeat(depth)) },
  );
};
