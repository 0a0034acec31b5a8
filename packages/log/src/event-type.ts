import type { JsonObject } from "@viable/kernel";
import type { z } from "zod";

/** Makes the data of one version into that of the next. Pure, and kept for ever: what was written is never rewritten. */
export type Upcast = (data: JsonObject) => JsonObject;

/** A type of event: its name, the shape that is written today, and how every earlier shape becomes that one. */
export interface EventType {
  readonly type: string;
  /** Of the shape that is written today: one more than there are upcasts. */
  readonly version: number;
  /** Judges data and changes nothing: what it would default or transform stays as it was handed in. */
  readonly schema: z.ZodType;
  /** The first makes version 1 into 2, and so on. */
  readonly upcasts: readonly Upcast[];
}

/**
 * Defines a type of event. To change its shape in a way that old data does not fit, change the schema and add an upcast from what it
 * was; never remove one, and keep an event of the old shape in `test/histories`.
 */
export const eventType = (type: string, schema: z.ZodType, upcasts: readonly Upcast[] = []): EventType =>
  Object.freeze({ type, schema, version: upcasts.length + 1, upcasts: Object.freeze([...upcasts]) });
