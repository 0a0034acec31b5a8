import type { Bus } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, JsonValue, Part } from "@viable/kernel";
import { createTurns, rootContext, ViableError, withContext } from "@viable/kernel";
import type { AppendOutcome, Log, NewEvent, Position } from "@viable/log";
import { startPosition } from "@viable/log";
import type { Claim } from "@viable/protocol";
import { isOutcome } from "@viable/protocol";
import type { Registry, RouteOutcome } from "@viable/registry";
import type { Asks } from "@viable/security";
import type { AcceptedTask } from "./acceptance.ts";
import { acceptance, hashOf, justAccepted, toAppend } from "./acceptance.ts";
import type { AgentDefinition } from "./agent.ts";
import { approvalIdOf, awaitsApproval, toApproval } from "./approvals.ts";
import { AskedProcesses, whyNot } from "./asked-processes.ts";
import type { Offer } from "./catalogue.ts";
import type { Endings } from "./endings.ts";
import type { EqualWork } from "./equal-work.ts";
import { maxFollowers, workJoined, workStarted, workStream } from "./equal-work.ts";
import type { ExecutionEvent, ExecutionState } from "./execution.ts";
import { executionStream, holdsClaim } from "./execution.ts";
import type { Executions } from "./executions.ts";
import type { Forwarded } from "./forwarding.ts";
import { createForwarding } from "./forwarding.ts";
import type { IntakeOutcome, IntakeRequest } from "./intake-request.ts";
import { refuse } from "./intake-request.ts";
import { openWebhook } from "./open-webhook.ts";
import type { RememberedWork } from "./remembered-work.ts";
import { findRemembered } from "./remembered-work.ts";
import type { Swarm } from "./swarm.ts";

export interface AcceptancesSettings {
  readonly log: Log;
  /** One that reaches other processes; undefined where there is none. */
  readonly bus: Bus | undefined;
  readonly registry: Registry;
  readonly membership: Membership;
  readonly executions: Executions;
  readonly endings: Endings;
  /** The swarms of this process, by service. */
  swarm(service: string): Swarm | undefined;
  /** Whether this process takes up nothing more. */
  isClosed(): boolean;
}

/** A command that was let in, to be routed and recorded. */
export interface Admissible {
  readonly request: IntakeRequest;
  readonly executionId: string;
  /** Who offers it, at least one. */
  readonly offers: readonly Offer[];
  /** Over how many hops it came. */
  readonly depth: number;
  /** What is recorded of why it was let in; undefined where nobody asks. */
  readonly audit: AcceptedTask["data"]["audit"];
  /** A person is to approve it before it is begun; undefined where nobody is asked. */
  readonly asks: Asks | undefined;
}

export type Accepted =
  | { readonly ok: true; readonly repeated: boolean; readonly approvalId?: string | undefined }
  | { readonly ok: false; readonly refusal: IntakeOutcome & { ok: false } };

/**
 * The second half of intake: routes a command and appends its acceptance, here or in the process that it is routed to, and has it begun. What other
 * processes accept for this one, or forward to it, is begun here too.
 */
export interface Acceptances extends Part {
  accept(ctx: Context, admissible: Admissible): Promise<Accepted>;
  /** The execution that an idempotency key stands for already, if it is of the same command. */
  findFirst(ctx: Context, executionId: string, request: IntakeRequest): Promise<Accepted>;
}

/** How often it is decided again: after lost races for equal work, or a process that does not take the task. */
const maxTries = 10;

