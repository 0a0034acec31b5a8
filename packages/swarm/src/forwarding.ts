import type { Bus } from "@viable/bus";
import { toSubjectToken } from "@viable/bus";
import type { Membership } from "@viable/cluster";
import type { Context, JsonObject, Part, Runtime } from "@viable/kernel";
import { codeOf, invariant, rootContext, untilSettled, waitFor } from "@viable/kernel";
import type { Log, Position } from "@viable/log";
import type { TextSigner } from "@viable/security";
import { createTextSigner, openSystemKey } from "@viable/security";
import type { AcceptedTask } from "./acceptance.ts";

/** What the process that was asked to accept a task says of it. */
export type Forwarded =
  /** It is in the log, and begun there. `time` is what its event carries; undefined where an earlier try had written it. */
  | { readonly kind: "accepted"; readonly position: Position; readonly time: number | undefined }
  /** Another is in the log under its id. */
  | { readonly kind: "conflict" }
  /** Nothing was written: it has no place for it now, or its log takes no more; it does such tasks no more; or it is not the one that was meant. */
  | { readonly kind: "full" | "overloaded" | "leaves" | "refused" }
  /** Nobody knows whether it was written, and it may still be. */
  | { readonly kind: "unanswered" }
  /** It could not be asked. */
  | { readonly kind: "unsent" };

export interface ForwardingSettings {
  /** One that reaches other processes; undefined where there is none. */
  readonly bus: Bus | undefined;
  readonly log: Log;
  readonly membership: Membership;
  /** Accepts here what another process forwards. What it rejects with is told as `unanswered`. */
  accept(ctx: Context, task: AcceptedTask): Promise<Forwarded>;
}

/**
 * Has a task accepted by the process that will do it: one process then writes all of the task's events, knows what stands before each, and is
 * not told by another that it may begin (`docs/decisions/0029-who-does-a-task-accepts-it.md`).
 *
 * What travels is signed with the system's key, there and back: on the bus may speak who must not write to the log (W4). A message that comes
 * again changes nothing, since an execution is accepted once.
 */
export interface Forwarding extends Part {
  /** Asks a process; answers within two seconds. Rejects where the context ends. */
  forward(ctx: Context, processId: string, task: AcceptedTask): Promise<Forwarded>;
  /** Whether a process did not answer a moment ago: it is not asked now. */
  isSilent(runtime: Runtime, processId: string): boolean;
}

/** What both sides sign for. The number is that of the form: a process of another release does not answer, and the task is accepted here. */
const purpose = "tasks.accept/1";
/** How long a process is waited for, in milliseconds: a healthy one may be busy for as long. */
const maxWaitMs = 2_000;
/** How long one that did not answer is not asked, in milliseconds: by then its lease has run out, if it is not only slow. */
const silentMs = 5_000;
/** Processes that are noted as silent; when there are as many, all are asked again. */
const maxSilent = 1_000;
/** How many tasks one message holds, and how many characters of them: with what JSON adds to quotes they fit what the bus carries. */
const maxBatchTasks = 256;
const maxBatchChars = 200_000;
/** Messages of other processes that are worked on here at once, and that may wait for it: each waits for a flush of the log, which takes hundreds of tasks. */
const bounds = { maxConcurrent: 500, maxWaiting: 500 };
/** Tasks whose answers are awaited; of more, each is accepted where it is asked for. */
const maxAwaited = 10_000;

