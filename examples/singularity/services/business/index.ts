import { service } from "viable";
import { compliance } from "./agents/compliance.ts";
import { decision } from "./agents/decision.ts";
import { rules } from "./agents/rules.ts";
import { workflow } from "./agents/workflow.ts";

/** What is decided by declared rules: licences, go or no-go, rules of a caller's own, workflows. */
export const business = service({
  name: "business",
  description: "Judges by declared rules: licence compliance, decisions, business rules, workflows",
  port: 4002,
  agents: [compliance, decision, rules, workflow],
});
