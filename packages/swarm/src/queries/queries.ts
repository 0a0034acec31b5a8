import type { Bus } from "@viable/bus";
import { maxMessageChars, toSubjectToken } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, JsonObject, JsonValue, Part } from "@viable/kernel";
import { codeOf, invariant, keepJson, nearestNames, throwIfDone, toRecordableError, withContext } from "@viable/kernel";
import type { ConcurrencyLimit } from "@viable/limits";
import { createConcurrencyLimit } from "@viable/limits";
import type { Log, Projections } from "@viable/log";
import { maxHops, toFieldProblems } from "@viable/protocol";
import type { EndedTask, Registry } from "@viable/registry";
import type { Grant, SignedGrants, Uses, Violations } from "@viable/security";
import { attenuate, authorize, createSignedGrants, isCounted, openSystemKey, whyUnused } from "@viable/security";
import type { AccessCounter } from "../access-counter.ts";
import { createMemory, globalMemoryService } from "../memory-records.ts";
import { readProjection } from "../projection-reader.ts";
import type { QueryDefinition } from "./query.ts";
import type { QueryReach } from "./query-call.ts";
import { QueryCall } from "./query-call.ts";
import type { QueryCatalogue, QueryOffer } from "./query-catalogue.ts";
import type { QueryOutcome, QueryRefusal } from "./query-outcome.ts";
import { refuseQuery } from "./query-outcome.ts";

/** A message of the bus holds an answer, and what is said around it. */
const maxAnswerChars = maxMessageChars - 10_000;
/** How many processes are asked one after the other, where one does not answer or is full: more would only add to what is too much already. */
const maxTries = 3;
/**
 * How long whom to ask holds once it was found, in milliseconds: loads are told once a second, so asking the registry for each question finds
 * nothing new and costs as much as a tenth of the question. A process that has died meanwhile is passed over as one that does not answer.
 */
const askedForMs = 20;
/** Whom to ask of how many queries and tenants is kept at once; beyond it all is found anew. Some 200 bytes each. */
const maxAsked = 1_000;
/** Grants of others that are known by their signature alone: some 500 bytes each, 5 MB. When there are as many, all are sent once more. */
const maxHeard = 10_000;
/** Processes that are noted to know a grant; when there are as many, it is told them once more. */
const maxTold = 1_000;
/** When it is worth asking again what is full here, in milliseconds: answers take less. */
const overloadedMs = 100;
/** Questions of other processes that are looked at here at once, and that may wait for that; each query has a bound of its own, too. */
const remoteBounds = { maxConcurrent: 2_000, maxWaiting: 10_000 };

export interface QueriesSettings {
  readonly log: Log;
  readonly bus: Bus;
  readonly registry: Registry;
  readonly membership: Membership;
  readonly catalogue: QueryCatalogue;
  readonly projections: Projections;
  readonly accesses: AccessCounter;
  /** Whether this process runs a service, and may be asked for it: not where it is drained. */
  isHosted(service: string): boolean;
  readonly uses: Uses;
  /** Told of what was refused for want of authority. */
  readonly violations: Pick<Violations, "note">;
}

export interface QueryRequest {
  readonly grant: Grant;
  readonly query: string;
  readonly args: JsonValue;
  /** Over how many hops it came here: queries may ask queries. 0 unless told. */
  readonly hops?: number;
}

/** Counts of this process since it started. */
export interface QueriesStats {
  /** Asked here, and what came of it. */
  readonly asked: number;
  readonly answered: number;
  readonly refused: number;
  readonly failed: number;
  /** Of those asked here, which another process was asked. */
  readonly remote: number;
  /** Answered here for other processes. */
  readonly served: number;
}

/**
 * Questions to services: authorised, bounded and traced, answered at once, and not recorded. A process that runs a service which answers is
 * asked first, this one before all others; where one is full or does not answer, up to two others are.
 *
 * Promised: nobody is asked who may not be (W4, W11), here and again where it is answered; an answer is a copy that nobody can change; what waits is
 * bounded by the caller's deadline and the query's time (W10). Not promised: that a query is answered once: it may be asked again elsewhere, which
 * changes nothing, since it reads.
 */
