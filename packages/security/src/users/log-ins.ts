import { createHmac } from "node:crypto";
import type { Context, JsonObject } from "@viable/kernel";
import { withContext } from "@viable/kernel";
import type { Log, RecordWrite } from "@viable/log";
import type { Role } from "@viable/protocol";
import type { Capabilities } from "../capability/capabilities.ts";
import type { Grant } from "../grant.ts";
import type { Passwords } from "./passwords.ts";
import { restrictionsOf } from "./roles.ts";
import type { Change, PasswordRecord } from "./user-records.ts";
import {
  addressesKey,
  changeUser,
  endOfRoot,
  findUser,
  firstLink,
  newNonce,
  passwordKey,
  revocationOf,
  rootOf,
  writeUser,
} from "./user-records.ts";

/** A working day and its evening, in milliseconds, as a session. */
const logInMs = 12 * 3_600_000;
/** For how long a log-in may be renewed, in milliseconds: then the password is asked for again, whoever has the token. */
const renewableMs = 30 * 86_400_000;
/** How long the token of before holds beside the new one, in milliseconds: what is under way with it ends well, and a lost answer can be asked for again. */
const overlapMs = 60_000;
/** How long an invitation holds, in milliseconds: over a weekend. */
const invitationMs = 72 * 3_600_000;
/** How far clocks of processes may differ, in milliseconds. */
const clocksDifferMs = 60_000;
/** Addresses of a user that are remembered as such that it came in from: of home, work and the road. */
const maxAddresses = 8;

/** What a log-in's first link says that it is; no other can say so, since only a process of the system makes it. */
const logInLabel = (role: string): string => `log-in as ${role}`;
const invitationLabel = "invitation";

/** What an invitation may ask for. */
const passwordAddress = "command/user.password";

export interface LogInToken {
  readonly token: string;
  readonly capabilityId: string;
  readonly expiresAt: number;
  readonly user: string;
  readonly role: string;
  readonly roles: readonly string[];
}

export type LogInOutcome =
  | ({ readonly ok: true } & LogInToken)
  /** No such user, no password, a wrong one, or disabled: one answer, at one price. */
  | { readonly ok: false; readonly reason: "refused" }
  /** The password was right, and the role is not the user's, or there is none of that name any more. */
  | { readonly ok: false; readonly reason: "no_role" }
  | { readonly ok: false; readonly reason: "busy"; readonly retryAfterMs: number };

export type RenewOutcome =
  | ({ readonly ok: true } & LogInToken)
  /** `not_a_log_in`: a session's, an owner's, or one that was narrowed since: a new one would be wider. */
  | { readonly ok: false; readonly reason: "not_a_log_in" | "too_old" | "no_role" };

export type PasswordOutcome =
  | { readonly ok: true }
  | { readonly ok: false; readonly reason: "unknown" | "refused" | "not_invited" }
  | { readonly ok: false; readonly reason: "busy"; readonly retryAfterMs: number };

/**
 * Log-ins: capabilities of `user:<name>` that act in one of the user's roles.
 *
 * Promised: an unknown user costs as much as a wrong password; a changed password, role or state ends all log-ins and invitations at once; an invitation sets one
 * password, over all processes, and no other after that. Not promised: that guesses are limited; that is for whoever knows the address they come from.
 */
export interface LogIns {
  logIn(ctx: Context, attempt: { user: string; password: string; role?: string | undefined }): Promise<LogInOutcome>;
  renew(ctx: Context, grant: Grant): Promise<RenewOutcome>;
  /** False where it is no log-in's own token. */
  logOut(ctx: Context, grant: Grant): Promise<boolean>;
  /** A capability to set the user's password with, once. Undefined where there is no such user, or it is disabled. */
  invite(ctx: Context, user: string): Promise<Pick<LogInToken, "token" | "expiresAt"> | undefined>;
  /** Sets the password by an invitation, or by the one of before. */
  setPassword(
    ctx: Context,
    user: string,
    password: string,
    by: Grant | { readonly current: string },
  ): Promise<PasswordOutcome>;
  /** Whether the user came in from an address before. */
  isKnownAddress(ctx: Context, user: string, address: string): Promise<boolean>;
  rememberAddress(ctx: Context, user: string, address: string): Promise<void>;
}

export interface LogInsSettings {
  readonly log: Log;
  readonly capabilities: Pick<Capabilities, "mint" | "attenuate" | "revocation">;
  readonly passwords: Passwords;
  readonly roles: Readonly<Record<string, Role>>;
}

