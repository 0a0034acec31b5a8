import type { Context, Runtime } from "@viable/kernel";
import { isTraceparent, newTraceparent, rootContext, withContext } from "@viable/kernel";
import { createKeyedLimits, createTokenBucket } from "@viable/limits";
import type {
  CapabilityMinted,
  CommandAnswer,
  CommandMode,
  Confirmation,
  CoordinationView,
  QueryAnswer,
} from "@viable/protocol";
import { askQuery, isOutcome, mintCapability, sendCommand, suspendSession, toFieldProblems } from "@viable/protocol";
import type { AuthorizationRequest, Capabilities, CapabilityRegister, Grant, Violations } from "@viable/security";
import { authorize } from "@viable/security";
import type { ExecutionState, Executions, Intake, Queries, Quota } from "@viable/swarm";
import type { Coordinations } from "./coordinations.ts";
import { HttpProblem, notFound, ofQuery, ofRefusal, unauthenticated } from "./problems.ts";
import { clientIn } from "./session-client.ts";
import type { Session, Sessions } from "./sessions.ts";
import { grantInSession, isOpen } from "./sessions.ts";
import type { ReadScope } from "./view.ts";
import type { Webhooks } from "./webhooks/create-webhooks.ts";

/** How long `auto` waits before it answers "pending", in milliseconds: longer than most commands take, shorter than people wait without a word. */
const autoWaitMs = 2_000;
/** How long `sync` waits at most, in milliseconds: clients and proxies take five minutes of silence for a dead line. */
const syncWaitMs = 4 * 60_000;

/** Each is an event that stays: enough for one per job of a busy day, and not for one per command. Counted by the root, however it is narrowed. */
const recordsPerHour = 1_000;
/** Sessions that one token opens: a thousand at once, as after a start of all clients, and ten a second for ever. Counted by the root as well. */
const sessionBurst = 1_000;
const sessionsPerSecond = 10;
/** Roots whose numbers are remembered: some 300 bytes each. */
const maxRoots = 1_000;

/** How often a session is suspended: all of its stream is read where it is not remembered. */
const maxSuspensions = 40;

/** What every transport brings to the door. */
export interface Caller {
  readonly token: string | undefined;
  readonly traceparent: string | undefined;
  /** Aborts when the client has gone away. */
  readonly signal: AbortSignal;
}

export interface Authenticated {
  readonly ctx: Context;
  readonly grant: Grant;
  readonly token: string;
}

/** `worthless`: the token is revoked or expired. `session_over`: it is not, but the session that it is bound to has ended. */
export type Standing = "holds" | "worthless" | "session_over";

export interface Received {
  readonly answer: CommandAnswer;
  readonly quota: Quota | undefined;
}

/**
 * Where every transport ends: who is it, may they, and what do they want. Adapters only translate to and from this.
 */
export interface Receive {
  authenticate(caller: Caller): Promise<Authenticated>;
  /** Whether the token still opens anything: it may have been revoked since. */
  isOpen(who: Authenticated): boolean;
  /** Whether what somebody was let in with still holds, for whoever stays longer than a request. */
  standing(who: Authenticated): Promise<Standing>;
  /** Throws where the grant does not allow reading, or not that far; reads are authorised and traced, not recorded. */
  mayRead(who: Authenticated, subject: string, scope: ReadScope, about?: { readonly executionId: string }): void;
  /** A session that may be used now. */
  session(who: Authenticated, sessionId: string): Promise<Session>;
  endSession(who: Authenticated, sessionId: string): Promise<Session>;
  /** Keeps anything new from being begun in it. */
  suspendSession(who: Authenticated, sessionId: string, body: unknown): Promise<Session>;
  /** Lets it go on; refused by the session's own token, which is what is kept from acting. */
  resumeSession(who: Authenticated, sessionId: string): Promise<Session>;
  command(who: Authenticated, session: Session, body: unknown, idempotencyKey: string | undefined): Promise<Received>;
  /** Asks, and waits for the answer. Nothing is recorded. */
  query(who: Authenticated, session: Session, body: unknown): Promise<QueryAnswer>;
  /** A session in which something new may be begun. */
  openSession(who: Authenticated, sessionId: string): Promise<Session>;
  /** Throws where the grant does not allow something else than a command to be done in a session. */
  mayDo(who: Authenticated, session: Session, what: string, name: string): void;
  /** Throws where the token has opened too many. */
  mayOpenSession(who: Authenticated): void;
  /** Takes a client's word on what was asked of its session's clients. */
  confirm(who: Authenticated, coordinationId: string, word: Confirmation): Promise<CoordinationView>;
  /** Takes one of what a token may have recorded beside commands; throws where none is left. */
  spend(who: Authenticated): void;
  /** Narrows the caller's own token, and records it. */
  mint(who: Authenticated, body: unknown, idempotencyKey: string | undefined): Promise<CapabilityMinted>;
  execution(who: Authenticated, executionId: string): Promise<ExecutionState>;
  /** Refuses as `execution` does, without asking how the execution stands. */
  mayFollow(who: Authenticated, executionId: string): Promise<void>;
  cancel(who: Authenticated, executionId: string, reason: string): Promise<ExecutionState>;
}

