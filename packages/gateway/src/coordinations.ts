import type { Context, JsonObject, Part, Timer } from "@viable/kernel";
import { isId, rootContext, ViableError, withContext } from "@viable/kernel";
import type { AppendOutcome, Log, NewEvent, RecordWrite, StoredEvent } from "@viable/log";
import type { Confirmation, CoordinationEventData, CoordinationView, RequestCoordination } from "@viable/protocol";
import type { Grant } from "@viable/security";

/** Those that are open, so that any process finds them after a crash: `gateway/coordination/<id>`. */
const keyPrefix = "gateway/coordination/";
/** Open at once in a process: each is a timer and some 500 bytes. */
const maxOpen = 10_000;
/** How often a decision is taken again where others decided meanwhile; there are a hundred of them at most. */
const maxTries = 100;
/** Events of one: it is asked for, 100 say something, it is settled. */
const maxEvents = 200;
/** How long after the time is over a process other than the one that asked says so, in milliseconds: whoever is first says it for all. */
const graceMs = 250;
/** When settling is tried again where the log did not take it, in milliseconds. */
const againMs = 1_000;

/** What a coordination is: the fold of its stream. States: pending → approved | rejected | timed_out. */
interface State {
  readonly version: number;
  readonly tenant: string;
  readonly sessionId: string;
  readonly requested: CoordinationEventData<"coordination.requested">;
  readonly requestedAt: number;
  readonly confirmations: readonly (CoordinationEventData<"coordination.confirmed"> & { readonly at: number })[];
  readonly outcome: CoordinationEventData<"coordination.settled">["outcome"] | undefined;
  readonly settledAt: number | undefined;
}

/** Whether somebody's word was taken, and how it stands then; or why it was not. */
export type Confirmed =
  | { readonly ok: true; readonly view: CoordinationView }
  | { readonly ok: false; readonly reason: "unknown" | "settled" | "own" | "said" };

/** Who speaks, and by which capability. */
export interface Speaker {
  readonly grant: Grant;
  /** The capability that stands for this client, however it narrows it. */
  readonly client: string;
}

/**
 * Asks the clients of a session whether something may be: so many others must say yes before its time is over, and one no is a no. All of it is events
 * of the session, so every client sees it.
 *
 * Promised: it is settled once, whichever processes die and come; each client's word counts once, and the asking one's not at all. Not promised: that two
 * clients are two persons; whoever opened the session can let in as many as they like.
 */
export interface Coordinations extends Part {
  /** Throws `gateway.too_many_coordinations`. */
  request(ctx: Context, sessionId: string, by: Speaker, request: RequestCoordination): Promise<CoordinationView>;
  confirm(ctx: Context, id: string, by: Speaker, word: Confirmation): Promise<Confirmed>;
  /** Of the context's tenant; and of the grant's session, where it is bound to one. */
  find(ctx: Context, grant: Grant, id: string): Promise<CoordinationView | undefined>;
}

export function createCoordinations(log: Log): Coordinations {
  const timers = new Map<string, Timer>();
  let life: Context | undefined;
  let unwatch = () => {};

  const load = async (ctx: Context, id: string): Promise<State | undefined> => {
    if (!isId("apr", id)) return undefined;
    const state = fold(await log.readStream(ctx, streamOf(id), { limit: maxEvents }));
    return state?.tenant === ctx.tenant ? state : undefined;
  };

  const append = (
    ctx: Context,
    id: string,
    state: State,
    events: readonly NewEvent[],
    records: readonly RecordWrite[],
  ) =>
    log.append(withContext(ctx, { tenant: state.tenant }), {
      streams: [{ stream: streamOf(id), expected: state.version, events, session: state.sessionId }],
      records,
    });

  /** Says that the time is over, unless it is settled. */
  const timeOut = async (ctx: Context, id: string): Promise<void> => {
    for (let tries = 0; tries < maxTries; tries++) {
      const state = await load(ctx, id);
      if (state === undefined || state.outcome !== undefined) return;
      const outcome = await append(ctx, id, state, [settled("timed_out")], [closed(id)]);
      if (outcome.ok) return;
      if (outcome.reason === "overloaded") throw notRecorded(outcome);
    }
  };

  const keep = (id: string, tenant: string, deadline: number) => {
    if (life === undefined || timers.has(id) || timers.size >= maxOpen) return;
    const { runtime } = life;
    const due = () => {
      timers.delete(id);
      const ctx = rootContext(runtime, { tenant, principal: "system" });
      // Who cannot say so now tries again: nobody else may be there.
      void timeOut(ctx, id).catch(() => keep(id, tenant, runtime.clock.now() + againMs));
    };
    timers.set(
      id,
      runtime.clock.setTimer(due, Math.max(0, deadline - runtime.clock.now()) + graceMs, { background: true }),
    );
  };
  const letGo = (id: string) => {
    timers.get(id)?.cancel();
    timers.delete(id);
  };

  return {
    async start(ctx) {
      life = ctx;
      unwatch = await log.watchRecords(ctx, keyPrefix, ({ key, value }) => {
        const id = key.slice(keyPrefix.length);
        if (value === null) return letGo(id);
        const { tenant, deadline } = value as { readonly tenant: string; readonly deadline: number };
        keep(id, tenant, deadline);
      });
    },
    async stop() {
      unwatch();
      for (const id of [...timers.keys()]) letGo(id);
      life = undefined;
    },
    async request(ctx, sessionId, { client }, { operation, details, requiredConfirmations, timeoutMs }) {
      if (timers.size >= maxOpen)
        throw new ViableError("gateway.too_many_coordinations", `${maxOpen} coordinations are open.`, {
          retryable: true,
        });
      const id = ctx.runtime.ids.next("apr");
      const deadline = ctx.runtime.clock.now() + timeoutMs;
      const data: CoordinationEventData<"coordination.requested"> = {
        operation,
        ...(details !== undefined && { details }),
        requiredConfirmations,
        deadline,
        by: ctx.principal,
        client,
      };
      const outcome = await log.append(ctx, {
        streams: [
          {
            stream: streamOf(id),
            expected: 0,
            events: [{ type: "coordination.requested", data: data as JsonObject }],
            session: sessionId,
          },
        ],
        records: [{ key: keyPrefix + id, value: { tenant: ctx.tenant, deadline }, expected: 0 }],
      });
      if (!outcome.ok) throw notRecorded(outcome);
      return await view(ctx, id);
    },
    async confirm(ctx, id, { grant, client }, { decision, reason }) {
      for (let tries = 0; tries < maxTries; tries++) {
        const state = await load(ctx, id);
        if (state === undefined || !isOf(grant, state)) return { ok: false, reason: "unknown" };
        const verdict = judge(state, client, decision, ctx.runtime.clock.now());
        if (!verdict.ok) return verdict;
        const word: CoordinationEventData<"coordination.confirmed"> = {
          client,
          by: ctx.principal,
          decision,
          ...(reason !== undefined && { reason }),
        };
        const events: NewEvent[] = [{ type: "coordination.confirmed", data: word }];
        if (verdict.outcome !== undefined) events.push(settled(verdict.outcome));
        const outcome = await append(ctx, id, state, events, verdict.outcome === undefined ? [] : [closed(id)]);
        if (outcome.ok) return { ok: true, view: await view(ctx, id) };
        if (outcome.reason === "overloaded") throw notRecorded(outcome);
      }
      throw new ViableError("gateway.contended", "Many decide on it at once.", { retryable: true });
    },
    async find(ctx, grant, id) {
      const state = await load(ctx, id);
      return state !== undefined && isOf(grant, state) ? toView(id, state) : undefined;
    },
  };

  async function view(ctx: Context, id: string): Promise<CoordinationView> {
    const state = await load(ctx, id);
    if (state === undefined) throw new ViableError("gateway.coordination_not_found", `There is no ${id}.`);
    return toView(id, state);
  }
}