export interface Queries extends Part {
  ask(ctx: Context, request: QueryRequest): Promise<QueryOutcome>;
  readonly catalogue: QueryCatalogue;
  stats(): QueriesStats;
}

export function createQueries(settings: QueriesSettings): Queries {
  const { log, bus, registry, membership, catalogue } = settings;
  const limits = new Map<QueryDefinition, ConcurrencyLimit>();
  const counts = { asked: 0, answered: 0, refused: 0, failed: 0, remote: 0, served: 0 };
  const asked = new Map<string, Asked>();
  /** Grants of others, by their signatures. */
  const heard = new Map<string, Grant>();
  /** Processes that were told of a grant of this one's. */
  const told = new WeakMap<Grant, Set<string>>();
  let signed: SignedGrants | undefined;
  let unsubscribe = () => {};

  const limitOf = (query: QueryDefinition): ConcurrencyLimit => {
    const known = limits.get(query);
    if (known !== undefined) return known;
    const made = createConcurrencyLimit({ max: query.maxConcurrent });
    limits.set(query, made);
    return made;
  };
  const reach: QueryReach = {
    memory: (own, service) => createMemory(log, own, service, settings.accesses),
    globalMemory: (own) => createMemory(log, own, globalMemoryService, settings.accesses),
    projection: (own, name) => readProjection(own, log, settings.projections, name),
    ask(ctx, by, query, args) {
      const principal = `agent:${by.service}/${by.query}`;
      const grant = attenuate(by.request.grant, { principal, clientType: "agent" });
      return self.ask(ctx, { grant, query, args, hops: (by.request.hops ?? 0) + 1 });
    },
  };

  /** Whether it may be asked at all, and with these arguments: the same here and where it is answered. */
  const judge = (ctx: Context, { grant, query, args, hops = 0 }: QueryRequest, now: number): Judged => {
    const offers = catalogue.find(query, ctx.tenant);
    const first = offers[0];
    if (first === undefined) {
      const near = nearestNames(query, catalogue.names(ctx.tenant));
      const reasons = near.length === 0 ? [] : [`Did you mean ${near.join(", ")}?`];
      return refuseQuery("unknown", "query.unknown", `There is no query "${query}".`, { reasons });
    }
    const { tenant } = ctx;
    const { sessionId } = grant;
    const address = `query/${query}`;
    const wanted = { subject: query, address, operation: "read", risk: "low", sessionId, tenant, args } as const;
    const decision = authorize(grant, wanted, now);
    if (decision.decision === "denied") {
      const { code, reasons } = decision;
      settings.violations.note(ctx, { grant, code, address, reasons, risk: "low" });
      return refuseQuery("denied", code, `"${query}" was denied.`, { reasons });
    }
    if (hops > maxHops)
      return refuseQuery("denied", "query.too_deep", `It was asked over more than ${maxHops} hops.`, {
        reasons: ["Queries seem to ask each other in a circle."],
      });
    const parsed = first.query.input.safeParse(args);
    if (parsed.success) return { ok: true, offers, input: parsed.data };
    const errors = toFieldProblems(parsed.error, "args");
    return refuseQuery("invalid", "query.invalid_arguments", `The arguments do not fit "${query}".`, {
      reasons: errors.map(({ path, reason }) => `${path}: ${reason}`),
      errors,
    });
  };

  /** Answers at once where the query does: a promise that nobody needs costs as much as all the rest. */
  const answerHere = (
    ctx: Context,
    request: QueryRequest,
    offer: QueryOffer,
    input: unknown,
    now: number,
  ): QueryOutcome | Promise<QueryOutcome> => {
    const { query, service } = offer;
    const place = limitOf(query).tryEnter();
    if (!place.ok)
      return refuseQuery(
        "overloaded",
        "query.overloaded",
        `${place.max} of "${query.name}" are answered at this time.`,
        {
          retryAfterMs: overloadedMs,
        },
      );
    const deadline = Math.min(ctx.deadline ?? Number.POSITIVE_INFINITY, now + query.timeoutMs);
    const call = new QueryCall(ctx, { service: service.name, query: query.name, request }, deadline, reach);
    const answeredBy = { service: service.name, processId: membership.processId };
    let isUnderWay = false;
    try {
      throwIfDone(ctx);
      const answered = query.answer(call, input as never);
      if (!isPromise(answered)) return keepAnswer(query.name, answered, answeredBy);
      isUnderWay = true;
      return call
        .settled(answered)
        .then((result) => keepAnswer(query.name, result, answeredBy))
        .catch((error: unknown) => refuseThrown(query.name, error))
        .finally(place.leave);
    } catch (error) {
      return refuseThrown(query.name, error);
    } finally {
      if (!isUnderWay) place.leave();
    }
  };

  /**
   * Who runs a service that answers it, the best first, as the registry has them; a refusal where nobody does. Kept for a moment, unless it goes
   * by chance or tries whether somebody is well again: that is decided for each question.
   */
  const whomToAsk = (ctx: Context, query: string): Asked | QueryOutcome => {
    const kept = keyOf(ctx.tenant, query);
    const nowMs = ctx.runtime.clock.monotonicMs();
    const before = asked.get(kept);
    if (before !== undefined && nowMs < before.untilMs) return before;
    // Whom it goes to by chance, where a rule says so, goes by its number.
    const key = `query ${counts.asked}`;
    const routed = registry.route(query, { tenant: ctx.tenant, key, isQuery: true });
    if (!routed.ok) {
      const [message = "", ...reasons] = routed.reasons;
      return refuseQuery("unavailable", routed.code, message, { reasons, retryAfterMs: 1_000 });
    }
    const { chosen, candidates, rule, migration, probe } = routed.decision;
    const others = candidates.filter(({ processId }) => processId !== chosen.processId);
    const processes = [chosen, ...others]
      .slice(0, maxTries)
      .map(({ processId, service }) => ({ processId, service, subject: subjectOf(processId) }));
    const found = { key, processes, untilMs: nowMs + askedForMs };
    if (rule !== undefined || migration !== undefined || probe === true) return found;
    if (asked.size >= maxAsked) asked.clear();
    asked.set(kept, found);
    return found;
  };
  const askElsewhere = async (
    ctx: Context,
    request: QueryRequest,
    offers: readonly QueryOffer[],
    /** What is answered where there is nobody else: this process is full. */
    refusal?: QueryOutcome,
  ): Promise<QueryOutcome> => {
    const { query } = request;
    const found = whomToAsk(ctx, query);
    if (!("processes" in found)) return refusal ?? found;
    counts.remote += 1;
    const timeoutMs = Math.max(...offers.map((offer) => offer.query.timeoutMs));
    const { clock } = ctx.runtime;
    const deadline = Math.min(ctx.deadline ?? Number.POSITIVE_INFINITY, clock.now() + timeoutMs);
    let last = refusal ?? refuseQuery("unavailable", "query.unreachable", `Nobody could be asked "${query}".`);
    const processes = found.processes.filter(({ processId }) => processId !== membership.processId);
    for (const [index, each] of processes.entries()) {
      // Who does not answer leaves time to ask another.
      const givenMs = (deadline - clock.now()) / (processes.length - index);
      last = await askProcess(withContext(ctx, { deadline: clock.now() + givenMs }), each, request);
      const end = endOf(last, givenMs);
      if (end !== undefined)
        registry.taskEnded({ key: found.key, service: each.service, processId: each.processId, end, isQuery: true });
      // Who failed may be left out from now on.
      if (end !== "done") asked.delete(keyOf(ctx.tenant, query));
      const isOver = clock.now() >= deadline || (!last.ok && last.kind === "cancelled");
      if (isOver || last.ok || !worthAnother.has(last.kind)) return last;
    }
    return last;
  };
  /** By whose authority: the whole grant the first time, then what it was signed with. It is most of a question. */
  const askProcess = async (ctx: Context, to: AskedProcess, request: QueryRequest): Promise<QueryOutcome> => {
    const { query, args, hops = 0, grant } = request;
    const text = signedGrants().sign(grant);
    const knowing = told.get(grant) ?? new Set();
    if (knowing.has(to.processId)) {
      const outcome = await send(ctx, to, query, {
        query,
        args,
        hops,
        service: to.service,
        signature: signatureOf(text),
      });
      if (outcome.ok || outcome.error.code !== unknownSignature) return outcome;
    }
    const outcome = await send(ctx, to, query, { query, args, hops, service: to.service, grant: text });
    if (!outcome.ok) return outcome;
    if (knowing.size >= maxTold) knowing.clear();
    told.set(grant, knowing.add(to.processId));
    return outcome;
  };
  const send = (ctx: Context, to: AskedProcess, query: string, message: JsonObject): Promise<QueryOutcome> =>
    bus.request(ctx, to.subject, message).then(
      (outcome) => outcome as unknown as QueryOutcome,
      (error: unknown) => {
        const code = codeOf(error) ?? "";
        if (code.startsWith("context.")) return refuseThrown(query, error);
        const { message: why } = toRecordableError(error);
        if (code === "bus.invalid_message")
          return refuseQuery(
            "invalid",
            "query.arguments_too_large",
            `The arguments of "${query}" are more than can be asked of another process.`,
            {
              reasons: [why],
            },
          );
        return refuseQuery("unavailable", "query.unreachable", `"${query}" could not be asked of ${to.processId}.`, {
          reasons: [why],
          retryAfterMs: 1_000,
        });
      },
    );

  /** The grant that a question comes under: as it was signed by a process of this system, now or before. */
  const readGrant = (text: unknown): Grant | undefined => {
    const grant = typeof text === "string" ? signedGrants().read(text) : undefined;
    if (grant === undefined) return undefined;
    if (heard.size >= maxHeard) heard.clear();
    heard.set(signatureOf(text as string), grant);
    return grant;
  };
  /** A question of another process. Its word for who asks counts where it is signed by one of this system. */
  const answerOther = async (ctx: Context, message: JsonObject): Promise<QueryOutcome> => {
    const { query, args, hops, signature } = message;
    const grant = typeof signature === "string" ? heard.get(signature) : readGrant(message.grant);
    if (grant === undefined && typeof signature === "string")
      return refuseQuery("denied", unknownSignature, "Whose signature this is has been forgotten: send the grant.");
    if (grant === undefined || grant.tenant !== ctx.tenant || typeof query !== "string" || !Number.isInteger(hops))
      return refuseQuery("denied", "query.unknown_authority", "Nobody of this system asks this.");
    const request = { grant, query, args: args ?? null, hops: hops as number };
    // Who speaks on the bus is whoever sent the message; who asks is whom the grant names.
    const asker = withContext(ctx, { principal: grant.principal });
    const now = asker.runtime.clock.now();
    const judged = judge(asker, request, now);
    if (!judged.ok) return judged;
    const own = judged.offers.find(
      ({ service }) => service.name === message.service && settings.isHosted(service.name),
    );
    if (own === undefined)
      return refuseQuery("unavailable", "query.not_here", `${membership.processId} does not answer "${query}".`);
    counts.served += 1;
    return await answerHere(asker, request, own, judged.input, now);
  };

  const signedGrants = (): SignedGrants => {
    invariant(signed !== undefined, "W4", "queries are asked before they have started");
    return signed;
  };

  const self: Queries = {
    catalogue,
    async start(ctx) {
      signed = createSignedGrants(await openSystemKey(ctx, log));
      unsubscribe = bus.subscribe(subjectOf(membership.processId), remoteBounds, (asker, message) =>
        answerOther(asker, message).then(toAnswer),
      );
    },
    async stop() {
      unsubscribe();
    },
    async ask(ctx, request) {
      counts.asked += 1;
      const now = ctx.runtime.clock.now();
      const judged = judge(ctx, request, now);
      const answered = judged.ok ? askCounted(ctx, request, judged, now) : judged;
      const outcome = answered instanceof Promise ? await answered : answered;
      if (outcome.ok) counts.answered += 1;
      else if (outcome.kind === "failed" || outcome.kind === "timed_out") counts.failed += 1;
      else counts.refused += 1;
      return outcome;
    },
    stats: () => ({ ...counts }),
  };

  /** Takes a use of a capability that has a number of them; where nobody could be asked, it is given back. */
  const askCounted = (
    ctx: Context,
    request: QueryRequest,
    judged: Judged & { readonly ok: true },
    now: number,
  ): QueryOutcome | Promise<QueryOutcome> => {
    if (!isCounted(request.grant)) return askBest(ctx, request, judged, now);
    const count = async (): Promise<QueryOutcome> => {
      const use = await settings.uses.take(ctx, request.grant);
      if (!use.ok) {
        const { kind, code, message, retryAfterMs } = whyUnused(use);
        return refuseQuery(kind, code, message, retryAfterMs === undefined ? {} : { retryAfterMs });
      }
      const outcome = await askBest(ctx, request, judged, now);
      if (!outcome.ok && (outcome.kind === "overloaded" || outcome.kind === "unavailable")) await use.giveBack();
      return outcome;
    };
    return count();
  };

  const askBest = (
    ctx: Context,
    request: QueryRequest,
    { offers, input }: Judged & { readonly ok: true },
    now: number,
  ): QueryOutcome | Promise<QueryOutcome> => {
    const own = offers.find(({ service }) => settings.isHosted(service.name));
    if (own === undefined) return askElsewhere(ctx, request, offers);
    const outcome = answerHere(ctx, request, own, input, now);
    const isFull = "ok" in outcome && !outcome.ok && outcome.kind === "overloaded";
    return isFull ? askElsewhere(ctx, request, offers, outcome) : outcome;
  };

  return self;
}

