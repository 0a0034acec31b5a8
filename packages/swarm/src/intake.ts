import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, JsonValue, Part } from "@viable/kernel";
import { canonicalJson, nearestNames, rootContext, toWire } from "@viable/kernel";
import type { Log } from "@viable/log";
import { isOutcome, maxHops, toFieldProblems } from "@viable/protocol";
import type { Registry } from "@viable/registry";
import type { Capabilities, Policies, Uses, Violations } from "@viable/security";
import { attenuate, authorize, isCounted, whyUnused } from "@viable/security";
import { executionIdFor, grantOf } from "./acceptance.ts";
import type { Accepted } from "./acceptances.ts";
import { createAcceptances } from "./acceptances.ts";
import { createAdmission } from "./admission.ts";
import { createWaitingApprovals, isApprovedWith } from "./approvals.ts";
import type { Catalogue } from "./catalogue.ts";
import type { DelegateOptions, DelegateOutcome } from "./delegation.ts";
import { createEndings } from "./endings.ts";
import type { ExecutionState } from "./execution.ts";
import type { Executions } from "./executions.ts";
import type { IntakeOutcome, IntakeRequest } from "./intake-request.ts";
import { refuse } from "./intake-request.ts";
import type { Swarm } from "./swarm.ts";
import { toUndelivered } from "./undelivered-task.ts";

