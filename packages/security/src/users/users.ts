import type { Context, JsonValue } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { Role } from "@viable/protocol";
import type { Capabilities } from "../capability/capabilities.ts";
import type { Giver } from "./roles.ts";
import { whyNotGiven } from "./roles.ts";
import type { Change, FoundUser, UserRecord } from "./user-records.ts";
import { changeUser, endOfRoot, findUser, newNonce, passwordKey, userPrefix, writeUser } from "./user-records.ts";

/** Settings of one user: enough for what a console remembers, in characters of JSON. */
const maxSettingsChars = 16_384;
const maxSettings = 100;

/** A user as it is told. */
export interface User extends Pick<UserRecord, "state" | "roles" | "createdAt" | "createdBy" | "settings"> {
  readonly name: string;
  readonly hasPassword: boolean;
}

/** What came of a change; `isChanged` is false where it was so already. */
export type UserChange =
  | { readonly ok: true; readonly isChanged: boolean }
  | {
      readonly ok: false;
      readonly reason: "unknown" | "exists" | "unknown_role" | "denied" | "too_large";
      readonly why: string;
    };

/**
 * Who may log in, and as what. What a user is is a record; who made it so is an event of the user's stream, in the same append.
 *
 * Promised: with a change of state or roles, whatever opens something in the user's name is revoked, here at once and on every process of the log within a second.
 * Nobody gives a role, or makes a user who has it able to log in, that allows what they may not do themselves (W4).
 */
export interface Users {
  /** `origin` names what creates it: the same again is answered as done. */
  create(ctx: Context, name: string, roles: readonly string[], giver: Giver, origin: string): Promise<UserChange>;
  /** Where it is disabled nothing opens anything in its name, log-ins and keys alike. */
  setState(ctx: Context, name: string, state: UserRecord["state"], giver: Giver): Promise<UserChange>;
  setRoles(ctx: Context, name: string, roles: readonly string[], giver: Giver): Promise<UserChange>;
  /** Null removes it. */
  setSetting(ctx: Context, name: string, key: string, value: JsonValue): Promise<UserChange>;
  find(ctx: Context, name: string): Promise<User | undefined>;
  /** In the order of their names. */
  list(
    ctx: Context,
    page: { readonly limit: number; readonly after?: string },
  ): Promise<{ users: User[]; next?: string }>;
  /** Why somebody may not give roles; undefined where they may. One that is not known may not be given. */
  whyNotGiven(roles: readonly string[], giver: Giver): (UserChange & { ok: false }) | undefined;
}

export interface UsersSettings {
  readonly log: Log;
  readonly capabilities: Pick<Capabilities, "mint" | "revocation">;
  /** All roles that there are, by name. */
  readonly roles: Readonly<Record<string, Role>>;
}

