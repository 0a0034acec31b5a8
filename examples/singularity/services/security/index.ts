import { service } from "viable";
import { authentication } from "./agents/authentication.ts";
import { authorization } from "./agents/authorization.ts";
import { codeRisk } from "./agents/code-risk.ts";
import { dependencyInventory } from "./agents/dependency-inventory.ts";
import { secretScan } from "./agents/secret-scan.ts";

/** Who may do what, and what in a code base is dangerous: secrets, risky calls, what came along with others. */
export const security = service({
  name: "security",
  description: "Who may do what; secrets written into files, risky calls, the packages a tree depends on",
  port: 4107,
  agents: [authentication, authorization, secretScan, codeRisk, dependencyInventory],
});
