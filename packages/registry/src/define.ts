/** What a config needs, and nothing that runs it: agents in worker threads load this, and should load nothing more. */
export type { RoutingRuleSettings } from "./check-routing-rules.ts";
export { checkRoutingRules } from "./check-routing-rules.ts";
export type { ConflictPolicy } from "./conflicts/policy.ts";
export { settleBy } from "./conflicts/settle.ts";
export { isOpenTo } from "./is-open-to.ts";
export type { PolicyName } from "./policies/policies.ts";
export type { RoutingRule } from "./routing-rules.ts";
