import type { Membership } from "@viable/cluster";
import type { Context, JsonObject, JsonValue, Part, Timer } from "@viable/kernel";
import { canonicalJson, nearestNames, rootContext, toWire, withContext } from "@viable/kernel";
import type { AppendOutcome, Log, NewEvent } from "@viable/log";
import { mayPass } from "@viable/log";
import type { Claim } from "@viable/protocol";
import { isOutcome, maxHops, toFieldProblems } from "@viable/protocol";
import type { EndedTask, Registry, RouteOutcome, UndeliveredTask } from "@viable/registry";
import { attenuate, authorize } from "@viable/security";
import { acceptance, executionIdFor, grantOf, hashOf, justAccepted } from "./acceptance.ts";
import { createAdmission } from "./admission.ts";
import type { AgentDefinition } from "./agent.ts";
import type { Catalogue, Offer } from "./catalogue.ts";
import type { DelegateOptions, DelegateOutcome } from "./delegation.ts";
import { maxFollowers, workJoined, workStarted, workStream } from "./equal-work.ts";
import type { ExecutionEvent, ExecutionState } from "./execution.ts";
import { executionStream, holdsClaim } from "./execution.ts";
import type { Executions } from "./executions.ts";
import type { IntakeOutcome, IntakeRequest } from "./intake-request.ts";
import { refuse } from "./intake-request.ts";
import type { RememberedWork } from "./remembered-work.ts";
import { findRemembered } from "./remembered-work.ts";
import type { Swarm } from "./swarm.ts";
import { createTurns } from "./turns.ts";

export interface IntakeSettings {
  readonly log: Log;
  readonly registry: Registry;
  readonly membership: Membership;
  readonly executions: Executions;
  readonly catalogue: Catalogue;
  /** The swarms of this process, by service. */
  swarm(service: string): Swarm | undefined;
  /** Executions without an outcome that this process accepts more beside; one more is overload. Default 10,000. */
  readonly maxOpen?: number;
  /** Told of every delegation of this process that came to an end. */
  onDelegated?(delegated: Delegated): void;
  /** Told in a sentence of what went wrong and shows nowhere else. */
  onProblem?(message: string): void;
}

/** A delegation as it ended: from which service to which, with what outcome, and how long the asking one waited. */
export interface Delegated {
  readonly from: string;
  /** Undefined where it was refused: then nobody took it. */
  readonly to: string | undefined;
  readonly status: "completed" | "failed" | "cancelled" | "timed_out" | "refused";
  readonly waitedMs: number;
}

/** How often open executions are looked through for such that nobody else ends, in milliseconds. */
const sweepEveryMs = 1_000;
/** Of so many it is remembered until they end themselves, which is at the same deadline; beyond, the oldest may be blamed for nothing. */
const maxStarved = 1_000;
/** How often a lost race for equal work is decided again. */
const maxJoinTries = 10;

/**
 * The door that every command goes through, in four steps: authorise, admit, route, append. Refusals are values with reasons;
 * what is accepted is durable before it is acknowledged (W1). Commands of agents (delegation) and of the system's own parts
 * come through here like everybody's (W7).
 */
export interface Intake extends Part {
  submit(ctx: Context, request: IntakeRequest): Promise<IntakeOutcome>;
  delegate(
    ctx: Context,
    parent: ExecutionState,
    capability: string,
    args: JsonValue,
    options: DelegateOptions,
  ): Promise<DelegateOutcome>;
  /** Gives an execution the outcome `cancelled`, if it has none yet; also what it has delegated. */
  cancel(ctx: Context, executionId: string, reason: string): Promise<ExecutionState>;
  /** Refuses new commands from now on, except what running ones delegate. */
  close(): void;
}