const streamOf = (id: string): string => `coordination:${id}`;
const closed = (id: string): RecordWrite => ({ key: keyPrefix + id, value: null, expected: "any" });
const settled = (outcome: CoordinationEventData<"coordination.settled">["outcome"]): NewEvent => ({
  type: "coordination.settled",
  data: { outcome },
});

const isOf = ({ sessionId }: Grant, state: State): boolean => sessionId === undefined || sessionId === state.sessionId;

/** What a word comes to. Pure. */
function judge(
  { requested, confirmations, outcome }: State,
  client: string,
  decision: Confirmation["decision"],
  now: number,
): { readonly ok: true; readonly outcome: "approved" | "rejected" | undefined } | (Confirmed & { readonly ok: false }) {
  // From its end on nothing counts, whether anybody has said that it is over or not.
  if (outcome !== undefined || now >= requested.deadline) return { ok: false, reason: "settled" };
  if (client === requested.client) return { ok: false, reason: "own" };
  if (confirmations.some((said) => said.client === client)) return { ok: false, reason: "said" };
  if (decision === "reject") return { ok: true, outcome: "rejected" };
  return { ok: true, outcome: confirmations.length + 1 >= requested.requiredConfirmations ? "approved" : undefined };
}

function fold(events: readonly StoredEvent[]): State | undefined {
  let state: State | undefined;
  for (const { type, data, time, version, metadata } of events) {
    if (type === "coordination.requested") {
      state = {
        version,
        tenant: metadata.tenant,
        sessionId: metadata.session ?? "",
        requested: data as unknown as CoordinationEventData<"coordination.requested">,
        requestedAt: time,
        confirmations: [],
        outcome: undefined,
        settledAt: undefined,
      };
    } else if (state !== undefined && type === "coordination.confirmed") {
      const said = data as unknown as CoordinationEventData<"coordination.confirmed">;
      state = { ...state, version, confirmations: [...state.confirmations, { ...said, at: time }] };
    } else if (state !== undefined && type === "coordination.settled") {
      const { outcome } = data as unknown as CoordinationEventData<"coordination.settled">;
      state = { ...state, version, outcome, settledAt: time };
    }
  }
  return state;
}

function toView(coordinationId: string, state: State): CoordinationView {
  const { operation, details, requiredConfirmations, by, deadline } = state.requested;
  return {
    coordinationId,
    sessionId: state.sessionId,
    operation,
    ...(details !== undefined && { details }),
    requiredConfirmations,
    status: state.outcome ?? "pending",
    requestedBy: by,
    requestedAt: new Date(state.requestedAt).toISOString(),
    deadline: new Date(deadline).toISOString(),
    ...(state.settledAt !== undefined && { settledAt: new Date(state.settledAt).toISOString() }),
    confirmations: state.confirmations.map(({ at, ...said }) => ({ ...said, at: new Date(at).toISOString() })),
  };
}

const notRecorded = (outcome: AppendOutcome & { readonly ok: false }): ViableError =>
  new ViableError("gateway.coordination_not_recorded", `It could not be recorded: ${outcome.reason}.`, {
    retryable: true,
  });
