import { z } from "zod";
import { restrictions } from "./capability.ts";
import { jsonValue } from "./execution.ts";
import { operation } from "./session.ts";

/** A user's name, and a role's, and a provider's: lower case words joined by `-`, `_` or `.`, as they stand in principals and addresses. */
export const accountName = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*$/, "must be lower case letters and digits, joined by . - or _");

/** Roles of one user: more are hard to tell apart when one is to be taken. */
export const userRoles = z.array(accountName).min(1).max(16);

/** Characters; none is asked for but that there are enough of them. */
const minPasswordChars = 12;
const maxPasswordChars = 1_024;
const secretText = z
  .string()
  .min(1)
  .max(4 * maxPasswordChars);
/** A password that is to be set. One that is only tried may be anything. */
const newPassword = secretText.refine((text) => {
  const chars = [...text].length;
  return chars >= minPasswordChars && chars <= maxPasswordChars;
}, `must have ${minPasswordChars} to ${maxPasswordChars} characters`);

export const logIn = z.strictObject({
  user: accountName,
  password: secretText,
  /** Which of the user's roles to act in; the first of them where absent. */
  role: accountName.optional(),
  tenant: z.string().min(1).max(100).optional(),
});
export type LogIn = z.infer<typeof logIn>;

export const loggedIn = z.object({
  /** Shown once; nothing of it is kept. */
  token: z.string(),
  expiresAt: z.string(),
  user: z.string(),
  /** The role that the token acts in. */
  role: z.string(),
  /** All roles that the user may act in. */
  roles: z.array(z.string()),
});
export type LoggedIn = z.infer<typeof loggedIn>;

/** With an invitation the password alone; by who is logged in, the one of before as well. */
export const setPassword = z.strictObject({ password: newPassword, current: secretText.optional() });

export const invitation = z.object({ user: z.string(), token: z.string(), expiresAt: z.string() });
export type Invitation = z.infer<typeof invitation>;

export const createKey = z.strictObject({
  label: z.string().min(1).max(100),
  role: accountName.optional(),
  restrictions: restrictions.omit({ label: true, nonce: true }).optional(),
  expiresInDays: z.number().int().min(1).max(365).default(90),
});

export const keyView = z.object({
  keyId: z.string(),
  label: z.string(),
  role: z.string(),
  restrictions,
  createdAt: z.string(),
  createdBy: z.string(),
  expiresAt: z.string(),
});
export type KeyView = z.infer<typeof keyView>;
export const keyList = z.object({ keys: z.array(keyView) });
/** The key itself is shown once, to who made it. */
export const keyCreated = keyView.extend({ token: z.string() });

export const userView = z.object({
  user: z.string(),
  state: z.enum(["active", "disabled"]),
  roles: z.array(z.string()),
  /** Whether a password was set: without one nobody can log in. */
  hasPassword: z.boolean(),
  settings: z.record(z.string(), jsonValue),
  createdAt: z.string(),
  createdBy: z.string(),
});
export type UserView = z.infer<typeof userView>;
export const userList = z.object({ users: z.array(userView), next: z.string().optional() });

export const credentialView = z.object({
  provider: z.string(),
  setAt: z.string(),
  setBy: z.string(),
  /** The last four characters, where there are enough others. */
  ends: z.string().optional(),
  /** Whether it can be decrypted here, unchanged. */
  readable: z.boolean(),
});
export type CredentialView = z.infer<typeof credentialView>;
export const credentialList = z.object({ credentials: z.array(credentialView) });
export const setCredential = z.strictObject({ value: z.string().min(1).max(8_192) });

/** What is left of a log-in that was ended, a password that was set, and a credential that was set or removed: no secret. */
export const loggedOut = z.object({ loggedOut: z.literal(true) });
export const passwordSet = z.object({ user: z.string() });
export const credentialChanged = z.object({ provider: z.string() });

/** What a role allows. */
export const roleShape = z.strictObject({
  operations: z.array(operation).min(1).max(3),
  resources: restrictions.shape.resources,
  denied: restrictions.shape.denied,
  clientType: restrictions.shape.clientType,
  /** Whether it may manage users, keys and credentials, as far as its operations reach. Without it all that is denied. */
  administers: z.boolean().default(false),
});
export type RoleSettings = z.input<typeof roleShape>;
export type Role = z.infer<typeof roleShape>;

const user = z.string();
const capabilityId = z.string();
const expiresAt = z.number();
export const userEvents = {
  "user.created": z.object({ user, roles: z.array(z.string()) }),
  "user.disabled": z.object({ user }),
  "user.enabled": z.object({ user }),
  "user.roles_changed": z.object({ user, roles: z.array(z.string()) }),
  "user.setting_changed": z.object({ user, key: z.string(), value: jsonValue }),
  "user.invited": z.object({ user, capabilityId, expiresAt }),
  "user.password_changed": z.object({ user }),
  "user.logged_in": z.object({ user, role: z.string(), capabilityId, expiresAt }),
  "user.log_in_renewed": z.object({ user, role: z.string(), capabilityId, before: z.string(), expiresAt }),
  "user.logged_out": z.object({ user, capabilityId }),
  "user.key_created": z.object({ user, keyId: z.string(), label: z.string(), role: z.string(), expiresAt }),
  "user.key_revoked": z.object({ user, keyId: z.string() }),
} as const;

export const credentialEvents = {
  "credential.set": z.object({ provider: z.string() }),
  "credential.removed": z.object({ provider: z.string() }),
} as const;
