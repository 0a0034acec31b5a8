export type { ControlledStore } from "./controlled-store.ts";
export { controlStore } from "./controlled-store.ts";
export type { ContractStore, StoreContractOptions } from "./store-contract.ts";
export { storeContract } from "./store-contract.ts";
