import type { Context } from "@viable/kernel";
import { rootContext } from "@viable/kernel";
import type { AgentContext } from "./agent.ts";

/** What is done in the name of whose task an agent works on: in its tenant and its trace, and for as long as the task goes on. */
export const contextOf = ({ runtime, tenant, principal, traceparent, signal }: AgentContext): Context =>
  rootContext(runtime, { tenant, principal, traceparent, signal });