export interface ReceiveSettings {
  readonly runtime: Runtime;
  readonly capabilities: Pick<Capabilities, "verify">;
  readonly sessions: Sessions;
  readonly executions: Executions;
  readonly intake: Intake;
  readonly queries: Queries;
  readonly register: Pick<CapabilityRegister, "mint">;
  /** Told of what was refused for want of authority. */
  readonly violations: Pick<Violations, "note">;
  readonly coordinations: Pick<Coordinations, "find" | "confirm">;
  readonly webhooks: Pick<Webhooks, "admit">;
}

/** A session's token sees that session's executions; an unbound one sees its tenant's. */
const sees = ({ sessionId }: Grant, execution: { readonly session: string | undefined }): boolean =>
  sessionId === undefined || execution.session === sessionId;

export function createReceive(settings: ReceiveSettings): Receive {
  const { runtime, capabilities, sessions, executions, intake, queries, register, coordinations, webhooks } = settings;
  const openings = createKeyedLimits({
    maxKeys: maxRoots,
    make: () => createTokenBucket({ capacity: sessionBurst, refillPerSecond: sessionsPerSecond }, runtime.clock),
  });
  const records = createKeyedLimits({
    maxKeys: maxRoots,
    make: () => createTokenBucket({ capacity: recordsPerHour, refillPerSecond: recordsPerHour / 3_600 }, runtime.clock),
  });
  const self: Receive = {
    async authenticate({ token, traceparent, signal }) {
      if (token === undefined) throw unauthenticated();
      const grant = capabilities.verify(rootContext(runtime), token);
      if (grant === undefined) throw unauthenticated();
      const trace =
        traceparent !== undefined && isTraceparent(traceparent) ? traceparent : newTraceparent(runtime.random);
      const ctx = rootContext(runtime, {
        tenant: grant.tenant,
        principal: grant.principal,
        traceparent: trace,
        signal,
      });
      if (grant.sessionId !== undefined) {
        // A session's token ends with its session.
        const session = await sessions.find(ctx, grant, grant.sessionId);
        if (session === undefined || !isOpen(session, runtime.clock.now())) throw unauthenticated();
      }
      return { token, grant, ctx };
    },
    isOpen: ({ token }) => capabilities.verify(rootContext(runtime), token) !== undefined,
    async standing(who) {
      const { ctx, grant } = who;
      if (!self.isOpen(who)) return "worthless";
      if (grant.sessionId === undefined) return "holds";
      const session = await sessions.find(ctx, grant, grant.sessionId);
      return session !== undefined && isOpen(session, runtime.clock.now()) ? "holds" : "session_over";
    },
    mayRead(who, subject, scope, about) {
      const sessionId = scope === "session" ? who.grant.sessionId : undefined;
      require(who, `Reading ${subject}`, {
        subject,
        address: `view/${subject}`,
        operation: "read",
        risk: "low",
        sessionId,
        ...about,
      });
    },
    async session({ ctx, grant }, sessionId) {
      const session = await sessions.find(ctx, grant, sessionId);
      if (session === undefined) throw notFound("session");
      return session;
    },
    async endSession(who, sessionId) {
      const session = await self.session(who, sessionId);
      require(who, "Ending the session", {
        subject: "ending a session",
        address: "command/session.end",
        operation: "write",
        risk: "medium",
        sessionId,
      });
      return await sessions.end(who.ctx, session, "ended by its client");
    },
    async suspendSession(who, sessionId, body) {
      const session = await self.session(who, sessionId);
      self.mayDo(who, session, "Suspending the session", "session.suspend");
      const { reason } = parseBody(suspendSession, body, "suspension");
      requireOpen(session, runtime.clock.now());
      // It was created and used, and each time suspended and resumed.
      if (session.version >= 2 + 2 * maxSuspensions)
        throw new HttpProblem({
          status: 409,
          code: "gateway.too_many_suspensions",
          detail: `A session is suspended ${maxSuspensions} times at most.`,
          next: "End it, and open another.",
        });
      self.spend(who);
      return await sessions.suspend(who.ctx, session, reason);
    },
    async resumeSession(who, sessionId) {
      const session = await self.session(who, sessionId);
      if (who.grant.sessionId !== undefined)
        throw new HttpProblem({
          status: 403,
          code: "gateway.session_token",
          detail: "A session's own token does not resume it.",
          next: "Use the token that opened it, or another of the same principal's.",
        });
      self.mayDo(who, session, "Resuming the session", "session.resume");
      requireOpen(session, runtime.clock.now());
      self.spend(who);
      return await sessions.resume(who.ctx, session);
    },
    async command(who, session, body, idempotencyKey) {
      requireActive(session, runtime.clock.now());
      const { command, args, mode, deadlineMs, webhookUrl } = parseBody(sendCommand, body, "command");
      const grant = grantInSession(who.grant, session);
      if (webhookUrl !== undefined) webhooks.admit(who.ctx, webhookUrl);
      else if (mode !== "sync" && grant.links?.some(({ restrictions }) => restrictions.requireWebhook) === true)
        throw new HttpProblem({
          status: 403,
          code: "gateway.webhook_required",
          detail: "This token's commands must name a webhook, or be waited for.",
          next: 'Send it with a "webhookUrl", or with "mode": "sync".',
        });
      // What is accepted goes on although its client goes away: only waiting for it ends then.
      const ctx = rootContext(runtime, {
        tenant: who.ctx.tenant,
        principal: who.ctx.principal,
        traceparent: who.ctx.traceparent,
      });
      const outcome = await intake.submit(ctx, {
        grant,
        command,
        args: args as never,
        idempotencyKey,
        webhookUrl,
        deadline: deadlineMs === undefined ? undefined : runtime.clock.now() + deadlineMs,
      });
      if (!outcome.ok) throw ofRefusal(outcome, grant);
      sessions.noteUse(who.ctx, session);
      // For a person nobody waits two seconds, and whoever waits for the outcome is told what it still waits for.
      const isPutOff = mode !== "sync" && outcome.approvalId !== undefined;
      const state = isPutOff ? undefined : await waitAsAsked(who.ctx, outcome.executionId, mode);
      const answer = isPutOff
        ? toUnderWay(outcome.executionId, outcome.approvalId)
        : toAnswer(outcome.executionId, state, outcome.approvalId);
      return { answer, quota: outcome.quota };
    },
    async query(who, session, body) {
      requireActive(session, runtime.clock.now());
      const { query, args, deadlineMs } = parseBody(askQuery, body, "query");
      const ctx =
        deadlineMs === undefined ? who.ctx : withContext(who.ctx, { deadline: runtime.clock.now() + deadlineMs });
      const outcome = await queries.ask(ctx, { grant: grantInSession(who.grant, session), query, args: args as never });
      if (!outcome.ok) throw ofQuery(outcome);
      return { query, result: outcome.result as QueryAnswer["result"], answeredBy: outcome.answeredBy };
    },
    mayOpenSession({ grant }) {
      const taken = openings.get(rootOf(grant)).tryTake();
      if (taken.ok) return;
      throw new HttpProblem({
        status: 429,
        code: "gateway.too_many_sessions",
        detail: `Of one token ${sessionBurst} sessions are opened at once, and ${sessionsPerSecond} a second.`,
        next: "Keep a session for more than one command.",
        retryAfterMs: taken.retryAfterMs,
      });
    },
    spend({ grant }) {
      const taken = records.get(rootOf(grant)).tryTake();
      if (taken.ok) return;
      throw new HttpProblem({
        status: 429,
        code: "gateway.rate_limited",
        detail: `Of one token ${recordsPerHour} capabilities, shares, joinings, coordinations and exports an hour are recorded here.`,
        retryAfterMs: taken.retryAfterMs,
      });
    },
    mayDo(who, session, what, name) {
      require(who, what, {
        subject: what,
        address: `command/${name}`,
        operation: "write",
        risk: "medium",
        sessionId: session.sessionId,
      });
      sessions.noteUse(who.ctx, session);
    },
    async openSession(who, sessionId) {
      const session = await self.session(who, sessionId);
      requireActive(session, runtime.clock.now());
      return session;
    },
    async confirm(who, coordinationId, word) {
      const { ctx, grant } = who;
      const asked = await coordinations.find(ctx, grant, coordinationId);
      if (asked === undefined) throw notFound("coordination");
      const session = await self.openSession(who, asked.sessionId);
      self.mayDo(who, session, "Deciding", "coordination.confirm");
      const by = { grant, client: clientIn(session, grant) };
      const confirmed = await coordinations.confirm(ctx, coordinationId, by, word);
      if (confirmed.ok) return confirmed.view;
      const { reason } = confirmed;
      if (reason === "unknown") throw notFound("coordination");
      throw new HttpProblem({ status: 409, code: `gateway.coordination_${reason}`, detail: whyNotSaid[reason] });
    },
    async mint(who, body, idempotencyKey) {
      const { ctx, grant } = who;
      require(who, "Minting a capability", {
        subject: "minting a capability",
        address: "command/capability.mint",
        operation: "write",
        risk: "medium",
        sessionId: grant.sessionId,
      });
      const request = parseBody(mintCapability, body, "capability");
      self.spend(who);
      const minting = await register.mint(ctx, who, request, idempotencyKey);
      if (minting.ok) return minting.minted;
      throw new HttpProblem({
        status: 422,
        code: "gateway.idempotency_mismatch",
        detail: "This idempotency key was used for another capability.",
        reasons: ["A key stands for one capability with the same restrictions; take a new key for a new one."],
      });
    },
    async execution(who, executionId) {
      const { ctx, grant } = who;
      let state: ExecutionState | undefined;
      try {
        state = await executions.get(ctx, executionId);
      } catch (error) {
        // Why it cannot be told is for those who may see it.
        await self.mayFollow(who, executionId);
        throw error;
      }
      if (state === undefined || !sees(grant, state)) throw notFound("execution");
      return state;
    },
    async mayFollow({ ctx, grant }, executionId) {
      const owner = await executions.owner(ctx, executionId);
      if (owner === undefined || !sees(grant, owner)) throw notFound("execution");
    },
    async cancel(who, executionId, reason) {
      const state = await self.execution(who, executionId);
      require(who, "Cancelling", {
        subject: "cancelling",
        address: "command/execution.cancel",
        operation: "write",
        risk: "medium",
        sessionId: state.session,
        executionId,
      });
      return isOutcome(state.status)
        ? state
        : await intake.cancel(
            rootContext(runtime, { tenant: who.ctx.tenant, principal: who.ctx.principal }),
            executionId,
            reason,
          );
    },
  };

  /** Throws, with the reasons, where the grant does not allow it. */
  const require = (
    { ctx, grant }: Authenticated,
    what: string,
    request: Omit<AuthorizationRequest, "tenant">,
  ): void => {
    const decision = authorize(grant, { ...request, tenant: ctx.tenant }, runtime.clock.now());
    if (decision.decision !== "denied") return;
    const { code, reasons } = decision;
    const { address, risk } = request;
    settings.violations.note(ctx, { grant, code, address, reasons, risk });
    throw new HttpProblem({ status: 403, code, detail: `${what} was denied.`, reasons });
  };

  const waitAsAsked = async (
    ctx: Context,
    executionId: string,
    mode: CommandMode,
  ): Promise<ExecutionState | undefined> => {
    if (mode === "async") return undefined;
    const deadline = runtime.clock.now() + (mode === "sync" ? syncWaitMs : autoWaitMs);
    try {
      return await executions.whenSettled(withContext(ctx, { deadline }), executionId);
    } catch {
      // Accepted it is all the same (W1), whatever keeps its outcome from being told here: the time is over, the client left, or its
      // events are not followed any more, which is the health's to say. So the answer says where to ask.
      return await executions.get(ctx, executionId).catch(() => undefined);
    }
  };

  const toUnderWay = (executionId: string, approvalId: string | undefined, isWaiting = false): CommandAnswer => ({
    status: isWaiting || approvalId !== undefined ? "waiting" : "pending",
    executionId,
    pollUrl: `/v1/executions/${executionId}`,
    ...(approvalId !== undefined && { approvalId }),
  });
  /** `asked`: what it waited for when it was accepted; whether it does still, its state says. */
  const toAnswer = (
    executionId: string,
    state: ExecutionState | undefined,
    asked: string | undefined,
  ): CommandAnswer => {
    if (state === undefined || !isOutcome(state.status)) {
      const isWaiting = state?.status === "waiting";
      return toUnderWay(executionId, state === undefined || isWaiting ? asked : undefined, isWaiting);
    }
    if (state.status === "completed") return { status: "completed", executionId, result: state.result ?? null };
    return {
      status: state.status,
      executionId,
      error: state.error ?? { code: "internal", message: "It ended without saying why.", retryable: false },
    };
  };
  return self;
}

