import type { Context, JsonObject, Runtime } from "@viable/kernel";
import { codeOf, defaultTenant, withContext } from "@viable/kernel";
import {
  accountName,
  createKey,
  credentialChanged,
  invitation,
  keyCreated,
  loggedIn as loggedInAnswer,
  loggedOut,
  logIn,
  passwordSet,
  setCredential,
  setPassword,
  toFieldProblems,
} from "@viable/protocol";
import type { Credentials, Giver, Grant, LogIns, LogInToken, ServiceKeys, Users } from "@viable/security";
import { authorize, Secret } from "@viable/security";
import type { Action, ActionAnswer, ActionRequest } from "../action.ts";
import { networkOf } from "../client-address.ts";
import { HttpProblem, notFound } from "../problems.ts";
import type { Authenticated } from "../receive.ts";
import type { Attempt } from "./guess-delay.ts";
import { createLogInLimits } from "./log-in-limits.ts";

export interface UserActionsSettings {
  readonly runtime: Runtime;
  readonly users: Users;
  readonly logIns: LogIns;
  readonly keys: ServiceKeys;
  readonly credentials: Credentials;
}

/** Log-ins, passwords, keys and credentials: what has secrets in it, and so goes by no command. */
export function createUserActions({ runtime, users, logIns, keys, credentials }: UserActionsSettings): Action[] {
  const limits = createLogInLimits(runtime.clock);

  /** Throws, with the reasons, where the caller may not manage users. */
  const requireAdministration = ({ ctx, grant }: Authenticated, subject: string): void => {
    const request = { subject, address: `command/${subject}`, operation: "write", risk: "high" } as const;
    const decision = authorize(grant, { ...request, sessionId: undefined, tenant: ctx.tenant }, runtime.clock.now());
    if (decision.decision !== "denied") return;
    const { code, reasons } = decision;
    throw new HttpProblem({ status: 403, code, detail: `${subject} was denied.`, reasons });
  };
  const requireGivable = (roles: readonly string[], grant: Grant): void => {
    const refused = users.whyNotGiven(roles, giverOf(grant));
    if (refused === undefined) return;
    throw new HttpProblem({ status: 403, code: "security.denied", detail: "Denied.", reasons: [refused.why] });
  };
  const findOrThrow = async (ctx: Context, request: ActionRequest) => {
    const user = await users.find(ctx, nameIn(request, "user"));
    if (user === undefined) throw notFound("user");
    return user;
  };

  /** Does what tries a password, within the limits of guesses at a name. */
  const guarded = async <T extends { readonly ok: boolean; readonly reason?: string }>(
    ctx: Context,
    user: string,
    address: string,
    attemptIt: () => Promise<T>,
  ): Promise<T> => {
    const network = networkOf(address);
    const begun = await limits.begin(`${encodeURIComponent(ctx.tenant)}/${user}`, address, () =>
      logIns.isKnownAddress(ctx, user, network),
    );
    if (!begun.ok) throw limited("Too many passwords were tried for this user.", begun.retryAfterMs);
    const outcome = await untilAnswered(begun, attemptIt);
    if (outcome.ok || outcome.reason === "no_role") begun.succeeded();
    else if (outcome.reason !== "refused") begun.withdraw();
    if (outcome.ok) await logIns.rememberAddress(ctx, user, network);
    return outcome;
  };

  return [
    {
      method: "POST",
      path: "/login",
      operation: "logIn",
      summary: "Makes a token of a user's name and password",
      description: "Needs no token. Limited by address and by name.",
      body: logIn,
      answers: { 201: loggedInAnswer },
      problems: {
        401: ["gateway.log_in_refused"],
        403: ["gateway.no_such_role"],
        422: ["gateway.invalid_log_in"],
        429: ["gateway.log_in_limited"],
      },
      isOpen: true,
      async perform(outer, request) {
        const admitted = limits.admit(request.address);
        if (!admitted.ok) throw limited("Too many log-ins came from this address.", admitted.retryAfterMs);
        const { tenant = defaultTenant, user, password, role } = parse(logIn, await request.body(), "log_in");
        const ctx = withContext(outer, { tenant });
        const outcome = await guarded(ctx, user, request.address, () => logIns.logIn(ctx, { user, password, role }));
        if (outcome.ok) return loggedIn(outcome);
        if (outcome.reason === "busy") throw busy(outcome.retryAfterMs);
        if (outcome.reason === "refused") throw refused();
        throw noRole();
      },
    },
    {
      method: "POST",
      path: "/login/renew",
      operation: "renewLogIn",
      summary: "Makes another token of a log-in's",
      answers: { 201: loggedInAnswer },
      problems: {
        403: ["gateway.log_in_too_old", "gateway.no_such_role", "gateway.not_a_log_in"],
        429: ["gateway.log_in_limited"],
      },
      async perform({ ctx, grant }) {
        const admitted = limits.admitRenewal(grant.tokenId);
        if (!admitted.ok) throw limited("This token was renewed too often.", admitted.retryAfterMs);
        const outcome = await logIns.renew(ctx, grant);
        if (outcome.ok) return loggedIn(outcome);
        if (outcome.reason === "no_role") throw noRole();
        if (outcome.reason === "not_a_log_in") throw notALogIn();
        throw new HttpProblem({
          status: 403,
          code: "gateway.log_in_too_old",
          detail: "This log-in has been renewed for thirty days.",
          next: "Log in with the password again.",
        });
      },
    },
    {
      method: "DELETE",
      path: "/login",
      operation: "logOut",
      summary: "Ends a log-in, and what came of it",
      answers: { 200: loggedOut },
      problems: { 403: ["gateway.not_a_log_in"] },
      async perform({ ctx, grant }) {
        if (!(await logIns.logOut(ctx, grant))) throw notALogIn();
        return { status: 200, body: { loggedOut: true } };
      },
    },
    {
      method: "POST",
      path: "/users/:user/invitations",
      operation: "invite",
      summary: "Makes a token that sets a user's password, once",
      answers: { 201: invitation },
      async perform(caller, request) {
        requireAdministration(caller, "user.invite");
        const { name, roles } = await findOrThrow(caller.ctx, request);
        requireGivable(roles, caller.grant);
        const invited = await logIns.invite(caller.ctx, name);
        if (invited === undefined) throw notFound("active user");
        return { status: 201, body: { user: name, token: invited.token, expiresAt: toIso(invited.expiresAt) } };
      },
    },
    {
      method: "POST",
      path: "/users/:user/password",
      operation: "setPassword",
      summary: "Sets a user's own password, by an invitation or with the one of before",
      body: setPassword,
      answers: { 200: passwordSet },
      problems: {
        401: ["gateway.log_in_refused"],
        403: ["gateway.not_invited"],
        422: ["gateway.invalid_password"],
        429: ["gateway.log_in_limited"],
      },
      async perform({ ctx, grant }, request) {
        const user = nameIn(request, "user");
        const { password, current } = parse(setPassword, await request.body(), "password");
        if (grant.principal !== `user:${user}`) throw notInvited();
        const outcome =
          current === undefined
            ? await logIns.setPassword(ctx, user, password, grant)
            : await guarded(ctx, user, request.address, () => logIns.setPassword(ctx, user, password, { current }));
        // An invitation is as good as a log-in: from here the user gets in, whatever others try.
        if (outcome.ok && current === undefined) await logIns.rememberAddress(ctx, user, networkOf(request.address));
        if (outcome.ok) return { status: 200, body: { user } };
        if (outcome.reason === "busy") throw busy(outcome.retryAfterMs);
        throw outcome.reason === "refused" ? refused() : notInvited();
      },
    },
    {
      method: "POST",
      path: "/users/:user/keys",
      operation: "createKey",
      summary: "Makes a service key, which is shown once",
      body: createKey,
      answers: { 201: keyCreated },
      problems: { 403: ["gateway.no_such_role"], 409: ["gateway.too_many_keys"], 422: ["gateway.invalid_key"] },
      async perform(caller, request) {
        requireAdministration(caller, "user.create_key");
        const { name, roles } = await findOrThrow(caller.ctx, request);
        const { label, role, restrictions = {}, expiresInDays } = parse(createKey, await request.body(), "key");
        requireGivable([role ?? (roles[0] as string)], caller.grant);
        const made = await keys.create(caller.ctx, name, { label, role, restrictions, expiresInDays });
        if (made.ok) {
          const { createdAt, expiresAt, ...key } = made.key;
          const times = { createdAt: toIso(createdAt), expiresAt: toIso(expiresAt) };
          return { status: 201, body: { ...key, ...times, token: made.token } as unknown as JsonObject };
        }
        if (made.reason === "no_role") throw noRole();
        if (made.reason === "unknown") throw notFound("active user");
        throw new HttpProblem({
          status: 409,
          code: "gateway.too_many_keys",
          detail: "A user has a hundred keys at most.",
          next: "Revoke one that is not used any more.",
        });
      },
    },
    {
      method: "PUT",
      path: "/credentials/:provider",
      operation: "setCredential",
      summary: "Keeps a credential of a provider's, encrypted",
      body: setCredential,
      answers: { 200: credentialChanged },
      problems: { 409: ["gateway.too_many_credentials", "security.no_secret"], 422: ["gateway.invalid_credential"] },
      async perform(caller, request) {
        requireAdministration(caller, "credential.set");
        const provider = nameIn(request, "provider");
        const { value } = parse(setCredential, await request.body(), "credential");
        const outcome = await credentials.set(caller.ctx, provider, new Secret(value)).catch(withoutSecret);
        if (outcome.ok) return { status: 200, body: { provider } };
        throw new HttpProblem({
          status: 409,
          code: "gateway.too_many_credentials",
          detail: "A tenant has credentials of two hundred providers at most.",
        });
      },
    },
    {
      method: "DELETE",
      path: "/credentials/:provider",
      operation: "removeCredential",
      summary: "Forgets a credential",
      answers: { 200: credentialChanged },
      async perform(caller, request) {
        requireAdministration(caller, "credential.remove");
        const provider = nameIn(request, "provider");
        if (!(await credentials.remove(caller.ctx, provider))) throw notFound("credential");
        return { status: 200, body: { provider } };
      },
    },
  ];
}