type Judged =
  | { readonly ok: true; readonly offers: readonly QueryOffer[]; readonly input: unknown }
  | (QueryOutcome & { readonly ok: false });

/** Refusals that another process may have an answer for. */
const worthAnother: ReadonlySet<QueryRefusal> = new Set(["unavailable", "overloaded", "timed_out"]);
/** A question that was given less time than this, in milliseconds, says nothing by running out of it: so long may a healthy process be busy. */
const minFairMs = 2_000;

/**
 * What an outcome says of the swarm that was asked; nothing where it could not be asked, which is the bus's doing, or had too little time, which
 * is the caller's. One that is full does its part.
 */
function endOf(outcome: QueryOutcome, givenMs: number): EndedTask["end"] | undefined {
  if (outcome.ok) return "done";
  if (outcome.kind === "timed_out") return givenMs >= minFairMs ? "timed_out" : undefined;
  return outcome.kind === "unavailable" || outcome.kind === "cancelled" ? undefined : "done";
}

/** Whom to ask a query of a tenant's, and until when that holds, in monotonic milliseconds. */
interface Asked {
  /** What the registry knows the question by that found them. */
  readonly key: string;
  readonly processes: readonly AskedProcess[];
  readonly untilMs: number;
}
interface AskedProcess {
  readonly processId: string;
  readonly service: string;
  readonly subject: string;
}

