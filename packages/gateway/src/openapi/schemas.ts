import { ViableError } from "@viable/kernel";
import * as protocol from "@viable/protocol";
import { z } from "zod";

/** A JSON Schema (2020-12), or a part of one. */
export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

/** Schemas by the names they have in a description. */
export interface Schemas {
  /** A reference to a body that is sent. */
  ofRequest(schema: z.ZodType): JsonSchema;
  /** A reference to a body that is answered. It may have more members than those that are told: later releases add some. */
  ofAnswer(schema: z.ZodType): JsonSchema;
  /** What a reference leads to. */
  resolve(ref: JsonSchema): JsonSchema;
  /** All that references lead to, by name. */
  all(): Readonly<Record<string, JsonSchema>>;
}

const prefix = "#/components/schemas/";

/** The protocol's schemas, by the names of their types. Any JSON has none: a type that leads back to itself is more than generators can do. */
function namesOfProtocol(): Map<z.ZodType, string> {
  const names = new Map<z.ZodType, string>();
  for (const [name, value] of Object.entries(protocol))
    if (value instanceof z.ZodType && value !== protocol.jsonValue)
      names.set(value, `${name.charAt(0).toUpperCase()}${name.slice(1)}`);
  return names;
}

/** What is to be named: bodies that are sent, and bodies that are answered. */
export interface Bodies {
  readonly requests: readonly z.ZodType[];
  readonly answers: readonly z.ZodType[];
}

/**
 * Makes JSON Schemas of the schemas that the gateway itself goes by. One that is sent otherwise than it is answered, and is both, has two names.
 * A schema that is none of the protocol's by name is refused.
 */
export function createSchemas(bodies: Bodies): Schemas {
  const names = namesOfProtocol();
  const registry = z.registry<{ id: string }>();
  for (const [schema, id] of names) registry.add(schema, { id });
  const nameOf = (schema: z.ZodType): string => {
    const name = names.get(schema);
    if (name !== undefined) return name;
    throw new ViableError(
      "gateway.unnamed_schema",
      "A route describes itself by a schema that the protocol has no name for.",
      { next: "Export the schema from @viable/protocol." },
    );
  };
  const requests = reach(convert(registry, "input"), bodies.requests.map(nameOf));
  const answers = reach(convert(registry, "output"), bodies.answers.map(nameOf));
  const isTwo = (name: string) => {
    const answered = answers.get(name);
    return answered !== undefined && JSON.stringify(answered) !== JSON.stringify(requests.get(name));
  };
  const nameOfRequest = (name: string) => (isTwo(name) ? `${name}Request` : name);
  const all = new Map([
    ...[...requests].map(([name, schema]): [string, JsonSchema] => [
      nameOfRequest(name),
      mapRefs(schema, (target) => refTo(nameOfRequest(target))),
    ]),
    ...answers,
  ]);
  return {
    ofRequest: (schema) => refTo(nameOfRequest(nameOf(schema))),
    ofAnswer: (schema) => refTo(nameOf(schema)),
    resolve: ({ $ref }) => all.get(String($ref).slice(prefix.length)) ?? {},
    all: () => Object.fromEntries(all),
  };
}

/** Schemas by name, and all that they lead to. */
function reach(
  schemas: Readonly<Record<string, JsonSchema>>,
  names: readonly string[],
): ReadonlyMap<string, JsonSchema> {
  const reached = new Map<string, JsonSchema>();
  const take = (name: string): JsonSchema => {
    const schema = schemas[name];
    if (schema !== undefined && !reached.has(name)) {
      reached.set(name, schema);
      mapRefs(schema, take);
    }
    return refTo(name);
  };
  names.forEach(take);
  return reached;
}

function convert(
  registry: z.core.$ZodRegistry<{ id: string }>,
  io: "input" | "output",
): Readonly<Record<string, JsonSchema>> {
  const { schemas } = z.toJSONSchema(registry, { io, unrepresentable: "any", uri: (id) => prefix + id });
  const { __shared: shared, ...named } = schemas as Record<string, JsonSchema>;
  const shareds = (shared?.$defs ?? {}) as Record<string, JsonSchema>;
  return Object.fromEntries(
    Object.entries(named).map(([name, schema]) => [
      name,
      tidy(schema, shareds, `${prefix}__shared#/$defs/`, io) as JsonSchema,
    ]),
  );
}

