import { z } from "zod";
import { jsonValue } from "./execution.ts";

/** How a client asks for a page of events as CloudEvents, and what it is then given: a JSON array of them. */
export const cloudEventsBatchType = "application/cloudevents-batch+json";

/** Text as an attribute may hold it: something, and no control characters, non-characters or halves of surrogate pairs. */
const attribute = z
  .string()
  .min(1)
  .refine((text) => text.isWellFormed() && !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(text), {
    error: "holds characters that no attribute may",
  });
/** A whole number as an attribute may hold it: of 32 bits. */
const integer = z.int32().min(1);

/**
 * An event as CloudEvents 1.0 has it, in structured JSON. `source` and `id` together name one event for ever. What CloudEvents has no
 * word for, or a documented extension, is an extension of ours; names are as CloudEvents wants them, in lower case and nothing else.
 */
export const cloudEvent = z.object({
  specversion: z.literal("1.0"),
  id: attribute,
  /** The system whose log has it: `/systems/<name>`. Not an address: that changes, and several may answer for one log. */
  source: attribute,
  type: attribute,
  /** The stream it stands in. */
  subject: attribute,
  time: z.iso.datetime(),
  datacontenttype: z.literal("application/json"),
  data: z.record(z.string(), jsonValue),
  /** Its number in its stream, from 1. */
  streamversion: integer,
  /** Of the shape that `data` has. */
  schemaversion: integer,
  /** Its place in the log's one order. Opaque; hand it back as `after` to go on from here. */
  position: attribute,
  tenant: attribute,
  actor: attribute.optional(),
  sessionid: attribute.optional(),
  /** As the Correlation extension has them, but that what caused an event may also be an execution. */
  correlationid: attribute.optional(),
  causationid: attribute.optional(),
  /** As the Distributed Tracing extension has it. */
  traceparent: attribute.optional(),
  /** Why `data` stands here as it was written, and not in the shape that this release gives it. */
  undecodable: attribute.optional(),
});
export type CloudEvent = z.infer<typeof cloudEvent>;

export const cloudEventBatch = z.array(cloudEvent);
