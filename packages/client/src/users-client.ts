import type { Invitation, KeyView, LoggedIn, LogIn, UserView } from "@viable/protocol";
import { credentialList, invitation, keyCreated, keyList, loggedIn, userList, userView } from "@viable/protocol";
import { z } from "zod";

/** Users, log-ins, keys and credentials, typed. What has a secret in it is shown once. */
export interface UsersClient {
  /** Needs no token. */
  logIn(attempt: LogIn): Promise<LoggedIn>;
  renewLogIn(): Promise<LoggedIn>;
  logOut(): Promise<void>;
  list(query?: { limit?: number; after?: string }): Promise<z.infer<typeof userList>>;
  get(user: string): Promise<UserView>;
  invite(user: string): Promise<Invitation>;
  /** By an invitation's token, or with the password of before. */
  setPassword(user: string, password: string, current?: string): Promise<void>;
  keys(user: string): Promise<{ keys: KeyView[] }>;
  createKey(
    user: string,
    key: { label: string; role?: string; expiresInDays?: number },
  ): Promise<KeyView & { token: string }>;
  credentials(): Promise<z.infer<typeof credentialList>>;
  setCredential(provider: string, value: string): Promise<void>;
  removeCredential(provider: string): Promise<void>;
}

/** Asks the gateway, and holds the answer to a schema. */
type Ask = <T>(method: string, path: string, schema: z.ZodType<T>, options?: { body: unknown }) => Promise<T>;

export function createUsersClient(ask: Ask): UsersClient {
  const done = async (method: string, path: string, body?: unknown): Promise<void> => {
    await ask(method, path, z.looseObject({}), body === undefined ? undefined : { body });
  };
  const of = (user: string) => `/v1/users/${encodeURIComponent(user)}`;
  const credential = (provider: string) => `/v1/credentials/${encodeURIComponent(provider)}`;
  return {
    logIn: (body) => ask("POST", "/v1/login", loggedIn, { body }),
    renewLogIn: () => ask("POST", "/v1/login/renew", loggedIn),
    logOut: () => done("DELETE", "/v1/login"),
    list({ limit = 1_000, after } = {}) {
      const query = new URLSearchParams({ limit: String(limit), ...(after !== undefined && { after }) });
      return ask("GET", `/v1/users?${query}`, userList);
    },
    get: (user) => ask("GET", of(user), userView),
    invite: (user) => ask("POST", `${of(user)}/invitations`, invitation),
    setPassword: (user, password, current) => done("POST", `${of(user)}/password`, { password, current }),
    keys: (user) => ask("GET", `${of(user)}/keys`, keyList),
    createKey: (user, body) => ask("POST", `${of(user)}/keys`, keyCreated, { body }),
    credentials: () => ask("GET", "/v1/credentials", credentialList),
    setCredential: (provider, value) => done("PUT", credential(provider), { value }),
    removeCredential: (provider) => done("DELETE", credential(provider)),
  };
}
