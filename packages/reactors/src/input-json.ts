import { isDeepStrictEqual } from "node:util";
import type { JsonObject } from "@viable/kernel";
import { z } from "zod";
import { invalidJson } from "./json-errors.ts";

/** What an input schema that came from JSON was read from: it is written as it was, whatever Zod made of it. */
const readFrom = new WeakMap<z.ZodType, JsonObject>();

/** The JSON Schema of an input: of what is handed in. */
export function writeInput(input: z.ZodType): JsonObject {
  const known = readFrom.get(input);
  if (known !== undefined) return known;
  const schema = JSON.parse(JSON.stringify(z.toJSONSchema(input, { io: "input", unrepresentable: "any" })));
  if (input instanceof z.ZodObject && input.def.catchall === undefined) schema.additionalProperties = false;
  return schema;
}

/** Makes a schema of what `writeInput` wrote, or somebody by hand. Throws `reactor.invalid_json` with the place and the reason. */
export function readInput(schema: JsonObject, at: string): z.ZodType {
  try {
    // Its own registry: what it says of itself stays here, and the same schema can be read twice.
    const input = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0], { registry: z.registry() });
    // What Zod reads but cannot go through, as a reference that leads to itself, is found here and not by the planner.
    z.toJSONSchema(input, { io: "output", unrepresentable: "any" });
    readFrom.set(input, schema);
    return input;
  } catch (error) {
    const reason = `no schema can be made of it (${error instanceof Error ? error.message : String(error)})`;
    throw invalidJson([{ path: `${at}.input`, reason }], 1, "Write a schema that Zod can read, or hand in `input`.");
  }
}

/** Whether two schemas certainly judge alike: since they are one, or were read from the same JSON. */
export function isSameInput(one: z.ZodType, other: z.ZodType): boolean {
  const read = readFrom.get(one);
  return one === other || (read !== undefined && isDeepStrictEqual(read, readFrom.get(other)));
}