/** However a capability was narrowed, it counts where it came from. */
const rootOf = ({ links, tokenId }: Grant): string => links?.[0]?.capabilityId ?? tokenId;

/** Why a client's word was not taken. */
const whyNotSaid = {
  settled: "It is settled, or its time is over.",
  own: "Who asks does not answer: others must.",
  said: "This client has said its word.",
} as const;

function requireOpen(session: Session, now: number): void {
  if (isOpen(session, now)) return;
  throw new HttpProblem({
    status: 409,
    code: "gateway.session_ended",
    detail: "The session has ended.",
    next: "Open another with POST /v1/sessions.",
  });
}

/** A session in which something new may be begun. */
function requireActive(session: Session, now: number): void {
  requireOpen(session, now);
  const { suspended } = session;
  if (suspended === undefined) return;
  throw new HttpProblem({
    status: 409,
    code: "gateway.session_suspended",
    detail: `The session is suspended${suspended.reason === undefined ? "" : `: ${suspended.reason}`}`,
    next: `Whoever opened it resumes it: viable sessions resume ${session.sessionId}`,
  });
}

/** As far as it is used here: the protocol's schemas are such. */
export interface Shape<Parsed> {
  safeParse(
    body: unknown,
  ):
    | { readonly success: true; readonly data: Parsed }
    | { readonly success: false; readonly error: Parameters<typeof toFieldProblems>[0] };
}

/** What a body says; throws what is wrong with it, and where. */
export function parseBody<Parsed>(shape: Shape<Parsed>, body: unknown, what: string): Parsed {
  const parsed = shape.safeParse(body);
  if (parsed.success) return parsed.data;
  const errors = toFieldProblems(parsed.error, "body");
  throw new HttpProblem({
    status: 422,
    code: `gateway.invalid_${what}`,
    detail: `The request is not a ${what}.`,
    errors,
    reasons: errors.map(({ path, reason }) => `${path}: ${reason}`),
  });
}