/** A JSON Schema that stands alone, such as that of a command's arguments, as one of a description: with its definitions beside it, by longer names. */
export function toComponents(name: string, schema: JsonSchema): Record<string, JsonSchema> {
  const { $defs = {}, ...root } = schema;
  const defs = $defs as Record<string, JsonSchema>;
  const move = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(move);
    if (typeof part !== "object" || part === null) return part;
    const moved = Object.entries(part).map(([key, value]) => {
      if (key !== "$ref" || typeof value !== "string") return [key, move(value)];
      if (value === "#") return [key, prefix + name];
      return [key, value.startsWith("#/$defs/") ? `${prefix}${name}.${value.slice("#/$defs/".length)}` : value];
    });
    return Object.fromEntries(moved);
  };
  const tidied = (part: JsonSchema) => move(tidy(part, defs, "#/$defs/", "input")) as JsonSchema;
  const kept = Object.entries(defs).filter(([, def]) => !isAnyJson(def));
  return Object.fromEntries([
    [name, tidied(root)],
    ...kept.map(([def, part]): [string, JsonSchema] => [`${name}.${def}`, tidied(part)]),
  ]);
}

/** A reference to a schema by its name. */
export const refTo = (name: string): JsonSchema => ({ $ref: prefix + name });

/**
 * Without what tells nothing: that it is a JSON Schema, that keys are text, that whole numbers are those of a double. Any JSON is the empty
 * schema, as readers of descriptions know it, and answers are open to further members.
 */
function tidy(
  part: unknown,
  defs: Readonly<Record<string, JsonSchema>>,
  defsAt: string,
  io: "input" | "output",
): unknown {
  if (Array.isArray(part)) return part.map((each) => tidy(each, defs, defsAt, io));
  if (typeof part !== "object" || part === null) return part;
  const schema = part as JsonSchema;
  if (typeof schema.$ref === "string" && schema.$ref.startsWith(defsAt)) {
    const def = defs[schema.$ref.slice(defsAt.length)];
    if (def !== undefined && isAnyJson(def)) return {};
    if (io === "output" || defsAt !== "#/$defs/")
      throw new ViableError(
        "gateway.unnamed_schema",
        "A schema of the protocol leads back to itself and has no name.",
        {
          next: "Export it from @viable/protocol.",
        },
      );
  }
  const entries = Object.entries(schema).filter(([keyword, value]) => {
    if (keyword === "$schema" || keyword === "$id") return false;
    if (keyword === "propertyNames") return JSON.stringify(value) !== '{"type":"string"}';
    if (keyword === "minimum" || keyword === "maximum") return Math.abs(value as number) !== Number.MAX_SAFE_INTEGER;
    return !(io === "output" && keyword === "additionalProperties" && value === false);
  });
  return Object.fromEntries(
    entries.map(([keyword, value]) =>
      // What is an example, or a value, is no schema.
      ["const", "default", "enum", "examples"].includes(keyword)
        ? [keyword, value]
        : [keyword, tidy(value, defs, defsAt, io)],
    ),
  );
}

/** Whether a definition is that of `z.json()`: it leads back to itself as an array and as an object. */
function isAnyJson({ anyOf }: JsonSchema): boolean {
  if (!Array.isArray(anyOf)) return false;
  const options = anyOf as readonly JsonSchema[];
  const array = options.find(({ type }) => type === "array");
  const object = options.find(({ type }) => type === "object");
  const itself = (array?.items as JsonSchema | undefined)?.$ref;
  return itself !== undefined && (object?.additionalProperties as JsonSchema | undefined)?.$ref === itself;
}

/** A schema with its references to others by name led elsewhere. */
function mapRefs(schema: JsonSchema, to: (name: string) => JsonSchema): JsonSchema {
  const map = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(map);
    if (typeof part !== "object" || part === null) return part;
    const { $ref } = part as JsonSchema;
    if (typeof $ref === "string" && $ref.startsWith(prefix)) return { ...part, ...to($ref.slice(prefix.length)) };
    return Object.fromEntries(Object.entries(part).map(([key, value]) => [key, map(value)]));
  };
  return map(schema) as JsonSchema;
}
