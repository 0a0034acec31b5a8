export type { MembershipWorld } from "./membership-contract.ts";
export { membershipContract } from "./membership-contract.ts";
