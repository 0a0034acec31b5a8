import { service } from "viable";
import { complexity } from "./agents/complexity.ts";
import { deadExports } from "./agents/dead-exports.ts";
import { duplicates } from "./agents/duplicates.ts";
import { sizes } from "./agents/sizes.ts";

/** Code analysis on real source. */
export const tools = service({
  name: "tools",
  description: "Code analysis: complexity, sizes, duplicated code, dead exports",
  port: 4010,
  agents: [complexity, sizes, duplicates, deadExports],
});
