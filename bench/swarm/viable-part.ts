// The subject `viable`: one process of a system, which runs a part of it, asks the others, or both.
import { createNatsBus } from "@viable/bus-nats";
import type { Context } from "@viable/kernel";
import { createRuntime, newTraceparent, rootContext } from "@viable/kernel";
import { createPostgresStore } from "@viable/log-postgres";
import type { Grant } from "@viable/security";
import { createSystem } from "viable/run";
import type { EventSample } from "../command/two-events.ts";
import { answerParent, readSettings } from "../harness/child.ts";
import { watchProcess } from "../harness/watch-process.ts";
import { useOfMemory } from "../reactors/memory-use.ts";
import type { CallLoad } from "./call-load.ts";
import { driveCalls, driveShortCalls } from "./call-load.ts";
import type { Message } from "./message.ts";
import type { RateLoad } from "./rate-load.ts";
import { driveAtRate } from "./rate-load.ts";
import type { SystemShape } from "./swarm-system.ts";
import { idleName, swarmSystem, waiterName } from "./swarm-system.ts";

export interface PartSettings extends SystemShape {
  readonly databaseUrl: string;
  /** The bus of this process alone where absent. */
  readonly natsUrl?: string | undefined;
  /** The services that run here, beside those that are idle. */
  readonly services: readonly string[];
}

const settings = readSettings<PartSettings>();
const runtime = createRuntime();
const ctx = rootContext(runtime);
const { natsUrl } = settings;
const tell = (problem: unknown) => console.error(problem);
const system = createSystem(
  swarmSystem(settings),
  {
    store: createPostgresStore({ connectionString: settings.databaseUrl }),
    runtime,
    ...(natsUrl !== undefined && {
      bus: createNatsBus(runtime, { servers: [natsUrl], onHandlerError: tell, onProblem: tell }),
    }),
  },
  {
    hosting: {
      roles: settings.services.length === 0 ? ["gateway"] : ["gateway", "swarm"],
      services: [
        ...settings.services,
        ...Array.from({ length: settings.idle?.swarms ?? 0 }, (_, index) => idleName(index + 1)),
      ],
      apart: [],
    },
    servicePorts: "none",
    // That others leave is warned of.
    onNotice: ({ level, message }) => level === "error" && console.error(message),
  },
);
await system.start(ctx);
process.once("SIGTERM", async () => {
  await system.stop(ctx);
  process.exit();
});

/** As a session's token is granted. */
const grant: Grant = {
  tokenId: "tok_bench",
  tenant: ctx.tenant,
  principal: "session:bench",
  clientType: "api",
  operations: ["read", "write"],
  sessionId: undefined,
  commandsPerHour: 1_000_000_000,
  maxConcurrent: undefined,
  expiresAt: null,
};
/** How long a caller waits at most, in milliseconds. */
const timeoutMs = 30_000;

/** What the door makes for each call: who it is from, how long it is worth while, and its trace. Who asks in the middle of a task has a trace. */
const callContext = (traceparent = newTraceparent(runtime.random)): Context =>
  rootContext(runtime, {
    tenant: grant.tenant,
    principal: grant.principal,
    traceparent,
    deadline: runtime.clock.now() + timeoutMs,
  });

async function ask(message: Message, traceparent?: string): Promise<Message> {
  const outcome = await system.queries.ask(callContext(traceparent), {
    grant,
    query: "next.ask",
    args: { ...message },
  });
  if (!outcome.ok) throw new Error(`${outcome.error.code}: ${outcome.error.message}`);
  return outcome.result as unknown as Message;
}

async function carryOut(command: string, message: Message, service?: string) {
  const call = callContext();
  const accepted = await system.intake.submit(call, { grant, command, args: { ...message }, service });
  if (!accepted.ok) throw new Error(`${accepted.code}: ${accepted.message} ${accepted.reasons.join(" ")}`);
  const state = await system.executions.whenSettled(call, accepted.executionId);
  if (state.status !== "completed")
    throw new Error(`${state.executionId} ended as ${state.status}: ${state.error?.code} ${state.error?.message}`);
  return state;
}

const doTask = async (command: string, message: Message, service?: string): Promise<Message> =>
  (await carryOut(command, message, service)).result as unknown as Message;

/** Of tasks that others did for it, an agent gives back what they answered, and how long it waited. */
const answerOf = (result: unknown): Message => (result as { answer?: Message }).answer ?? (result as Message);

/** Which waiter did how many of the tasks, since last asked. */
let doneBy: Record<string, number> = {};
let turn = 0;

answerParent({
  ready: () => true,
  ask: ({ load }: { load: CallLoad }) => driveCalls(load, (message) => ask(message)),
  askHere: ({ load }: { load: CallLoad }) => {
    const traceparent = newTraceparent(runtime.random);
    return driveShortCalls(load, (message) => ask(message, traceparent));
  },
  do: ({ load, command }: { load: CallLoad; command: string }) =>
    driveCalls(load, (message) => doTask(command, message)),
  /** As `do`, of tasks that also say how long they waited for others. */
  measureFull: ({ load, command }: { load: CallLoad; command: string }) =>
    driveCalls(load, async (message) => answerOf((await carryOut(command, message)).result)),
  /** `inTurn`: each next task goes to the next waiter, by its name; where absent the registry decides. */
  doAtRate: ({ load, command, inTurn }: { load: RateLoad; command: string; inTurn?: number }) =>
    driveAtRate(load, async (message) => {
      const service = inTurn === undefined ? undefined : waiterName((turn++ % inTurn) + 1);
      const { accepted, result } = await carryOut(command, message, service);
      doneBy[accepted.service] = (doneBy[accepted.service] ?? 0) + 1;
      return { answer: answerOf(result), waitedMs: (result as { waitedMs?: number }).waitedMs };
    }),
  doneBy: () => {
    const counts = doneBy;
    doneBy = {};
    return counts;
  },
  /** Carries one task out and answers the events that it wrote. */
  sample: async ({ command }: { command: string }): Promise<EventSample[]> => {
    const { executionId } = await carryOut(command, {
      n: 1,
      text: "a sample of the length that the others have, or near to it, to be written by hand",
    });
    const stored = await system.log.readStream(ctx, `execution:${executionId}`);
    return stored.map(({ stream, type, data, metadata: { tenant, session, correlation, ...rest } }) => ({
      streamPrefix: stream.slice(0, stream.indexOf(":") + 1),
      type,
      data: JSON.stringify(data),
      metadata: JSON.stringify(rest),
      tenant,
      session: session ?? null,
      correlated: correlation !== undefined,
    }));
  },
  /** How many swarms this process knows that offer it. */
  offering: ({ capability }: { capability: string }) => system.registry.discover(capability).swarms.length,
  memory: () => useOfMemory(),
  ...watchProcess(),
});
