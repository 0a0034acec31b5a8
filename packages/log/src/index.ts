export type { LogOptions } from "./create-log.ts";
export { createLog } from "./create-log.ts";
export * from "./define.ts";
export { decodeEvent, maxAppendChars, maxAppendItems, maxNameChars } from "./encode.ts";
export { notEmpty, snapshotDamaged } from "./errors.ts";
export type { EventType, Upcast } from "./event-type.ts";
export { eventType } from "./event-type.ts";
export type { Decoding } from "./event-types.ts";
export type { EventFilter, EventMetadata, NewEvent, StreamAppend } from "./events.ts";
export { comparePositions, isPosition, matchesFilter, startPosition, toOrdinal, toPosition } from "./events.ts";
export type { ExplainedIndex, ExplainedRelation, ExplainRequest, Explanation } from "./explain.ts";
export type { Folded, StreamFold } from "./fold-stream.ts";
export { foldStream } from "./fold-stream.ts";
export type { ReadFailure } from "./follower.ts";
export type { GroupCommitLimits } from "./group-commit.ts";
export { defaultGroupCommitLimits } from "./group-commit.ts";
export type {
  AppendOutcome,
  AppendRequest,
  Log,
  LogStats,
  ReadAllOptions,
  ReadStreamOptions,
  ReadStreamsOptions,
} from "./log.ts";
export type { LogPage } from "./log-page.ts";
export { maxPageBytes } from "./log-page.ts";
export { mayPass } from "./may-pass.ts";
export { createMemoryStore } from "./memory-store.ts";
export type { News, Word, WrittenEvent, WrittenEvents } from "./news.ts";
export type { Parked } from "./projection.ts";
export { logEventTypes } from "./projection-events.ts";
export type { ProjectionStatus, Projections } from "./projections.ts";
export { createProjections } from "./projections.ts";
export type { RecordChange, RecordPage, RecordWrite, StoredRecord } from "./records.ts";
export type { MemoryWrite, RowQuery, RowRefusal, RowWrite, StatementWrite } from "./row-write.ts";
export type { PlacedEvent, PlacedRecord, SnapshotHead, SnapshotPage } from "./snapshot.ts";
export { checkSnapshot } from "./snapshot.ts";
export type {
  CommitOutcome,
  CommitReader,
  CommitResult,
  Durability,
  EncodedAppend,
  EncodedEvent,
  EncodedRecordChange,
  EncodedRecordWrite,
  EncodedStreamAppend,
  Follow,
  FollowedAppend,
  RecordChangePage,
  Store,
} from "./store.ts";
export { storeNoSpace, storeRefused, storeUnavailable } from "./store.ts";
export type { FoundEvent, StreamFrom, StreamPageLimits } from "./stream-pages.ts";
export { toStreamPages } from "./stream-pages.ts";
export type { Subscription, SubscriptionOptions } from "./subscription.ts";
