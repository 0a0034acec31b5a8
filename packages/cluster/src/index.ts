export type { Placement, PlacementExplanation, PlacementMember, PlacementOptions } from "./create-placement.ts";
export { createPlacement } from "./create-placement.ts";
export type {
  SingletonOffer,
  SingletonOptions,
  SingletonStatus,
  Singletons,
  SingletonsOptions,
} from "./create-singletons.ts";
export { createSingletons } from "./create-singletons.ts";
export { hasLeft, joinFailed } from "./errors.ts";
export type { GuardedOutcome } from "./fence.ts";
export type { JoinClusterOptions } from "./join-cluster.ts";
export { joinCluster } from "./join-cluster.ts";
export type { ProcessLife } from "./lease.ts";
export { epochKey, leaseKey, leasePrefix } from "./lease.ts";
export type { LeasedMembership, Loss, Member, Membership, MembershipState } from "./membership.ts";
export type { EndReason, Holding, PartState } from "./part-keeper.ts";
export type { PlacedPart, PlaceMember, PlaceReason } from "./place-parts.ts";
export { placeParts } from "./place-parts.ts";
export { readEnd, recordEnd } from "./process-end.ts";
