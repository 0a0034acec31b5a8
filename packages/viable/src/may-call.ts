import type { Authorization, Policies } from "@viable/security";
import { authorize } from "@viable/security";
import type { AgentContext, AgentDefinition } from "@viable/swarm";
import { callerGrant } from "./caller-grant.ts";

/** Whether whoever called an agent may send a command: decided as the intake would decide it. `pending` is a yes that a person must say, too. */
export function mayCall(
  ctx: AgentContext,
  command: string,
  agent: Pick<AgentDefinition, "risk">,
  policies: Policies,
): Authorization {
  const grant = callerGrant(ctx);
  const { risk, blockedBy, asks } = policies.of(command, agent.risk);
  const { sessionId } = grant;
  return authorize(
    grant,
    {
      subject: command,
      address: `command/${command}`,
      operation: "write",
      risk,
      blockedBy,
      askedBy: asks?.pattern,
      sessionId,
      tenant: ctx.tenant,
    },
    ctx.runtime.clock.now(),
  );
}
