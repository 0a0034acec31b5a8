export type { Backoff } from "./backoff.ts";
export { backoffMs, defaultBackoff } from "./backoff.ts";
export { BoundedQueue } from "./bounded-queue.ts";
export type { Clock, Timer } from "./clock.ts";
export { systemClock } from "./clock.ts";
export type { Context, Runtime } from "./context.ts";
export {
  createRuntime,
  defaultTenant,
  isTraceparent,
  newTraceparent,
  rootContext,
  throwIfDone,
  withContext,
} from "./context.ts";
export type { ErrorOnTheWire, ErrorOptionsWithNext } from "./errors.ts";
export { codeOf, fromWire, invariant, toWire, ViableError } from "./errors.ts";
export type { IdKind, Ids } from "./ids.ts";
export { createIds, idFromDigest, isId } from "./ids.ts";
export type { JsonObject, JsonProblem, JsonValue } from "./json.ts";
export { canonicalJson, findJsonProblem, jsonDepth, maxJsonDepth } from "./json.ts";
export type { Kept } from "./keep-json.ts";
export { freezeJson, keepJson } from "./keep-json.ts";
export type { Part } from "./lifecycle.ts";
export { nearestNames } from "./nearest.ts";
export type { NoteLimit, NoteLimits } from "./note-limit.ts";
export { createNoteLimit } from "./note-limit.ts";
export type { Random } from "./random.ts";
export { seededRandom, systemRandom } from "./random.ts";
export { toRecordableDetails, toRecordableError } from "./recordable-error.ts";
export type { SimulatedTime } from "./simulated-time.ts";
export { simulateTime } from "./simulated-time.ts";
export { TransientMap } from "./transient-map.ts";
export { createTurns } from "./turns.ts";
export { sleep, untilSettled, waitFor } from "./wait.ts";