export function createForwarding({ bus, log, membership, accept }: ForwardingSettings): Forwarding {
  /** What is to be sent to whom at the end of this turn of the loop. */
  const batches = new Map<string, Waiting[]>();
  /** Until when those that did not answer are left alone, in monotonic milliseconds. */
  const silent = new Map<string, number>();
  /** Answers to others that are not given yet. */
  const owed = new Set<Promise<unknown>>();
  let awaited = 0;
  let signer: TextSigner | undefined;
  let unsubscribe = () => {};

  const own = (): TextSigner => {
    invariant(signer !== undefined, "W4", "tasks are forwarded before intake has started");
    return signer;
  };

  const answer = async (ctx: Context, message: JsonObject): Promise<JsonObject | undefined> => {
    const { tasks, signature } = message;
    if (typeof tasks !== "string" || typeof signature !== "string" || !own().isSigned(tasks, signature))
      return undefined;
    const outcomes = await Promise.all(
      (JSON.parse(tasks) as TaskText[]).map(async ({ tenant, principal, traceparent, ...task }) => {
        const taskCtx = rootContext(ctx.runtime, { tenant, principal, traceparent });
        return await accept(taskCtx, task).catch((): Forwarded => ({ kind: "unanswered" }));
      }),
    );
    const text = JSON.stringify([signature, outcomes]);
    return { outcomes: text, signature: own().sign(text) };
  };

  /** What came of a batch, in its order; undefined where whoever answers is not one of this system, or answers something else. */
  const readAnswer = (answered: unknown, asked: string): readonly Forwarded[] | undefined => {
    const { outcomes: text, signature } = (answered ?? {}) as JsonObject;
    if (typeof text !== "string" || typeof signature !== "string" || !own().isSigned(text, signature)) return undefined;
    const [about, outcomes] = JSON.parse(text) as [string, Forwarded[]];
    return about === asked ? outcomes : undefined;
  };

  const isSilent = ({ clock }: Runtime, processId: string): boolean => {
    const untilMs = silent.get(processId);
    if (untilMs === undefined) return false;
    if (clock.monotonicMs() < untilMs) return true;
    silent.delete(processId);
    return false;
  };

  const send = async (runtime: Runtime, bus: Bus, processId: string, batch: readonly Waiting[]): Promise<void> => {
    const tasks = `[${batch.map(({ text }) => text).join(",")}]`;
    const signature = own().sign(tasks);
    const ctx = rootContext(runtime, { deadline: runtime.clock.now() + maxWaitMs });
    let outcomes: readonly Forwarded[] | undefined;
    let otherwise: Forwarded = { kind: "unanswered" };
    try {
      outcomes = readAnswer(await bus.request(ctx, subjectOf(processId), { tasks, signature }), signature);
    } catch (error) {
      const code = codeOf(error) ?? "";
      if (unsent.has(code)) otherwise = { kind: "unsent" };
      if (silence.has(code)) {
        if (silent.size >= maxSilent) silent.clear();
        silent.set(processId, runtime.clock.monotonicMs() + silentMs);
      }
    }
    awaited -= batch.length;
    for (const [index, { resolve }] of batch.entries()) resolve(outcomes?.[index] ?? otherwise);
  };
  const sendBatches = (runtime: Runtime, bus: Bus): void => {
    const turn = [...batches];
    batches.clear();
    for (const [processId, waiting] of turn)
      for (const batch of inMessages(waiting)) void send(runtime, bus, processId, batch);
  };

  return {
    isSilent,
    async start(ctx) {
      if (bus === undefined) return;
      signer = createTextSigner(await openSystemKey(ctx, log), purpose);
      unsubscribe = bus.subscribe(subjectOf(membership.processId), bounds, (asker, message) => {
        const answering = answer(asker, message).finally(() => owed.delete(answering));
        owed.add(answering);
        return answering;
      });
    },
    async stop(ctx) {
      unsubscribe();
      // Whoever gets no answer in that time finds by the log what came of it.
      await waitFor(ctx, Promise.allSettled(owed)).catch(() => undefined);
    },
    async forward(ctx, processId, task) {
      const { runtime } = ctx;
      if (bus === undefined || !bus.stats().connected || awaited >= maxAwaited) return { kind: "unsent" };
      if (isSilent(runtime, processId)) return { kind: "unanswered" };
      const { tenant, principal, traceparent } = ctx;
      const text = JSON.stringify({ ...task, tenant, principal, traceparent } satisfies TaskText);
      return await untilSettled<Forwarded>(ctx, (resolve) => {
        // What is sent in one turn travels together, signed once, and is appended there in one flush.
        if (batches.size === 0) void runtime.clock.nextTurn().then(() => sendBatches(runtime, bus));
        awaited += 1;
        const batch = batches.get(processId) ?? [];
        batch.push({ text, resolve });
        batches.set(processId, batch);
        return () => {};
      });
    },
  };
}

/** A task that is to be sent. */
interface Waiting {
  readonly text: string;
  resolve(forwarded: Forwarded): void;
}

/** Those of one process in as many messages as it takes. One that is too long by itself is for the bus to refuse. */
function* inMessages(waiting: readonly Waiting[]): Iterable<readonly Waiting[]> {
  let batch: Waiting[] = [];
  let chars = 0;
  for (const one of waiting) {
    const isFull = batch.length >= maxBatchTasks || chars + one.text.length > maxBatchChars;
    if (isFull && batch.length > 0) {
      yield batch;
      batch = [];
      chars = 0;
    }
    batch.push(one);
    chars += one.text.length;
  }
  yield batch;
}

/** The bus did not take the question: it is more than that carries, or has room for. */
const unsent: ReadonlySet<string> = new Set(["bus.invalid_message", "bus.overloaded"]);
/** Nobody is there, or has time. */
const silence: ReadonlySet<string> = new Set(["bus.no_responder", "context.deadline_exceeded"]);

/** A task and whose it is, as it travels. */
type TaskText = AcceptedTask & Pick<Context, "tenant" | "principal" | "traceparent">;

const subjectOf = (processId: string): string => `tasks.accept.${toSubjectToken(processId)}`;