export function createAcceptances(settings: AcceptancesSettings): Acceptances {
  const { log, registry, membership, executions, endings } = settings;
  let stopListening = () => {};
  const joinTurns = createTurns();

  /** Takes up what has just been written here; answers how it stands. */
  const begin = async (
    ctx: Context,
    task: AcceptedTask,
    { position, time }: { readonly position: Position; readonly time: number | undefined },
  ): Promise<ExecutionState | undefined> => {
    const { approval } = task.data;
    // At once and from what was written: nobody may find it claimed and in no hand.
    const accepted = time === undefined || approval !== undefined ? undefined : justAccepted(ctx, task, time);
    if (accepted !== undefined && executions.note(accepted, position)) return accepted;
    // Where an earlier try had written it, or another process has, more may have come of it meanwhile.
    const state = await executions.get(ctx, task.executionId);
    // Whoever is told that it waits finds it among what does.
    if (approval !== undefined && state !== undefined && !isOutcome(state.status)) executions.note(state, position);
    return state;
  };
  /** By the swarm that has kept a place for it: where that has ended meanwhile, it gives it back. */
  const takeUp = (state: ExecutionState | undefined, { data }: AcceptedTask, swarm: Swarm | undefined): void => {
    const isOurs = state !== undefined && data.claim !== undefined && holdsClaim(state, data.claim);
    if (isOurs) swarm?.take(state);
  };

  const forwarding = createForwarding({
    bus: settings.bus,
    log,
    membership,
    async accept(ctx, task) {
      const { service, claim, deadline } = task.data;
      const isOwn = claim?.processId === membership.processId && claim.epoch === membership.epoch;
      const swarm = settings.swarm(service);
      if (settings.isClosed() || swarm === undefined) return { kind: "leaves" };
      if (!isOwn || !membership.canClaim || deadline <= ctx.runtime.clock.now()) return { kind: "refused" };
      const place = swarm.reserve(task.executionId);
      if (place === undefined) return { kind: "full" };
      try {
        const outcome = await log.append(ctx, { streams: [toAppend(task)] });
        if (!outcome.ok) return { kind: outcome.reason === "conflict" ? "conflict" : "overloaded" };
        const written = writtenAt(outcome);
        takeUp(await begin(ctx, task, written), task, swarm);
        return { kind: "accepted", ...written };
      } finally {
        place();
      }
    },
  });

  /** Begins what another process has just accepted for this one. Where the lease was lost meanwhile, whoever finds it so begins it. */
  const takeAssigned = (ctx: Context, state: ExecutionState): void => {
    const { assigned, service } = state.accepted;
    const isNew = state.version === 1;
    if (!isNew || assigned?.processId !== membership.processId || assigned.epoch !== membership.epoch) return;
    if (!membership.canClaim) return;
    const swarm = settings.swarm(service);
    // Its workers end what they hold and take up no more.
    if (settings.isClosed()) giveBack(ctx, state, assigned, "its process stops");
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

  const hasEnded = async (ctx: Context, executionId: string): Promise<boolean> => {
    const state = await executions.get(ctx, executionId);
    return state === undefined || isOutcome(state.status);
  };

  /** Decided again where equal work began or ended in between, and where the process that it was routed to does not take it. */
  const routeAndAppend = async (
    ctx: Context,
    admissible: Admissible,
    joinKey: string | undefined,
  ): Promise<Accepted> => {
    // A try that went unanswered may be written still: then the next one of the same id finds it.
    const eventId = ctx.runtime.ids.next("evt");
    const asked = new AskedProcesses(ctx.runtime.clock);
    let before: Routed | undefined;
    for (let tries = 0; tries < maxTries; tries++) {
      const now = route(ctx, admissible, asked);
      // What may be written already is not refused: it is recorded as it was routed before, and whoever runs the service has it.
      if (!now.ok && (before === undefined || !asked.isInDoubt)) return now;
      const routed = now.ok ? now : (before as Routed);
      before = routed;
      const work = joinKey === undefined ? undefined : await executions.equalWork(ctx, joinKey, tries > 0);
      const busy = work?.leader !== undefined && !(await hasEnded(ctx, work.leader));
      const remembered =
        work === undefined || busy ? undefined : await findRemembered(ctx, executions, routed.agent, work);
      const leader = busy && work.followers.length < maxFollowers ? work.leader : undefined;
      const joins =
        joinKey !== undefined && work !== undefined && remembered === undefined && (!busy || leader !== undefined)
          ? { stream: joinKey, expected: work.version, leader }
          : undefined;
      const standing: Standing = { joins, remembered, isDoneAnew: leader === undefined && remembered === undefined };
      const outcome = await append(ctx, admissible, routed, standing, eventId, asked);
      if (outcome !== "again") return outcome;
    }
    return {
      ok: false,
      refusal: refuse("overloaded", "intake.contended", "Equal tasks began and ended too quickly to join.", {
        retryAfterMs: 50,
      }),
    };
  };

  const route = (
    ctx: Context,
    { request, executionId, offers, asks }: Admissible,
    asked: AskedProcesses,
  ): (Routed & { readonly ok: true }) | (Accepted & { ok: false }) => {
    const routed = registry.route(request.command, {
      key: executionId,
      service: request.service,
      process: request.process,
      isPutOff: asks !== undefined,
      tenant: ctx.tenant,
      whyNot: (processId) =>
        asked.whyNot(processId) ?? (forwarding.isSilent(ctx.runtime, processId) ? whyNot.unanswered : undefined),
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
    if (agent !== undefined) return { ...routed, agent };
    const what = `${chosen.service} offers "${request.command}", but this process's config does not know it.`;
    return { ok: false, refusal: refuse("unavailable", "intake.unknown_service", what) };
  };

  /** Appends the acceptance, where it is to be; `again` where somebody else came first at the equal work, or another may take the task. */
  const append = async (
    ctx: Context,
    admissible: Admissible,
    routed: Routed,
    standing: Standing,
    eventId: string,
    asked: AskedProcesses,
  ): Promise<Accepted | "again"> => {
    const { decision, local, agent } = routed;
    const { joins, isDoneAnew } = standing;
    if (local || !isDoneAnew || admissible.asks !== undefined)
      return await appendHere(ctx, admissible, routed, standing, eventId, asked, {});
    const { processId, epoch } = decision.chosen;
    const claim = { processId, epoch, attempt: 1 };
    let forwarded: Forwarded = { kind: "unsent" };
    // Equal work is for one process to say; and what is written beside an acceptance, by whoever knows of it.
    if (joins === undefined && admissible.request.webhookUrl === undefined) {
      const task = toTask(ctx, admissible, routed, standing, eventId, { claim });
      forwarded = await forwarding.forward(ctx, processId, task);
      if (forwarded.kind === "accepted") {
        const state = await begin(ctx, task, forwarded);
        if (state !== undefined) endings.watch(ctx, state);
        return { ok: true, repeated: false };
      }
      if (forwarded.kind === "conflict") return await self.findFirst(ctx, admissible.executionId, admissible.request);
      if (forwarded.kind !== "unsent" && asked.note(processId, whyNot[forwarded.kind]) && asked.mayGoOn) return "again";
    }
    // There is nobody else. Who begins it is told with its acceptance, unless that one has no place for it or does not answer: then it claims it when
    // it can. What may be begun only once is claimed by whoever begins it: that one may be gone unheard of.
    const isTold =
      (forwarded.kind === "unsent" || forwarded.kind === "leaves") && !asked.isInDoubt && agent.maxAttempts > 1;
    return await appendHere(ctx, admissible, routed, standing, eventId, asked, isTold ? { assigned: claim } : {});
  };

  const appendHere = async (
    ctx: Context,
    admissible: Admissible,
    routed: Routed,
    standing: Standing,
    eventId: string,
    asked: AskedProcesses,
    told: Pick<AcceptedTask["data"], "assigned">,
  ): Promise<Accepted | "again"> => {
    const { executionId, asks } = admissible;
    const { joins, remembered, isDoneAnew } = standing;
    const { chosen } = routed.decision;
    // What waits for a person has no place and no claim: nothing of it is begun.
    const swarm = routed.local && isDoneAnew && asks === undefined ? settings.swarm(chosen.service) : undefined;
    // A place is kept before anything is recorded, so that a burst cannot be accepted beyond the bound.
    const place = swarm?.reserve(executionId);
    const { processId, epoch } = membership;
    if (swarm !== undefined && place === undefined) {
      if (asked.note(processId, whyNot.full) && asked.mayGoOn) return "again";
      if (!asked.isInDoubt)
        return {
          ok: false,
          refusal: refuse("overloaded", "swarm.overloaded", `The queue of ${chosen.service} is full.`, {
            retryAfterMs: 1_000,
          }),
        };
    }
    const isBegun = place !== undefined && membership.canClaim;
    const begun = isBegun ? { claim: { processId, epoch, attempt: 1 } } : told;
    const task = toTask(ctx, admissible, routed, standing, eventId, begun);
    try {
      const own = toAppend(task, remembered && outcomeOf(remembered));
      const outcome = await log.append(ctx, {
        streams: [own, ...(joins ? [meetingOf(joins, executionId)] : [])],
        ...(task.data.webhookUrl !== undefined && { records: [openWebhook(ctx.tenant, executionId)] }),
      });
      if (!outcome.ok) return await refuseAppend(ctx, admissible, outcome, asked.isInDoubt);
      if (remembered !== undefined) return { ok: true, repeated: false };
      const state = await begin(ctx, task, writtenAt(outcome));
      if (state !== undefined) endings.watch(ctx, state);
      takeUp(state, task, swarm);
      return { ok: true, repeated: false, approvalId: asks && approvalIdOf(executionId) };
    } finally {
      place?.();
    }
  };

  const refuseAppend = async (
    ctx: Context,
    { executionId, request }: Admissible,
    outcome: AppendOutcome & { ok: false },
    isInDoubt: boolean,
  ): Promise<Accepted | "again"> => {
    if (outcome.reason === "overloaded" && isInDoubt)
      throw new ViableError(
        "intake.in_doubt",
        "Whether the task was accepted is not known: a process that was asked to has not answered, and the log takes no more.",
        { retryable: true, next: "Send it again, under the same idempotency key if it has one." },
      );
    if (outcome.reason === "overloaded")
      return {
        ok: false,
        refusal: refuse("overloaded", "log.overloaded", `${outcome.waiting} appends are waiting for the database.`, {
          retryAfterMs: outcome.retryAfterMs,
        }),
      };
    const isTaken = outcome.reason === "conflict" && outcome.stream === executionStream(executionId);
    return isTaken ? await self.findFirst(ctx, executionId, request) : "again";
  };

  const self: Acceptances = {
    async accept(ctx, admissible) {
      const { request, offers, asks } = admissible;
      // Work that is under way may be another service's: who asks one by name wants its own answer.
      // What a person is asked for is done for whoever asked, once and anew: an answer that another was approved for is none to it.
      const joinable = offers[0]?.agent.joinable === true && request.service === undefined && asks === undefined;
      if (!joinable) return await routeAndAppend(ctx, admissible, undefined);
      // Equal tasks of this process take turns, so that a crowd of them joins one by one instead of conflicting all at once.
      const joinKey = workStream(ctx.tenant, request.command, request.args);
      return await joinTurns.take(joinKey, () => routeAndAppend(ctx, admissible, joinKey));
    },
    async findFirst(ctx, executionId, request) {
      const first = await executions.get(ctx, executionId);
      if (first?.accepted.bodyHash === bodyHashOf(request))
        return {
          ok: true,
          repeated: true,
          approvalId: first && awaitsApproval(first) ? approvalIdOf(executionId) : undefined,
        };
      return {
        ok: false,
        refusal: refuse(
          "mismatch",
          "intake.idempotency_mismatch",
          "This idempotency key was used for another command.",
          { reasons: ["A key stands for one command with the same arguments; take a new key for a new one."] },
        ),
      };
    },
    async start(ctx) {
      const own = rootContext(ctx.runtime);
      stopListening = executions.onWork((state) => takeAssigned(own, state));
      await forwarding.start(ctx);
    },
    async stop(ctx) {
      await forwarding.stop(ctx);
      stopListening();
    },
  };
  return self;
}

/** Where a task goes, and who does it there. */
type Routed = RouteOutcome & { readonly ok: true } & { readonly agent: AgentDefinition };

/** How a task stands to equal work: what it joins or begins, and the answer that is there already. */
interface Standing {
  readonly joins:
    | { readonly stream: string; readonly expected: EqualWork["version"]; readonly leader: string | undefined }
    | undefined;
  readonly remembered: RememberedWork | undefined;
  /** Whether it is for an agent to do: nobody does it now, or has. */
  readonly isDoneAnew: boolean;
}

const toTask = (
  ctx: Context,
  { request, executionId, depth, audit, asks }: Admissible,
  { decision, agent }: Routed,
  { joins, remembered, isDoneAnew }: Standing,
  eventId: string,
  begun: Pick<AcceptedTask["data"], "claim" | "assigned">,
): AcceptedTask => ({
  executionId,
  eventId,
  data: acceptance(ctx, request, agent, decision, {
    executionId,
    depth,
    bodyHash: bodyHashOf(request),
    joinKey: joins?.stream,
    joinedTo: remembered?.executionId ?? joins?.leader,
    ...(remembered !== undefined && { remembered: true }),
    ...(isDoneAnew && begun),
    audit,
    approval: asks && toApproval(ctx, { request, executionId, asks }, agent),
  }),
  session: request.grant.sessionId,
  correlation: request.parent?.correlation ?? executionId,
  causation: request.parent?.executionId,
});

const meetingOf = ({ stream, expected, leader }: NonNullable<Standing["joins"]>, executionId: string) => ({
  stream,
  expected,
  events: [leader === undefined ? workStarted(executionId) : workJoined(executionId)],
});

/** Where an append of events stands in the log, and when they were written: as far as that is known. */
const writtenAt = ({ position = startPosition, time }: AppendOutcome & { ok: true }) => ({ position, time });

/** What is recorded with the acceptance of a task whose result is known already. */
const outcomeOf = ({ executionId, result }: RememberedWork): readonly NewEvent[] => [
  { type: "execution.completed", data: { result, joinedTo: executionId } },
];

const bodyHashOf = (request: IntakeRequest): string | undefined =>
  request.idempotencyKey === undefined ? undefined : hashOf(bodyOf(request));

/**
 * What a repeat under the same key must equal: a task that is asked of one service is another than the same asked of all, and one whose outcome
 * is sent somewhere another than one whose is not.
 */
const bodyOf = ({ command, args, service, process, webhookUrl }: IntakeRequest): JsonValue => {
  if (webhookUrl !== undefined) return [command, args, service ?? null, process ?? null, { webhookUrl }];
  if (service === undefined) return [command, args];
  return process === undefined ? [command, args, service] : [command, args, service, process];
};