/** What came to no answer counts for no guess. */
async function untilAnswered<T>(attempt: Attempt, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    attempt.withdraw();
    throw error;
  }
}

const toIso = (ms: number): string => new Date(ms).toISOString();

const giverOf = ({ operations, denied, links = [] }: Grant): Giver => ({
  operations,
  ...(denied !== undefined && { denied }),
  resources: links.flatMap(({ restrictions: { resources } }) => (resources === undefined ? [] : [resources])),
});

const loggedIn = ({ token, expiresAt, user, role, roles }: LogInToken): ActionAnswer => ({
  status: 201,
  body: { token, expiresAt: toIso(expiresAt), user, role, roles: [...roles] },
});

/** The name in the path; one that can be nobody's is not there. */
function nameIn(request: ActionRequest, what: "user" | "provider"): string {
  const parsed = accountName.safeParse(request.params[what]);
  if (!parsed.success) throw notFound(what);
  return parsed.data;
}

/** As far as it is used here: the protocol's schemas are such. */
interface Shape<Parsed> {
  safeParse(
    body: unknown,
  ):
    | { readonly success: true; readonly data: Parsed }
    | { readonly success: false; readonly error: Parameters<typeof toFieldProblems>[0] };
}

/** What was given is not repeated: it may be a password in the wrong place. */
function parse<Parsed>(shape: Shape<Parsed>, body: unknown, what: string): Parsed {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  const errors = toFieldProblems(parsed.error, "body");
  throw new HttpProblem({
    status: 422,
    code: `gateway.invalid_${what}`,
    detail: "The request does not fit.",
    errors,
    reasons: errors.map(({ path, reason }) => `${path}: ${reason}`),
  });
}