export function createLogIns({ log, capabilities, passwords, roles }: LogInsSettings): LogIns {
  const roleOf = (name: string): Role | undefined => (Object.hasOwn(roles, name) ? roles[name] : undefined);

  const mint = (ctx: Context, user: string, nonce: string, role: string, shape: Role, since: number): LogInToken => {
    const expiresAt = Math.floor(Math.min(ctx.runtime.clock.now() + logInMs, since + renewableMs));
    const root = rootOf(ctx, capabilities, "user", user, nonce);
    const restrictions = {
      ...restrictionsOf(shape),
      // Says since when it is renewed, so that it comes to an end.
      notBefore: Math.max(0, since - clocksDifferMs),
      expiresAt,
      label: logInLabel(role),
      nonce: newNonce(ctx),
    };
    return { ...capabilities.attenuate(root.token, restrictions), expiresAt, user, role, roles: [] };
  };

  const passwordOf = async (ctx: Context, user: string) => {
    const found = await log.getRecord(ctx, passwordKey(ctx.tenant, user));
    return found && { hash: (found.value as unknown as PasswordRecord).hash, version: found.version };
  };
  const writePassword = (ctx: Context, user: string, hash: string, expected: RecordWrite["expected"]): RecordWrite => {
    const value: PasswordRecord = { hash, setAt: ctx.runtime.clock.now() };
    return { key: passwordKey(ctx.tenant, user), value: value as unknown as JsonObject, expected };
  };

  /** What a hash costs was raised since: the password is at hand, and never again until the next log-in. */
  const hashAnew = async (ctx: Context, user: string, password: string, version: number): Promise<void> => {
    const hashed = await passwords.hash(ctx, password);
    // Where somebody else was quicker, or it is too busy, the next log-in does it.
    if (hashed.ok) await log.append(ctx, { records: [writePassword(ctx, user, hashed.hash, version)] });
  };

  return {
    async logIn(outer, { user, password, role: asked }) {
      const ctx = withContext(outer, { principal: `user:${user}` });
      const [found, kept] = await Promise.all([findUser(ctx, log, user), passwordOf(ctx, user)]);
      const verified = await passwords.verify(ctx, password, kept?.hash);
      if (!verified.ok) return verified;
      if (!verified.isRight || kept === undefined || found?.record.state !== "active")
        return { ok: false, reason: "refused" };
      if (verified.isOutdated) await hashAnew(ctx, user, password, kept.version);
      const { record } = found;
      const role = asked ?? (record.roles.find((each) => roleOf(each) !== undefined) as string);
      const shape = record.roles.includes(role) ? roleOf(role) : undefined;
      if (shape === undefined) return { ok: false, reason: "no_role" };
      // Where the user is changed in this moment, the root that it comes of is revoked.
      const token = mint(ctx, user, record.nonce, role, shape, Math.floor(ctx.runtime.clock.now()));
      const { capabilityId, expiresAt } = token;
      const events = [{ type: "user.logged_in", data: { user, role, capabilityId, expiresAt } }];
      await changeUser(ctx, log, user, () => ({ answer: undefined, events }));
      return { ok: true, ...token, roles: record.roles };
    },
    async renew(ctx, grant) {
      const logIn = readLogIn(grant);
      if (logIn === undefined) return { ok: false, reason: "not_a_log_in" };
      const { user, role, since, expiresAt: before } = logIn;
      const now = Math.floor(ctx.runtime.clock.now());
      if (now >= since + renewableMs) return { ok: false, reason: "too_old" };
      return await changeUser(ctx, log, user, (found): Change<RenewOutcome> => {
        const shape = found?.record.roles.includes(role) === true ? roleOf(role) : undefined;
        if (found === undefined || shape === undefined) return { answer: { ok: false, reason: "no_role" } };
        const root = rootOf(ctx, capabilities, "user", user, found.record.nonce);
        if (grant.links?.[0]?.capabilityId !== root.capabilityId)
          return { answer: { ok: false, reason: "not_a_log_in" } };
        const token = mint(ctx, user, found.record.nonce, role, shape, since);
        const { capabilityId, expiresAt } = token;
        const data = { user, role, capabilityId, before: grant.tokenId, expiresAt };
        return {
          answer: { ok: true, ...token, roles: found.record.roles },
          writes: [revocationOf(ctx, capabilities, grant.tokenId, before, now + overlapMs)],
          events: [{ type: "user.log_in_renewed", data }],
        };
      });
    },
    async logOut(ctx, grant) {
      const logIn = readLogIn(grant);
      if (logIn === undefined) return false;
      const { user, expiresAt } = logIn;
      const data = { user, capabilityId: grant.tokenId };
      await changeUser(ctx, log, user, () => ({
        answer: undefined,
        writes: [revocationOf(ctx, capabilities, grant.tokenId, expiresAt)],
        events: [{ type: "user.logged_out", data }],
      }));
      return true;
    },
    invite: (ctx, user) =>
      changeUser(ctx, log, user, (found): Change<Pick<LogInToken, "token" | "expiresAt"> | undefined> => {
        if (found?.record.state !== "active") return { answer: undefined };
        const expiresAt = Math.floor(ctx.runtime.clock.now()) + invitationMs;
        const { token, capabilityId } = capabilities.attenuate(
          rootOf(ctx, capabilities, "user", user, found.record.nonce).token,
          {
            operations: ["write"],
            resources: [passwordAddress],
            expiresAt,
            maxDelegations: 0,
            label: invitationLabel,
            nonce: newNonce(ctx),
          },
        );
        return {
          answer: { token, expiresAt },
          events: [{ type: "user.invited", data: { user, capabilityId, expiresAt } }],
        };
      }),
    async setPassword(ctx, user, password, by) {
      const kept = await passwordOf(ctx, user);
      if ("current" in by) {
        const verified = await passwords.verify(ctx, by.current, kept?.hash);
        if (!verified.ok) return verified;
        if (!verified.isRight) return { ok: false, reason: "refused" };
      } else if (firstLink(by.links)?.label !== invitationLabel) return { ok: false, reason: "not_invited" };
      const hashed = await passwords.hash(ctx, password);
      if (!hashed.ok) return hashed;
      return await changeUser(ctx, log, user, (found): Change<PasswordOutcome> => {
        if (found?.record.state !== "active") return { answer: { ok: false, reason: "unknown" } };
        const { record, version } = found;
        // Whoever set one since has used the invitation up, since it came of the root of before: this holds over all processes.
        if (!("current" in by)) {
          const root = rootOf(ctx, capabilities, "user", user, record.nonce);
          if (by.links?.[0]?.capabilityId !== root.capabilityId)
            return { answer: { ok: false, reason: "not_invited" } };
        }
        return {
          answer: { ok: true },
          writes: [
            writeUser(ctx.tenant, user, { ...record, nonce: newNonce(ctx) }, version),
            writePassword(ctx, user, hashed.hash, kept?.version ?? 0),
            endOfRoot(ctx, capabilities, "user", user, record.nonce),
            endOfRoot(ctx, capabilities, "service", user, record.nonce),
          ],
          events: [{ type: "user.password_changed", data: { user } }],
        };
      });
    },
    async isKnownAddress(ctx, user, address) {
      return (await addressesOf(ctx, log, user)).includes(tagOf(user, address));
    },
    async rememberAddress(ctx, user, address) {
      const tag = tagOf(user, address);
      const before = await addressesOf(ctx, log, user);
      if (before.includes(tag)) return;
      const value = [tag, ...before].slice(0, maxAddresses);
      // Losing it to another process costs at most a wait.
      await log.append(ctx, { records: [{ key: addressesKey(ctx.tenant, user), value, expected: "any" }] });
    },
  };
}

async function addressesOf(ctx: Context, log: Log, user: string): Promise<readonly string[]> {
  return ((await log.getRecord(ctx, addressesKey(ctx.tenant, user)))?.value as readonly string[] | undefined) ?? [];
}

/** Enough to know an address again. */
const tagOf = (user: string, address: string): string =>
  createHmac("sha256", user).update(address).digest("base64url").slice(0, 16);

/** The log-in that a token is, as it was handed out; undefined for any other, and for what was narrowed from one. */
function readLogIn({
  principal,
  links = [],
}: Grant):
  | { readonly user: string; readonly role: string; readonly since: number; readonly expiresAt: number }
  | undefined {
  const own = firstLink(links);
  const role = own?.label?.startsWith(logInLabel("")) === true ? own.label.slice(logInLabel("").length) : undefined;
  if (role === undefined || links.length !== 2 || !principal.startsWith("user:")) return undefined;
  const { notBefore = 0, expiresAt = 0 } = own ?? {};
  return { user: principal.slice("user:".length), role, since: notBefore + clocksDifferMs, expiresAt };
}
