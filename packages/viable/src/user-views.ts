import type { View } from "@viable/gateway";
import { afterLast, queryNumber } from "@viable/gateway";
import type { JsonValue } from "@viable/kernel";
import type { CredentialView, KeyView, UserView } from "@viable/protocol";
import { accountName, credentialList, keyList, userList, userView } from "@viable/protocol";
import type { Credentials, ServiceKeys, User, Users } from "@viable/security";
import { authorize } from "@viable/security";

export interface UserViewSources {
  readonly users: Users;
  readonly keys: ServiceKeys;
  readonly credentials: Credentials;
}

/** The tenant's users, their keys and its credentials: never a secret. Each user sees itself. */
export const userViews = ({ users, keys, credentials }: UserViewSources): View[] => [
  {
    name: "users",
    path: "/users",
    operation: "users",
    summary: "The tenant's users, by their names",
    answer: userList,
    query: afterLast(100, 1_000),
    read: async (ctx, { query }) => {
      const after = accountName.safeParse(query.after);
      const limit = queryNumber(query, "limit", 100, 1_000);
      const page = await users.list(ctx, { limit, ...(after.success && { after: after.data }) });
      return { ...page, users: page.users.map(toUserView) } as unknown as JsonValue;
    },
  },
  {
    name: "user",
    path: "/users/:user",
    operation: "user",
    summary: "One of them; each user sees itself",
    answer: userView,
    read: async (ctx, { grant, params }) => {
      const name = params.user ?? "";
      const request = { subject: "users", address: "view/users", operation: "read", risk: "low" } as const;
      const now = ctx.runtime.clock.now();
      const decision = authorize(grant, { ...request, sessionId: undefined, tenant: ctx.tenant }, now);
      if (decision.decision === "denied" && grant.principal !== `user:${name}`) return undefined;
      const found = accountName.safeParse(name).success ? await users.find(ctx, name) : undefined;
      return found && (toUserView(found) as unknown as JsonValue);
    },
  },
  {
    name: "user-keys",
    path: "/users/:user/keys",
    operation: "userKeys",
    summary: "A user's service keys, without what is secret of them",
    answer: keyList,
    read: async (ctx, { params }) => {
      const name = accountName.safeParse(params.user);
      if (!name.success || (await users.find(ctx, name.data)) === undefined) return undefined;
      const all: KeyView[] = (await keys.list(ctx, name.data)).map(({ createdAt, expiresAt, ...key }) => ({
        ...key,
        createdAt: toIso(createdAt),
        expiresAt: toIso(expiresAt),
      }));
      return { keys: all } as unknown as JsonValue;
    },
  },
  {
    name: "credentials",
    path: "/credentials",
    operation: "credentials",
    summary: "Providers that the tenant has credentials of, without what is secret of them",
    answer: credentialList,
    read: async (ctx) => {
      const all: CredentialView[] = (await credentials.list(ctx)).map(({ setAt, ends, ...rest }) => ({
        ...rest,
        setAt: toIso(setAt),
        ...(ends !== undefined && { ends }),
      }));
      return { credentials: all } as unknown as JsonValue;
    },
  },
];

const toIso = (ms: number): string => new Date(ms).toISOString();

const toUserView = ({ name, state, roles, hasPassword, settings, createdAt, createdBy }: User): UserView => ({
  user: name,
  state,
  roles: [...roles],
  hasPassword,
  settings: settings as UserView["settings"],
  createdAt: toIso(createdAt),
  createdBy,
});
