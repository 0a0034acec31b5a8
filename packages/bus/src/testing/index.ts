export type { BusWorld } from "./bus-contract.ts";
export { busContract } from "./bus-contract.ts";
