import { service } from "viable";
import { fetcher } from "./agents/fetcher.ts";
import { inventory } from "./agents/inventory.ts";
import { publisher } from "./agents/publisher.ts";
import { resolver } from "./agents/resolver.ts";
import { treeReader } from "./agents/tree-reader.ts";
import { verifier } from "./agents/verifier.ts";

/** The package registry: agents, reactors and starters, published once, resolved and fetched with their checksums. */
export const hex = service({
  name: "hex",
  description: "Package registry: publishes, resolves, fetches and verifies; inventories what a tree depends on",
  port: 4011,
  agents: [publisher, resolver, fetcher, verifier, inventory, treeReader],
});