export function createIntake(settings: IntakeSettings): Intake {
  const { log, registry, membership, executions, catalogue } = settings;
  const admission = createAdmission({
    executions,
    maxOpen: settings.maxOpen ?? 10_000,
    // Agents delegate where their swarm is; the seed's number where it is gone meanwhile.
    maxDelegations: (service) => settings.swarm(service)?.service.maxConcurrentDelegations ?? 100,
  });
  let closed = false;
  let stopped = false;
  const joinTurns = createTurns();
  const deadlines = new Map<string, Timer>();
  /** Those that had delegated what then ran out of time. */
  const starved = new Set<string>();
  let sweepTimer: Timer | undefined;
  let stopListening = () => {};
  /** Those that are due and cannot be ended: that is said once of each, not each second. */
  let unended: ReadonlySet<string> = new Set();

  /** Whether an execution ran out of time waiting for what it had delegated: then those who had that are to blame. */
  const waitedFor = ({ status, executionId, accepted }: ExecutionState): boolean => {
    if (status !== "timed_out") return false;
    if (accepted.parentId !== undefined) {
      if (starved.size >= maxStarved) starved.delete(starved.values().next().value as string);
      starved.add(accepted.parentId);
    }
    if (starved.delete(executionId)) return true;
    for (const { accepted: open } of executions.open()) if (open.parentId === executionId) return true;
    return false;
  };

  /** Ends the execution at its deadline, in case nothing else has by then. */
  const watchDeadline = (ctx: Context, executionId: string, deadline: number) => {
    const timer = ctx.runtime.clock.setTimer(
      () => {
        deadlines.delete(executionId);
        void timeOut(rootContext(ctx.runtime), executionId).catch(() => undefined);
      },
      deadline - ctx.runtime.clock.now(),
      { background: true },
    );
    deadlines.set(executionId, timer);
    executions.onSettled(executionId, (state) => {
      timer.cancel();
      deadlines.delete(executionId);
      const ended = toEndedTask(state, waitedFor(state));
      if (ended !== undefined) registry.taskEnded(ended);
    });
  };
  const timeOut = async (ctx: Context, executionId: string) => {
    const state = await executions.decide(ctx, executionId, (now) =>
      isOutcome(now.status) ? undefined : { type: "execution.timed_out", data: { deadline: now.accepted.deadline } },
    );
    if (state.status === "timed_out") await cancelChildren(ctx, executionId, "the parent timed out");
  };

  /**
   * Ends what nobody else does: executions past their deadline whose process is gone and left no timer behind, and tasks whose
   * parent has ended without them, as when a process died between the two.
   */
  const sweep = async (ctx: Context) => {
    const now = ctx.runtime.clock.now();
    const before = unended;
    const failed = new Set<string>();
    for (const state of [...executions.open()]) {
      // One that cannot be ended now must not keep the others from it; the next sweep comes in a second.
      await endIfDue(ctx, state, now).catch((error) => {
        const { executionId } = state;
        if (!before.has(executionId)) {
          if (mayPass(error) || ctx.signal.aborted) return;
          settings.onProblem?.(
            `${executionId} is due to end and cannot be ended; it is tried each second, and counts as open: ${toWire(error).message}`,
          );
        }
        failed.add(executionId);
      });
    }
    unended = failed;
  };
  const endIfDue = async (ctx: Context, state: ExecutionState, now: number): Promise<void> => {
    const { deadline, parentId } = state.accepted;
    if (deadline + sweepEveryMs <= now) return await timeOut(ctx, state.executionId);
    if (parentId === undefined) return;
    const tenantCtx = withContext(ctx, { tenant: state.tenant });
    const parent = await executions.get(tenantCtx, parentId);
    if (parent !== undefined && isOutcome(parent.status))
      await self.cancel(tenantCtx, state.executionId, "the parent ended");
  };
  const scheduleSweep = (ctx: Context) => {
    sweepTimer = ctx.runtime.clock.setTimer(
      () => {
        void sweep(ctx).finally(() => {
          if (!stopped) scheduleSweep(ctx);
        });
      },
      sweepEveryMs,
      { background: true },
    );
  };

  const cancelChildren = async (ctx: Context, parentId: string, reason: string) => {
    for (const child of [...executions.open()]) {
      if (child.accepted.parentId === parentId)
        await self.cancel(withContext(ctx, { tenant: child.tenant }), child.executionId, reason);
    }
  };

  const self: Intake = {
    async submit(ctx, request) {
      const outcome = await decide(ctx, request);
      // What a process that stops refuses is begun again elsewhere.
      if (!outcome.ok && !closed) {
        const letter = toUndelivered(request, outcome);
        if (letter !== undefined) registry.undelivered(ctx, letter);
      }
      return outcome;
    },

    async delegate(ctx, parent, capability, args, options) {
      const startedMs = ctx.runtime.clock.monotonicMs();
      const tell = (to: string | undefined, status: Delegated["status"]) =>
        settings.onDelegated?.({
          from: parent.accepted.service,
          to,
          status,
          waitedMs: ctx.runtime.clock.monotonicMs() - startedMs,
        });
      const grant = attenuate(grantOf(parent), { principal: ctx.principal, clientType: "agent" });
      const deadline =
        options.timeoutMs === undefined
          ? parent.accepted.deadline
          : Math.min(parent.accepted.deadline, ctx.runtime.clock.now() + options.timeoutMs);
      const outcome = await self.submit(ctx, {
        grant,
        command: capability,
        args,
        idempotencyKey: childKey(options),
        deadline,
        parent,
        service: options.service,
        process: options.process,
      });
      if (!outcome.ok) {
        tell(undefined, "refused");
        return {
          ok: false,
          status: "refused",
          executionId: undefined,
          error: {
            code: outcome.code,
            message: [outcome.message, ...outcome.reasons].join(" "),
            retryable: outcome.retryAfterMs !== undefined,
            ...(outcome.retryAfterMs !== undefined && { details: { retryAfterMs: outcome.retryAfterMs } }),
          },
        };
      }
      const { executionId } = outcome;
      try {
        const state = await executions.whenSettled(ctx, executionId);
        const { status } = state;
        const ended = status === "completed" || status === "cancelled" || status === "timed_out" ? status : "failed";
        tell(state.accepted.service, ended);
        if (ended === "completed") return { ok: true, executionId, result: state.result ?? null };
        return {
          ok: false,
          status: ended,
          executionId,
          error: state.error ?? { code: "internal", message: "It ended without saying why.", retryable: false },
        };
      } catch (error) {
        // The parent was cancelled or ran out of time: what it asked for is not wanted any more. Where its worker died the
        // parent will be begun again and ask for the same, so then the child goes on.
        const now = await executions.get(rootContext(ctx.runtime, { tenant: ctx.tenant }), parent.executionId);
        if (now !== undefined && isOutcome(now.status)) {
          await self.cancel(
            rootContext(ctx.runtime, { tenant: ctx.tenant, principal: ctx.principal }),
            executionId,
            "the parent ended",
          );
        }
        throw error;
      }
    },

    async cancel(ctx, executionId, reason) {
      const state = await executions.decide(ctx, executionId, (now) =>
        isOutcome(now.status) ? undefined : { type: "execution.cancelled", data: { by: ctx.principal, reason } },
      );
      if (state.status === "cancelled") await cancelChildren(ctx, executionId, "the parent was cancelled");
      return state;
    },
    close() {
      closed = true;
    },
    async start(ctx) {
      const own = rootContext(ctx.runtime);
      stopListening = executions.onWork((state) => takeAssigned(own, state));
      scheduleSweep(ctx);
    },
    async stop() {
      stopped = true;
      stopListening();
      sweepTimer?.cancel();
      for (const timer of deadlines.values()) timer.cancel();
      deadlines.clear();
    },
  };

  /** What was recorded under the key is answered, however busy it is now: nothing new is asked for. */
  const recordedOr = async (
    ctx: Context,
    request: IntakeRequest,
    executionId: string,
    refusal: IntakeOutcome & { ok: false },
  ): Promise<IntakeOutcome> => {
    if (request.idempotencyKey === undefined || refusal.kind === "mismatch") return refusal;
    if ((await executions.get(ctx, executionId)) === undefined) return refusal;
    const first = await findFirst(ctx, executionId, hashOf(bodyOf(request)));
    return first.ok ? { ok: true, executionId, repeated: true, quota: undefined } : first.refusal;
  };

  /** Who begins it is told with its acceptance. What may be begun only once is claimed by whoever begins it: that one may be gone unheard of. */
  const claimFor = (
    agent: AgentDefinition,
    { decision, local }: RouteOutcome & { ok: true },
    swarm: Swarm | undefined,
  ) => {
    const { processId, epoch } = decision.chosen;
    if (!local) return agent.maxAttempts > 1 && { assigned: { processId, epoch, attempt: 1 } };
    return swarm !== undefined && membership.canClaim && { claim: { processId, epoch: membership.epoch, attempt: 1 } };
  };

  /** Begins what another process has just accepted for this one. Where the lease was lost meanwhile, whoever finds it so begins it. */
  const takeAssigned = (ctx: Context, state: ExecutionState): void => {
    const { assigned, service } = state.accepted;
    const isNew = state.version === 1;
    if (!isNew || assigned?.processId !== membership.processId || assigned.epoch !== membership.epoch) return;
    if (!membership.canClaim) return;
    const swarm = settings.swarm(service);
    // Its workers end what they hold and take up no more.
    if (closed) giveBack(ctx, state, assigned, "its process stops");
    else if (swarm === undefined) giveBack(ctx, state, assigned, "its process does not run the service");
    else swarm.take(state);
  };
  const giveBack = (ctx: Context, state: ExecutionState, claim: Claim, reason: string) => {
    const data = { processId: membership.processId, reason, leaves: true as const };
    const released: ExecutionEvent = { type: "execution.released", data };
    void executions
      .decide(withContext(ctx, { tenant: state.tenant }), state.executionId, (now) =>
        holdsClaim(now, claim) ? released : undefined,
      )
      // Not given back it is claimed once this process is gone, or ends at its deadline.
      .catch(() => undefined);
  };

  type Accepted = { ok: true; repeated: boolean } | { ok: false; refusal: IntakeOutcome & { ok: false } };

  /** 3. route, 4. append. Decided again where equal work began or ended in between. */
  const accept = async (
    ctx: Context,
    request: IntakeRequest,
    offers: readonly Offer[],
    executionId: string,
    depth: number,
  ): Promise<Accepted> => {
    const bodyHash = request.idempotencyKey === undefined ? undefined : hashOf(bodyOf(request));
    // Work that is under way may be another service's: who asks one by name wants its own answer.
    const joinable = offers[0]?.agent.joinable === true && request.service === undefined;
    const joinKey = joinable ? workStream(ctx.tenant, request.command, request.args) : undefined;
    // Equal tasks of this process take turns, so that a crowd of them joins one by one instead of conflicting all at once.
    if (joinKey !== undefined)
      return await joinTurns.take(joinKey, () =>
        appendAccepted(ctx, request, offers, executionId, depth, bodyHash, joinKey),
      );
    return await appendAccepted(ctx, request, offers, executionId, depth, bodyHash, joinKey);
  };

  const appendAccepted = async (
    ctx: Context,
    request: IntakeRequest,
    offers: readonly Offer[],
    executionId: string,
    depth: number,
    bodyHash: string | undefined,
    joinKey: string | undefined,
  ): Promise<Accepted> => {
    for (let tries = 0; tries < maxJoinTries; tries++) {
      const routed = registry.route(request.command, {
        key: executionId,
        service: request.service,
        process: request.process,
        tenant: ctx.tenant,
      });
      if (!routed.ok) {
        const [message = "", ...reasons] = routed.reasons;
        // What a rule refuses it will refuse again; a swarm that is not there may come.
        const refusal =
          routed.code === "registry.refused"
            ? refuse("denied", routed.code, message, { reasons })
            : refuse("unavailable", routed.code, message, { reasons, retryAfterMs: 1_000 });
        return { ok: false, refusal };
      }
      const { chosen } = routed.decision;
      const agent = offers.find((offer) => offer.service === chosen.service)?.agent;
      if (agent === undefined) {
        return {
          ok: false,
          refusal: refuse(
            "unavailable",
            "intake.unknown_service",
            `${chosen.service} offers "${request.command}", but this process's config does not know it.`,
          ),
        };
      }
      const swarm = routed.local ? settings.swarm(chosen.service) : undefined;
      const work = joinKey === undefined ? undefined : await executions.equalWork(ctx, joinKey, tries > 0);
      const busy = work?.leader !== undefined && !(await hasEnded(ctx, work.leader));
      const remembered = work === undefined || busy ? undefined : await findRemembered(ctx, executions, agent, work);
      const leader = busy && work.followers.length < maxFollowers ? work.leader : undefined;
      const isDoneHere = leader === undefined && remembered === undefined;
      // A place is kept before anything is recorded, so that a burst cannot be accepted beyond the bound.
      const place = isDoneHere ? swarm?.reserve(executionId) : undefined;
      if (isDoneHere && swarm !== undefined && place === undefined) {
        return {
          ok: false,
          refusal: refuse("overloaded", "swarm.overloaded", `The queue of ${chosen.service} is full.`, {
            retryAfterMs: 1_000,
          }),
        };
      }
      const joins =
        joinKey !== undefined && work !== undefined && remembered === undefined && (!busy || leader !== undefined);
      const data = acceptance(ctx, request, agent, routed.decision, {
        executionId,
        depth,
        bodyHash,
        joinKey: joins ? joinKey : undefined,
        joinedTo: remembered?.executionId ?? leader,
        ...(remembered !== undefined && { remembered: true }),
        ...(isDoneHere && claimFor(agent, routed, swarm)),
      });
      const own = {
        stream: executionStream(executionId),
        expected: 0,
        events: [{ type: "execution.accepted", data: data as unknown as JsonObject }, ...outcomeOf(remembered)],
        session: request.grant.sessionId,
        correlation: request.parent?.correlation ?? executionId,
        causation: request.parent?.executionId,
      };
      const meeting = { events: [leader === undefined ? workStarted(executionId) : workJoined(executionId)] };
      let outcome: AppendOutcome;
      try {
        outcome = await log.append(ctx, {
          streams: [own, ...(joins ? [{ stream: joinKey, expected: work.version, ...meeting }] : [])],
        });
        if (outcome.ok && remembered !== undefined) return { ok: true, repeated: false };
        if (outcome.ok) {
          watchDeadline(ctx, executionId, data.deadline);
          // At once and from what was written: nobody may find it claimed and in no hand.
          const { time } = outcome;
          const accepted = time === undefined ? undefined : justAccepted(ctx, own, data, time);
          if (accepted !== undefined) executions.note(accepted);
          // Where an earlier try had written it, more may have come of it meanwhile.
          const state = accepted ?? (await executions.get(ctx, executionId));
          const isOurs = state !== undefined && data.claim !== undefined && holdsClaim(state, data.claim);
          if (isOurs && !stopped) swarm?.take(state);
          return { ok: true, repeated: false };
        }
      } finally {
        place?.();
      }
      if (outcome.reason === "overloaded") {
        return {
          ok: false,
          refusal: refuse("overloaded", "log.overloaded", `${outcome.waiting} appends are waiting for the database.`, {
            retryAfterMs: outcome.retryAfterMs,
          }),
        };
      }
      if (outcome.reason === "conflict" && outcome.stream === executionStream(executionId))
        return await findFirst(ctx, executionId, bodyHash);
    }
    return {
      ok: false,
      refusal: refuse("overloaded", "intake.contended", "Equal tasks began and ended too quickly to join.", {
        retryAfterMs: 50,
      }),
    };
  };

  /** The four steps, from a command to its acceptance or refusal. */
  const decide = async (ctx: Context, request: IntakeRequest): Promise<IntakeOutcome> => {
    if (closed && request.parent === undefined) {
      return refuse("stopping", "intake.stopping", "The process is stopping and takes no new commands.", {
        retryAfterMs: 1_000,
      });
    }
    // What is asked for, and does it fit? Nothing has been spent or recorded so far.
    const offers = catalogue.find(request.command);
    const agent = offers[0]?.agent;
    if (agent === undefined) {
      const near = nearestNames(request.command, catalogue.commands());
      return refuse("unknown", "intake.unknown_command", `There is no command "${request.command}".`, {
        reasons: near.length === 0 ? [] : [`Did you mean ${near.join(", ")}?`],
      });
    }
    const { service } = request;
    if (service !== undefined && !offers.some((offer) => offer.service === service)) {
      const others = offers.map((offer) => offer.service).join(", ");
      return refuse("unknown", "intake.unknown_service", `${service} does not offer "${request.command}".`, {
        reasons: [`These do: ${others}.`],
      });
    }
    // 1. authorise
    const decision = authorize(
      request.grant,
      {
        subject: request.command,
        operation: "write",
        risk: agent.risk,
        sessionId: request.grant.sessionId,
        tenant: ctx.tenant,
      },
      ctx.runtime.clock.now(),
    );
    if (decision.decision === "denied")
      return refuse("denied", decision.code, `"${request.command}" was denied.`, { reasons: decision.reasons });
    const parsed = agent.input.safeParse(request.args);
    if (!parsed.success) {
      const errors = toFieldProblems(parsed.error, "args");
      return refuse("invalid", "intake.invalid_arguments", `The arguments do not fit "${request.command}".`, {
        reasons: errors.map(({ path, reason }) => `${path}: ${reason}`),
        errors,
      });
    }
    const depth = request.parent === undefined ? (request.depth ?? 0) : request.parent.accepted.depth + 1;
    if (depth > maxHops) {
      return refuse("denied", "intake.too_deep", `The task was delegated over more than ${maxHops} hops.`, {
        reasons: ["Delegations seem to go round in a circle."],
      });
    }
    // 2. admit
    const executionId = executionIdFor(ctx, request);
    if (request.parent !== undefined && (request.deadline ?? Number.POSITIVE_INFINITY) <= ctx.runtime.clock.now()) {
      const late = refuse("invalid", "intake.past_deadline", "The task's time was over before it was asked for.", {
        reasons: [`Its deadline was ${new Date(request.deadline ?? 0).toISOString()}.`],
      });
      return await recordedOr(ctx, request, executionId, late);
    }
    const admitted = admission.admit(ctx, request, executionId);
    if (!admitted.ok) return await recordedOr(ctx, request, executionId, admitted.refusal);
    let accepted: Accepted;
    try {
      accepted = await accept(ctx, request, offers, executionId, depth);
    } catch (error) {
      admitted.leave?.();
      const { code, message } = toWire(error);
      // The log takes no larger or deeper ones; nothing was recorded.
      if (code !== "log.invalid_event") throw error;
      return refuse(
        "invalid",
        "intake.unrecordable_arguments",
        `What "${request.command}" is given cannot be recorded.`,
        {
          reasons: [message],
        },
      );
    }
    if (!accepted.ok) {
      admitted.leave?.();
      return await recordedOr(ctx, request, executionId, accepted.refusal);
    }
    // A delegation that is repeated after a crash is waited for like the first: it shares that one's place, or has one here for it.
    if (accepted.repeated && request.parent === undefined) admitted.leave?.();
    else if (admitted.leave !== undefined) {
      const unlisten = executions.onSettled(executionId, admitted.leave);
      // It may have ended between the append and now, and then nobody tells of it any more; leaving twice does nothing.
      const state = await executions.get(ctx, executionId);
      if (state !== undefined && isOutcome(state.status)) {
        unlisten();
        admitted.leave();
      }
    }
    return { ok: true, executionId, repeated: accepted.repeated, quota: admitted.quota };
  };

  const hasEnded = async (ctx: Context, executionId: string): Promise<boolean> => {
    const state = await executions.get(ctx, executionId);
    return state === undefined || isOutcome(state.status);
  };

  /** The execution that an idempotency key stands for already. */
  const findFirst = async (ctx: Context, executionId: string, bodyHash: string | undefined): Promise<Accepted> => {
    const first = await executions.get(ctx, executionId);
    if (first?.accepted.bodyHash === bodyHash) return { ok: true, repeated: true };
    return {
      ok: false,
      refusal: refuse("mismatch", "intake.idempotency_mismatch", "This idempotency key was used for another command.", {
        reasons: ["A key stands for one command with the same arguments; take a new key for a new one."],
      }),
    };
  };

  return self;
}

