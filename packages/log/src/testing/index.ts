export type { ControlledStore } from "./controlled-store.ts";
export { controlStore } from "./controlled-store.ts";
export { everyEvent } from "./every-event.ts";
export { shortPages } from "./short-pages.ts";
export type { ContractStore, ContractTable, StoreContractOptions } from "./store-contract.ts";
export { storeContract } from "./store-contract.ts";
