export type { Bus, BusHandler, BusStats, Presence, Present, SubscribeOptions } from "./bus.ts";
export { defaultRequestMs, maxMessageChars } from "./bus.ts";
export { busClosed, invalidMessage, invalidSubject, noResponder } from "./errors.ts";
export type { MemoryBusOptions } from "./memory-bus.ts";
export { createMemoryBus } from "./memory-bus.ts";
export type { MemoryHub } from "./memory-hub.ts";
export { createMemoryHub } from "./memory-hub.ts";
export { decodeMessage, encodeMessage } from "./message.ts";
export { checkPattern, checkSubject, hasWildcard, matchesSubject, maxSubjectChars, toSubjectToken } from "./subject.ts";