/** What is recorded with the acceptance of a task whose result is known already. */
const outcomeOf = (remembered: RememberedWork | undefined): readonly NewEvent[] => {
  if (remembered === undefined) return [];
  const { executionId, result } = remembered;
  return [{ type: "execution.completed", data: { result, joinedTo: executionId } }];
};

/** Which kind of dead letter a refusal makes of a task. What is overloaded, denied or malformed is none: whoever asked mends that. */
const deadLetterKinds: { readonly [code: string]: UndeliveredTask["kind"] } = {
  "registry.no_swarm": "unroutable",
  "registry.refused": "unroutable",
  "intake.unknown_command": "unroutable",
  "intake.unknown_service": "unroutable",
  "intake.too_deep": "too_many_hops",
  "intake.past_deadline": "past_deadline",
};

/** What is kept of a task that was refused, where it is worth it. A name that a client has mistyped is not: it was told. Pure. */
function toUndelivered(
  { command, service, parent, depth = 0, grant }: IntakeRequest,
  { code, message, reasons }: IntakeOutcome & { ok: false },
): UndeliveredTask | undefined {
  const kind = deadLetterKinds[code];
  if (kind === undefined || (parent === undefined && code.startsWith("intake.unknown_"))) return undefined;
  return {
    command,
    kind,
    code,
    reason: [message, ...reasons].join(" "),
    depth: parent === undefined ? depth : parent.accepted.depth + 1,
    ...(service !== undefined && { service }),
    ...(parent !== undefined && { parentId: parent.executionId }),
    session: grant.sessionId,
    correlation: parent?.correlation,
  };
}

