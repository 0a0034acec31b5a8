/** What a config needs to say what is kept from the log, and nothing that keeps it: worker threads load this. */
export type { Position, StoredEvent } from "./events.ts";
export type { Projection, ProjectionTarget, ProjectionWrites } from "./projection.ts";
export { checkProjections } from "./projection.ts";
export type { ReactionSettings } from "./reaction.ts";
export { reaction } from "./reaction.ts";
export type { Row } from "./row-write.ts";
