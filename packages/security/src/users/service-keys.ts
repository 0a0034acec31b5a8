import type { Context, JsonObject } from "@viable/kernel";
import type { Log } from "@viable/log";
import type { Restrictions, Role } from "@viable/protocol";
import type { Capabilities } from "../capability/capabilities.ts";
import { restrictionsOf } from "./roles.ts";
import type { Change } from "./user-records.ts";
import { changeUser, findUser, newNonce, revocationOf, rootOf, serviceKeyPrefix } from "./user-records.ts";

/** Keys of one user that hold: one for each place that it is used from. */
const maxKeys = 100;
const dayMs = 86_400_000;

/** A key as it is remembered: what it is and not the key, which is shown once. */
export interface ServiceKey {
  readonly keyId: string;
  readonly label: string;
  readonly role: string;
  readonly restrictions: Restrictions;
  readonly createdAt: number;
  readonly createdBy: string;
  readonly expiresAt: number;
}

interface KeyRecord extends Omit<ServiceKey, "keyId"> {
  /** The root that it came of: it has ended with that. */
  readonly rootId: string;
}

export interface NewKey {
  readonly label: string;
  /** One of the user's; the first of them where absent. */
  readonly role: string | undefined;
  readonly restrictions: Restrictions;
  readonly expiresInDays: number;
}

export type KeyOutcome =
  | { readonly ok: true; readonly key: ServiceKey; readonly token: string }
  | { readonly ok: false; readonly reason: "unknown" | "no_role" | "too_many" };

/** Keys by which a service acts in one of a user's roles, as `service:<name>`. They end by themselves, by revocation, and with whatever ends the user's log-ins. */
export interface ServiceKeys {
  create(ctx: Context, user: string, key: NewKey): Promise<KeyOutcome>;
  /** Those that hold. */
  list(ctx: Context, user: string): Promise<ServiceKey[]>;
  /** False where there is no such key. */
  revoke(ctx: Context, user: string, keyId: string): Promise<boolean>;
}

export interface ServiceKeysSettings {
  readonly log: Log;
  readonly capabilities: Pick<Capabilities, "mint" | "attenuate" | "revocation">;
  readonly roles: Readonly<Record<string, Role>>;
}

export function createServiceKeys({ log, capabilities, roles }: ServiceKeysSettings): ServiceKeys {
  const prefix = (ctx: Context, user: string) => serviceKeyPrefix(ctx.tenant, user);
  const list = async (ctx: Context, user: string): Promise<ServiceKey[]> => {
    const found = await findUser(ctx, log, user);
    if (found === undefined) return [];
    const root = rootOf(ctx, capabilities, "service", user, found.record.nonce);
    const { records } = await log.listRecords(ctx, prefix(ctx, user), { limit: 10 * maxKeys });
    return records.flatMap(({ key, value }) => {
      const { rootId, ...rest } = value as unknown as KeyRecord;
      return rootId === root.capabilityId ? [{ keyId: key.slice(prefix(ctx, user).length), ...rest }] : [];
    });
  };
  return {
    list,
    async create(ctx, user, { label, role: asked, restrictions, expiresInDays }) {
      if ((await list(ctx, user)).length >= maxKeys) return { ok: false, reason: "too_many" };
      return await changeUser(ctx, log, user, (found): Change<KeyOutcome> => {
        if (found?.record.state !== "active") return { answer: { ok: false, reason: "unknown" } };
        const { record } = found;
        const role = asked ?? (record.roles[0] as string);
        const shape = record.roles.includes(role) && Object.hasOwn(roles, role) ? roles[role] : undefined;
        if (shape === undefined) return { answer: { ok: false, reason: "no_role" } };
        const now = Math.floor(ctx.runtime.clock.now());
        const expiresAt = Math.min(now + expiresInDays * dayMs, restrictions.expiresAt ?? Number.POSITIVE_INFINITY);
        const root = rootOf(ctx, capabilities, "service", user, record.nonce);
        const own = capabilities.attenuate(root.token, {
          ...restrictionsOf(shape),
          expiresAt,
          label,
          nonce: newNonce(ctx),
        });
        const { capabilityId: keyId } = own;
        const { token } =
          Object.keys(restrictions).length === 0 ? own : capabilities.attenuate(own.token, restrictions);
        const key = { label, role, restrictions, createdAt: now, createdBy: ctx.principal, expiresAt };
        const value: KeyRecord = { ...key, rootId: root.capabilityId };
        return {
          answer: { ok: true, key: { keyId, ...key }, token },
          writes: [{ key: prefix(ctx, user) + keyId, value: value as unknown as JsonObject, expected: 0, expiresAt }],
          events: [{ type: "user.key_created", data: { user, keyId, label, role, expiresAt } }],
        };
      });
    },
    async revoke(ctx, user, keyId) {
      const key = (await list(ctx, user)).find((each) => each.keyId === keyId);
      if (key === undefined) return false;
      await changeUser(ctx, log, user, () => ({
        answer: undefined,
        writes: [
          { key: prefix(ctx, user) + keyId, value: null, expected: "any" as const },
          revocationOf(ctx, capabilities, keyId, key.expiresAt),
        ],
        events: [{ type: "user.key_revoked", data: { user, keyId } }],
      }));
      return true;
    },
  };
}