export interface IntakeSettings {
  readonly log: Log;
  /** One that reaches other processes, which then accept themselves what they are to do; undefined where there is none. */
  readonly bus: Bus | undefined;
  readonly registry: Registry;
  readonly membership: Membership;
  readonly executions: Executions;
  readonly catalogue: Catalogue;
  /** The swarms of this process, by service. */
  swarm(service: string): Swarm | undefined;
  /** Says whether it is known what was revoked. */
  readonly capabilities: Pick<Capabilities, "isFresh">;
  readonly uses: Uses;
  /** Told of what was refused for want of authority. */
  readonly violations: Pick<Violations, "note">;
  /** What the system's owner lays down for commands. */
  readonly policies: Policies;
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

/**
 * The door that every command goes through, in four steps: authorise, admit, route, append. Refusals are values with reasons;
 * what a person is to approve first is accepted, and waits (`approvals.ts`); what is accepted is durable before it is acknowledged (W1). Commands of agents (delegation) and of the system's own parts
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
  const { log, bus, registry, membership, executions, catalogue } = settings;
  const admission = createAdmission({
    executions,
    maxOpen: settings.maxOpen ?? 10_000,
    // Agents delegate where their swarm is; the seed's number where it is gone meanwhile.
    maxDelegations: (service) => settings.swarm(service)?.service.maxConcurrentDelegations ?? 100,
  });
  let closed = false;
  const waiting = createWaitingApprovals(executions);
  const endings = createEndings({
    executions,
    registry,
    ...(settings.onProblem !== undefined && { onProblem: settings.onProblem }),
  });
  const acceptances = createAcceptances({
    log,
    bus,
    registry,
    membership,
    executions,
    endings,
    swarm: settings.swarm,
    isClosed: () => closed,
  });

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

    cancel: endings.cancel,
    close() {
      closed = true;
    },
    async start(ctx) {
      await acceptances.start(ctx);
      await endings.start(ctx);
    },
    async stop(ctx) {
      await acceptances.stop(ctx);
      await endings.stop(ctx);
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
    const first = await acceptances.findFirst(ctx, executionId, request);
    if (!first.ok) return first.refusal;
    return { ok: true, executionId, repeated: true, quota: undefined, approvalId: first.approvalId };
  };

  /** The four steps, from a command to its acceptance or refusal. */
  const decide = async (ctx: Context, request: IntakeRequest): Promise<IntakeOutcome> => {
    if (closed && request.parent === undefined) {
      return refuse("stopping", "intake.stopping", "The process is stopping and takes no new commands.", {
        retryAfterMs: 1_000,
      });
    }
    // What is asked for, and does it fit? Nothing has been spent or recorded so far.
    const offers = catalogue.find(request.command, ctx.tenant);
    const agent = offers[0]?.agent;
    if (agent === undefined) {
      const near = nearestNames(request.command, catalogue.commands(ctx.tenant));
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
    const policy = settings.policies.of(request.command, agent.risk);
    const address = `command/${request.command}`;
    const asks = policy.asks !== undefined && isApprovedWith(request, agent) ? undefined : policy.asks;
    const decision = authorize(
      request.grant,
      {
        subject: request.command,
        address,
        operation: "write",
        risk: policy.risk,
        blockedBy: policy.blockedBy,
        askedBy: asks?.pattern,
        sessionId: request.grant.sessionId,
        tenant: ctx.tenant,
        args: request.args,
      },
      ctx.runtime.clock.now(),
    );
    if (decision.decision === "denied") {
      const { code, reasons } = decision;
      settings.violations.note(ctx, { grant: request.grant, code, address, reasons, risk: policy.risk });
      return refuse("denied", code, `"${request.command}" was denied.`, { reasons });
    }
    if (policy.risk === "high" && request.grant.links !== undefined && !settings.capabilities.isFresh()) {
      const why = `Which tokens were revoked is not known here, and "${request.command}" has a high risk.`;
      return refuse("unavailable", "security.revocations_unknown", why, { retryAfterMs: 1_000 });
    }
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
    const admitted = admission.admit(ctx, request, executionId, policy.limits);
    if (!admitted.ok) return await recordedOr(ctx, request, executionId, admitted.refusal);
    const use = isCounted(request.grant) ? await settings.uses.take(ctx, request.grant) : undefined;
    if (use?.ok === false) {
      admitted.leave?.();
      const { kind, code, message, retryAfterMs } = whyUnused(use);
      const refusal = refuse(kind, code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
      return await recordedOr(ctx, request, executionId, refusal);
    }
    const entered = decision.decision === "pending" ? waiting.enter(ctx.tenant) : undefined;
    if (entered !== undefined && "ok" in entered) {
      admitted.leave?.();
      await use?.giveBack();
      return await recordedOr(ctx, request, executionId, entered);
    }
    const isOfNote = policy.risk === "high" || policy.patterns.length > 0;
    const audit = isOfNote ? { risk: policy.risk, address, policies: [...policy.patterns] } : undefined;
    let accepted: Accepted;
    try {
      accepted = await acceptances.accept(ctx, {
        request,
        offers,
        executionId,
        depth,
        audit,
        asks: decision.decision === "pending" ? asks : undefined,
      });
    } catch (error) {
      admitted.leave?.();
      const { code, message } = toWire(error);
      // The log takes no larger or deeper ones; nothing was recorded.
      if (code !== "log.invalid_event") throw error;
      await use?.giveBack();
      return refuse(
        "invalid",
        "intake.unrecordable_arguments",
        `What "${request.command}" is given cannot be recorded.`,
        {
          reasons: [message],
        },
      );
    } finally {
      entered?.leave();
    }
    // What was not done, or done before, takes no use.
    if (!accepted.ok || accepted.repeated) await use?.giveBack();
    if (!accepted.ok) {
      admitted.leave?.();
      return await recordedOr(ctx, request, executionId, accepted.refusal);
    }
    // A delegation that is repeated after a crash is waited for like the first: it shares that one's place, or has one here for it.
    // What a person is asked for holds none: it may wait for days, and nothing of it is under way.
    if ((accepted.repeated && request.parent === undefined) || accepted.approvalId !== undefined) admitted.leave?.();
    else if (admitted.leave !== undefined) {
      const unlisten = executions.onSettled(executionId, admitted.leave);
      // It may have ended between the append and now, and then nobody tells of it any more; leaving twice does nothing.
      const state = await executions.get(ctx, executionId);
      if (state !== undefined && isOutcome(state.status)) {
        unlisten();
        admitted.leave();
      }
    }
    const { repeated, approvalId } = accepted;
    return { ok: true, executionId, repeated, quota: admitted.quota, approvalId };
  };

  return self;
}

/** What tells a delegated task apart from others of its parent with the same capability and arguments. */
const childKey = ({ key = "", service, process }: DelegateOptions): string => {
  if (service === undefined) return key;
  return canonicalJson(process === undefined ? [service, key] : [service, key, process]);
};