export function createUsers({ log, capabilities, roles: known }: UsersSettings): Users {
  const refusedRoles = (roles: readonly string[], giver: Giver): (UserChange & { ok: false }) | undefined => {
    for (const name of roles) {
      const role = Object.hasOwn(known, name) ? known[name] : undefined;
      if (role === undefined) {
        const why = `There is no role "${name}"; there are ${Object.keys(known).join(", ")}.`;
        return { ok: false, reason: "unknown_role", why };
      }
      const why = whyNotGiven(name, role, giver);
      if (why !== undefined) return { ok: false, reason: "denied", why };
    }
    return undefined;
  };

  /** The same user with another nonce, and the end of all that came of the one before. */
  const ended = (ctx: Context, name: string, { record, version }: FoundUser, to: Partial<UserRecord>) => [
    writeUser(ctx.tenant, name, { ...record, ...to, nonce: newNonce(ctx) }, version),
    endOfRoot(ctx, capabilities, "user", name, record.nonce),
    endOfRoot(ctx, capabilities, "service", name, record.nonce),
  ];

  const toUser = async (ctx: Context, name: string, record: UserRecord): Promise<User> => {
    const { state, roles, createdAt, createdBy, settings } = record;
    const password = await log.getRecord(ctx, passwordKey(ctx.tenant, name));
    return { name, state, roles, createdAt, createdBy, settings, hasPassword: password !== undefined };
  };

  return {
    whyNotGiven: refusedRoles,
    create: (ctx, name, roles, giver, origin) =>
      changeUser(ctx, log, name, (found): Change<UserChange> => {
        if (found?.record.origin === origin) return { answer: { ok: true, isChanged: false } };
        if (found !== undefined)
          return { answer: { ok: false, reason: "exists", why: `There is a user "${name}" already.` } };
        const refused = refusedRoles(roles, giver);
        if (refused !== undefined) return { answer: refused };
        const record: UserRecord = {
          state: "active",
          roles,
          createdAt: ctx.runtime.clock.now(),
          createdBy: ctx.principal,
          origin,
          nonce: newNonce(ctx),
          settings: {},
        };
        return {
          answer: { ok: true, isChanged: true },
          writes: [writeUser(ctx.tenant, name, record, 0)],
          events: [{ type: "user.created", data: { user: name, roles: [...roles] } }],
        };
      }),
    setState: (ctx, name, state, giver) =>
      changeUser(ctx, log, name, (found): Change<UserChange> => {
        if (found === undefined) return { answer: unknownUser(name) };
        if (found.record.state === state) return { answer: { ok: true, isChanged: false } };
        const refused = state === "active" ? refusedRoles(found.record.roles, giver) : undefined;
        if (refused !== undefined) return { answer: refused };
        return {
          answer: { ok: true, isChanged: true },
          writes: ended(ctx, name, found, { state }),
          events: [{ type: state === "active" ? "user.enabled" : "user.disabled", data: { user: name } }],
        };
      }),
    setRoles: (ctx, name, roles, giver) =>
      changeUser(ctx, log, name, (found): Change<UserChange> => {
        if (found === undefined) return { answer: unknownUser(name) };
        const before = found.record.roles;
        if (before.length === roles.length && before.every((role, index) => role === roles[index]))
          return { answer: { ok: true, isChanged: false } };
        const refused = refusedRoles(roles, giver);
        if (refused !== undefined) return { answer: refused };
        return {
          answer: { ok: true, isChanged: true },
          writes: ended(ctx, name, found, { roles }),
          events: [{ type: "user.roles_changed", data: { user: name, roles: [...roles] } }],
        };
      }),
    setSetting: (ctx, name, key, value) =>
      changeUser(ctx, log, name, (found): Change<UserChange> => {
        if (found === undefined) return { answer: unknownUser(name) };
        const { [key]: before, ...others } = found.record.settings;
        if (JSON.stringify(before ?? null) === JSON.stringify(value)) return { answer: { ok: true, isChanged: false } };
        const settings = value === null ? others : { ...others, [key]: value };
        const chars = JSON.stringify(settings).length;
        if (chars > maxSettingsChars || Object.keys(settings).length > maxSettings) {
          const why = `Settings of a user are ${maxSettings} at most, of ${maxSettingsChars} characters of JSON together.`;
          return { answer: { ok: false, reason: "too_large", why } };
        }
        return {
          answer: { ok: true, isChanged: true },
          writes: [writeUser(ctx.tenant, name, { ...found.record, settings }, found.version)],
          events: [{ type: "user.setting_changed", data: { user: name, key, value } }],
        };
      }),
    async find(ctx, name) {
      const found = await findUser(ctx, log, name);
      return found && (await toUser(ctx, name, found.record));
    },
    async list(ctx, { limit, after }) {
      const prefix = userPrefix(ctx.tenant);
      const page = await log.listRecords(ctx, prefix, { limit, ...(after !== undefined && { after: prefix + after }) });
      const users = await Promise.all(
        page.records.map(({ key, value }) => toUser(ctx, key.slice(prefix.length), value as unknown as UserRecord)),
      );
      const last = users.at(-1)?.name;
      return { users, ...(!page.isEnd && last !== undefined && { next: last }) };
    },
  };
}

const unknownUser = (name: string): UserChange & { ok: false } => ({
  ok: false,
  reason: "unknown",
  why: `There is no user "${name}".`,
});