const keyOf = (tenant: string, query: string): string => `${tenant} ${query}`;

/** Answered where a signature is not known, and never handed on: the question is asked again with the grant. */
const unknownSignature = "query.unknown_signature";

/** What a grant was signed with: nobody without the key can have made it, so it stands for the grant where that was seen. */
const signatureOf = (text: string): string => text.slice(text.lastIndexOf(".") + 1);

const subjectOf = (processId: string): string => `queries.${toSubjectToken(processId)}`;

/** Outcomes are JSON: what is left out of them where it is undefined is left out on the way, too. */
const toAnswer = (outcome: QueryOutcome): JsonValue => outcome as unknown as JsonValue;

function keepAnswer(
  query: string,
  result: JsonValue,
  answeredBy: { readonly service: string; readonly processId: string },
): QueryOutcome {
  const kept = keepJson(result, maxAnswerChars, "answer");
  if (typeof kept === "string")
    return refuseQuery("failed", "query.invalid_answer", `"${query}" answered what is no answer: ${kept}.`);
  return { ok: true, result: kept.value, answeredBy };
}

function refuseThrown(query: string, thrown: unknown): QueryOutcome {
  const error = toRecordableError(thrown);
  if (error.code === "context.deadline_exceeded")
    return refuseQuery("timed_out", "query.timed_out", `"${query}" was not answered in time.`);
  if (error.code === "context.cancelled")
    return refuseQuery("cancelled", error.code, `Nobody waits for "${query}" any more.`);
  return { ok: false, kind: "failed", error, reasons: [] };
}

const isPromise = (value: unknown): value is Promise<JsonValue> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
