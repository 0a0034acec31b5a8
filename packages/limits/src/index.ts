export type { ConcurrencyLimit, EnterDecision } from "./concurrency-limit.ts";
export { createConcurrencyLimit } from "./concurrency-limit.ts";
export type { Forgettable, KeyedLimits, KeyedLimitsSettings } from "./keyed-limits.ts";
export { createKeyedLimits } from "./keyed-limits.ts";
export type { TakeDecision, TokenBucket, TokenBucketSettings } from "./token-bucket.ts";
export { createTokenBucket } from "./token-bucket.ts";
