export type { MembershipWorld } from "./membership-contract.ts";
export { membershipContract } from "./membership-contract.ts";
export { placementContract } from "./placement-contract.ts";
export { singletonsContract } from "./singletons-contract.ts";
