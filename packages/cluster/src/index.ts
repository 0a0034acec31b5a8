export { hasLeft, joinFailed } from "./errors.ts";
export type { JoinClusterOptions } from "./join-cluster.ts";
export { joinCluster } from "./join-cluster.ts";
export type { ProcessLife } from "./lease.ts";
export { epochKey, leaseKey, leasePrefix } from "./lease.ts";
export type { Loss, Member, Membership, MembershipState } from "./membership.ts";
