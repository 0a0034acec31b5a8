export type { ContractStore, StoreContractOptions } from "./store-contract.ts";
export { storeContract } from "./store-contract.ts";