const limited = (detail: string, retryAfterMs: number): HttpProblem =>
  new HttpProblem({ status: 429, code: "gateway.log_in_limited", detail, retryAfterMs });

const busy = (retryAfterMs: number): HttpProblem =>
  new HttpProblem({
    status: 503,
    code: "gateway.log_in_busy",
    detail: "Too many passwords are being looked at.",
    retryAfterMs,
  });

/** Unknown, disabled, without a password and wrong are the same words. */
const refused = (): HttpProblem =>
  new HttpProblem({ status: 401, code: "gateway.log_in_refused", detail: "User and password do not go together." });

const noRole = (): HttpProblem =>
  new HttpProblem({
    status: 403,
    code: "gateway.no_such_role",
    detail: "The user has no such role, or there is none.",
  });

const notALogIn = (): HttpProblem =>
  new HttpProblem({
    status: 403,
    code: "gateway.not_a_log_in",
    detail: "This is not the token of a log-in, as it was handed out.",
    next: "Show the token that POST /v1/login gave.",
  });

const notInvited = (): HttpProblem =>
  new HttpProblem({
    status: 403,
    code: "gateway.not_invited",
    detail: "A password is set by an invitation to do so, which holds once, or by its user with the one of before.",
    next: "Have an administrator invite the user: POST /v1/users/{user}/invitations.",
  });

function withoutSecret(error: unknown): never {
  if (codeOf(error) !== "security.no_secret") throw error;
  throw new HttpProblem({
    status: 409,
    code: "security.no_secret",
    detail: "This system has no secret to encrypt credentials with.",
    next: "Give all its processes the same VIABLE_SECRET_KEY.",
  });
}
