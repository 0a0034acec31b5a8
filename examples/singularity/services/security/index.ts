import { service } from "viable";
import { codeRisk } from "./agents/code-risk.ts";
import { dependencyInventory } from "./agents/dependency-inventory.ts";
import { secretScan } from "./agents/secret-scan.ts";

/** What in a code base is dangerous: secrets, risky calls, what came along with others. */
export const security = service({
  name: "security",
  description: "Secrets written into files, risky calls, the packages a tree depends on",
  port: 4107,
  agents: [secretScan, codeRisk, dependencyInventory],
});