/** Failures that are the swarm's and not its agent's: it had no worker, no thread or no database, or died under the task each time. */
const swarmFailures: ReadonlySet<string> = new Set([
  "swarm.attempts_exhausted",
  "agent.no_thread",
  "agent.threads_overloaded",
  "agent.threads_stopped",
  "log.closed",
  "log.no_space",
  "log.store_unavailable",
  "log.unavailable",
]);
/** A task that had less time than this, in milliseconds, says nothing by its end: seeing and claiming it may take a second each. */
const minFairMs = 2_000;

/**
 * What the end of a task says of the swarm that had it. Nothing where it was cancelled, where another did the work, and where it timed out
 * as it waited for others, or with less time than twice what one takes there: that was the caller's doing. Pure.
 */
export function toEndedTask(state: ExecutionState, waitedForOthers: boolean): EndedTask | undefined {
  const { accepted, status, claim, error } = state;
  const { route } = accepted;
  if (status === "cancelled" || state.joinedTo !== undefined || accepted.joinedTo !== undefined) return undefined;
  const processId = claim?.processId ?? route.chosen.processId;
  const task = { key: state.executionId, service: accepted.service, processId };
  if (status === "timed_out") {
    if (waitedForOthers) return undefined;
    const givenMs = accepted.deadline - state.acceptedAt;
    const meanMs = route.candidates.find((each) => each.processId === processId)?.latencyMs ?? 0;
    return givenMs >= Math.max(minFairMs, 2 * meanMs) ? { ...task, end: "timed_out" } : undefined;
  }
  return { ...task, end: status === "failed" && swarmFailures.has(error?.code ?? "") ? "failed" : "done" };
}

/** What a repeat under the same key must equal: a task that is asked of one service is another than the same asked of all. */
const bodyOf = ({ command, args, service, process }: IntakeRequest): JsonValue => {
  if (service === undefined) return [command, args];
  return process === undefined ? [command, args, service] : [command, args, service, process];
};

/** What tells a delegated task apart from others of its parent with the same capability and arguments. */
const childKey = ({ key = "", service, process }: DelegateOptions): string => {
  if (service === undefined) return key;
  return canonicalJson(process === undefined ? [service, key] : [service, key, process]);
};
