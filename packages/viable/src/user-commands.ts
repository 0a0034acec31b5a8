import type { JsonObject } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import { accountName, userRoles } from "@viable/protocol";
import type { Giver, ServiceKeys, UserChange, Users } from "@viable/security";
import { authorize } from "@viable/security";
import type { AgentContext, AgentDefinition } from "@viable/swarm";
import { agent, contextOf } from "@viable/swarm";
import { z } from "zod";
import { callerGrant } from "./caller-grant.ts";

/** What the commands about users need to know of the system; asked when a command runs, since the system is put together after them. */
export interface UserCommandSources {
  users(): Users;
  keys(): ServiceKeys;
}

const user = accountName.describe("The user's name");

/**
 * Commands that manage users. No password and no key is among what they are given or answer, since both are recorded: those have routes of their own. Agents may not
 * give them, in whosever name they act.
 */
export function userCommands({ users, keys }: UserCommandSources): AgentDefinition[] {
  const manage = async (ctx: AgentContext, change: () => Promise<UserChange>): Promise<JsonObject> => {
    requireNoAgent(ctx);
    const outcome = await change();
    if (outcome.ok) return { changed: outcome.isChanged };
    throw new ViableError(`user.${outcome.reason}`, outcome.why);
  };
  return [
    agent({
      name: "user-create",
      capability: "user.create",
      description: "Makes a user, who may log in once a password is set by invitation.",
      risk: "high",
      input: z.strictObject({
        user,
        roles: userRoles.describe("The first is the one that a log-in acts in unless told"),
      }),
      handle: (ctx, { user: name, roles }) =>
        manage(ctx, () => users().create(contextOf(ctx), name, roles, giverOf(ctx), ctx.executionId)),
    }),
    agent({
      name: "user-disable",
      capability: "user.disable",
      description: "Ends all log-ins, invitations and keys of a user, who gets in no more.",
      risk: "high",
      input: z.strictObject({ user }),
      handle: (ctx, { user: name }) =>
        manage(ctx, () => users().setState(contextOf(ctx), name, "disabled", giverOf(ctx))),
    }),
    agent({
      name: "user-enable",
      capability: "user.enable",
      description: "Lets a user that was disabled log in again, with the roles and the password of before.",
      risk: "high",
      input: z.strictObject({ user }),
      handle: (ctx, { user: name }) =>
        manage(ctx, () => users().setState(contextOf(ctx), name, "active", giverOf(ctx))),
    }),
    agent({
      name: "user-roles",
      capability: "user.roles",
      description: "Gives a user other roles, and ends all log-ins, invitations and keys of before.",
      risk: "high",
      input: z.strictObject({ user, roles: userRoles }),
      handle: (ctx, { user: name, roles }) =>
        manage(ctx, () => users().setRoles(contextOf(ctx), name, roles, giverOf(ctx))),
    }),
    agent({
      name: "user-setting",
      capability: "user.setting",
      description: "Changes a setting of the user who asks, or of another where users may be managed; null removes it.",
      input: z.strictObject({
        user: user.optional(),
        key: z.string().min(1).max(100),
        value: z.json(),
      }),
      handle: (ctx, { user: named, key, value }) =>
        manage(ctx, () => {
          const own = ctx.principal.startsWith("user:") ? ctx.principal.slice("user:".length) : undefined;
          const name = named ?? own;
          if (name === undefined)
            throw new ViableError("user.invalid_name", "Name the user: whoever asks here is none.");
          if (name !== own) requireManaging(ctx);
          return users().setSetting(contextOf(ctx), name, key, value);
        }),
    }),
    agent({
      name: "user-revoke-key",
      capability: "user.revoke_key",
      description: "Ends a key of a user, by its id.",
      risk: "high",
      input: z.strictObject({ user, keyId: z.string().min(1).max(100) }),
      handle: async (ctx, { user: name, keyId }) => {
        requireNoAgent(ctx);
        // Done again after a crash, it finds that it is gone.
        return { revoked: await keys().revoke(contextOf(ctx), name, keyId) };
      },
    }),
  ];
}

/** Who may log in is decided by people. */
function requireNoAgent({ authority }: AgentContext): void {
  if (authority.clientType === "agent")
    throw new ViableError("user.not_a_person", "An agent manages no users.", {
      next: "Let a client say it: viable user.",
    });
}

/** Of another user's settings: whoever may change roles may change those. */
function requireManaging(ctx: AgentContext): void {
  const request = { subject: "another user's settings", address: "command/user.roles", operation: "write" } as const;
  const { tenant, authority, runtime } = ctx;
  const decision = authorize(
    callerGrant(ctx),
    { ...request, risk: "high", sessionId: authority.sessionId, tenant },
    runtime.clock.now(),
  );
  if (decision.decision === "denied") throw new ViableError("user.denied", decision.reasons.join(" "));
}

const giverOf = ({ authority }: AgentContext): Giver => ({
  operations: authority.operations,
  ...(authority.denied !== undefined && { denied: authority.denied }),
  resources: authority.resources ?? [],
});
