import type { OpenApi } from "@viable/gateway";
import type { JsonValue } from "@viable/kernel";
import fc from "fast-check";

interface Part {
  readonly [member: string]: unknown;
}

/** Deeper than this what may be missing is missing, and lists are empty. */
const maxDepth = 4;

/**
 * Answers as a description allows them, and not only as a gateway gives them: members that may be missing are or are not, lists are short or
 * empty, and the whole has a member more than is told, as a later release's would.
 */
export function answersOf(document: OpenApi, schema: object): fc.Arbitrary<JsonValue> {
  return of(document, schema as Part, 0).map((answer) =>
    typeof answer === "object" && answer !== null && !Array.isArray(answer) ? { ...answer, comesLater: true } : answer,
  );
}

function of(document: OpenApi, part: Part, depth: number): fc.Arbitrary<JsonValue> {
  if (typeof part.$ref === "string") {
    const name = part.$ref.replace("#/components/schemas/", "");
    return of(document, document.components.schemas[name] as Part, depth);
  }
  if ("const" in part) return fc.constant(part.const as JsonValue);
  if (Array.isArray(part.enum)) return fc.constantFrom(...(part.enum as JsonValue[]));
  // What code checks, and no schema can tell, is shown by examples.
  if (Array.isArray(part.examples)) return fc.constantFrom(...(part.examples as JsonValue[]));
  const options = (part.oneOf ?? part.anyOf) as Part[] | undefined;
  if (options !== undefined) return fc.oneof(...options.map((option) => of(document, option, depth)));
  const types = [part.type ?? "anything"].flat() as string[];
  return fc.oneof(...types.map((type) => ofType(document, type, part, depth)));
}

function ofType(document: OpenApi, type: string, part: Part, depth: number): fc.Arbitrary<JsonValue> {
  const number = (name: string, otherwise: number) =>
    typeof part[name] === "number" ? (part[name] as number) : otherwise;
  switch (type) {
    case "string":
      return text(part, number("minLength", 0), number("maxLength", 20));
    case "integer":
      return fc.integer({ min: number("minimum", 0), max: Math.min(number("maximum", 1_000_000), 2 ** 31 - 1) });
    case "number":
      return fc.double({ min: number("minimum", 0), max: number("maximum", 1e9), noNaN: true });
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(null);
    case "array": {
      const maxLength = depth > maxDepth ? 0 : Math.min(2, number("maxItems", 2));
      return fc.array(of(document, (part.items ?? {}) as Part, depth + 1), {
        minLength: number("minItems", 0),
        maxLength,
      });
    }
    case "object":
      return object(document, part, depth);
    default:
      return fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<JsonValue>;
  }
}

function object(document: OpenApi, part: Part, depth: number): fc.Arbitrary<JsonValue> {
  const needed = (part.required ?? []) as string[];
  const members = Object.entries((part.properties ?? {}) as Record<string, Part>).filter(
    ([name]) => needed.includes(name) || depth <= maxDepth,
  );
  const told = fc.record(Object.fromEntries(members.map(([name, member]) => [name, of(document, member, depth + 1)])), {
    requiredKeys: needed.filter((name) => members.some(([known]) => known === name)),
  });
  const { additionalProperties: rest, propertyNames: names } = part;
  if (members.length > 0 || typeof rest !== "object" || rest === null) return told as fc.Arbitrary<JsonValue>;
  const key =
    typeof names === "object" && names !== null ? of(document, names as Part, depth + 1) : fc.constantFrom("a", "b");
  return fc.dictionary(key as fc.Arbitrary<string>, of(document, rest as Part, depth + 1), {
    maxKeys: 2,
  }) as fc.Arbitrary<JsonValue>;
}

function text(part: Part, minLength: number, maxLength: number): fc.Arbitrary<string> {
  if (part.format === "date-time") return fc.constantFrom("2031-05-06T07:08:09.010Z", "1999-12-31T23:59:59Z");
  if (part.format === "uri") return fc.constantFrom("http://127.0.0.1:1/health", "https://a.example/");
  if (typeof part.pattern === "string")
    return fc
      .stringMatching(new RegExp(part.pattern), { size: "small" })
      .filter(
        ({ length }) => length >= minLength && length <= (typeof part.maxLength === "number" ? part.maxLength : 1_000),
      );
  return fc.string({ minLength, maxLength: Math.max(minLength, Math.min(maxLength, 20)) });
}
