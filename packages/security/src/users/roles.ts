import type { Restrictions, Role } from "@viable/protocol";
import type { Grant } from "../grant.ts";

/** What manages who may do what. A role that does not administer denies it, also to whatever is done in its name. */
const administrationAddresses = [
  "command/user.create",
  "command/user.disable",
  "command/user.enable",
  "command/user.roles",
  "command/user.invite",
  "command/user.create_key",
  "command/user.revoke_key",
  "command/credential.*",
  "view/users",
  "view/user-keys",
  "view/credentials",
];

/** The roles that every system has, unless its config says otherwise of one of these names. */
export const builtInRoles: Readonly<Record<string, Role>> = {
  admin: { operations: ["read", "write", "execute"], administers: true },
  operator: { operations: ["read", "write", "execute"], administers: false },
  viewer: { operations: ["read"], administers: false },
};

/** What a capability is narrowed to that acts in a role. */
export function restrictionsOf({ operations, resources, denied = [], clientType, administers }: Role): Restrictions {
  const all = administers ? denied : [...denied, ...administrationAddresses];
  return {
    operations: [...operations],
    ...(resources !== undefined && { resources }),
    ...(all.length > 0 && { denied: all }),
    ...(clientType !== undefined && { clientType }),
  };
}

/** Whose authority it is: of a grant, or of whoever called a command. */
export interface Giver extends Pick<Grant, "operations" | "denied"> {
  /** Lists of what may be asked for, one of each. */
  readonly resources: readonly (readonly string[])[];
}

/**
 * Why a role may not be given by somebody; undefined where it may. Nobody gives what they may not do themselves (W4): patterns are compared as they stand, so what
 * cannot be told is refused.
 */
export function whyNotGiven(name: string, role: Role, giver: Giver): string | undefined {
  const given = restrictionsOf(role);
  const more = role.operations.filter((operation) => !giver.operations.includes(operation));
  if (more.length > 0) return `The role "${name}" allows ${more.join(", ")}, which you may not do.`;
  const open = giver.denied?.filter((pattern) => given.denied?.includes(pattern) !== true) ?? [];
  if (open.length > 0) return `The role "${name}" does not deny ${open.join(", ")}, which is denied to you.`;
  const isWithin = giver.resources.every(
    (list) => given.resources?.every((pattern) => list.includes(pattern)) === true,
  );
  return isWithin ? undefined : `The role "${name}" reaches further than you may.`;
}
