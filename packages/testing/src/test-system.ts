import { createHash } from "node:crypto";
import type { MemoryHub } from "@viable/bus";
import { createMemoryBus } from "@viable/bus";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { Context, SimulatedTime } from "@viable/kernel";
import { createRuntime, rootContext, seededRandom, simulateTime } from "@viable/kernel";
import type { Store, StoredEvent } from "@viable/log";
import { createMemoryStore, startPosition, toOrdinal } from "@viable/log";
import type { ClientType, CommandAnswer, ExecutionView, SendCommand } from "@viable/protocol";
import type { SystemDefinition } from "viable";
import type { Hosting, Notice, System, SystemPorts } from "viable/run";
import { createSystem } from "viable/run";

export interface TestSystemOptions {
  /** Draws ids, jitter and the order of timers that are due together. The same seed, the same run. Default 1. */
  readonly seed?: number;
  /** A store that outlives the system, to start another on it. A new one in memory unless given. */
  readonly store?: Store;
  /** The time the system lives in. Simulated, and its own, unless given. */
  readonly time?: SimulatedTime;
  /** What of the system this process runs, where others on the same store run the rest. All of it unless given. */
  readonly hosting?: Hosting;
  /** The secret beside its database. None unless given. */
  readonly secret?: Uint8Array;
  /** Where its bus hears those of other processes. A bus of its own unless given. */
  readonly hub?: MemoryHub;
  /** The way to addresses that clients name. The network's unless given. */
  readonly egress?: SystemPorts["egress"];
}

/** A client of a test system, in one session. */
export interface TestClient {
  readonly api: Client;
  readonly sessionId: string;
  /** Sends a command and moves time on until it has its outcome. */
  run(
    command: string,
    args?: SendCommand["args"],
    options?: Omit<SendCommand, "command" | "args"> & { idempotencyKey?: string },
  ): Promise<CommandAnswer>;
  /** Sends a command and does not wait: answers its execution id. */
  begin(
    command: string,
    args?: SendCommand["args"],
    options?: { deadlineMs?: number; idempotencyKey?: string; webhookUrl?: string },
  ): Promise<string>;
  /** Moves time on until the execution has its outcome. */
  outcome(executionId: string): Promise<ExecutionView>;
}

/** A whole system in a test: the real rooms on a memory store, in simulated time, called without sockets. */
export interface TestSystem extends AsyncDisposable {
  readonly system: System;
  readonly time: SimulatedTime;
  readonly ctx: Context;
  readonly store: Store;
  /** What the system would have written to its process's log. */
  readonly notices: readonly Notice[];
  connect(clientType?: ClientType): Promise<TestClient>;
  /** A client with any token, such as a narrowed one; the owner's unless given. It waits for what it asks only while time moves on: see `settled`. */
  client(token?: string): Client;
  /** Moves time on, timer by timer, until the promise is settled; at most `maxMs` of simulated time. */
  settled<T>(promise: Promise<T>, maxMs?: number): Promise<T>;
  /** Everything in the log, in order; of these types where named (globs allowed). */
  events(...types: string[]): Promise<StoredEvent[]>;
  stop(): Promise<void>;
}

/** A day of simulated time is long enough for any test that does not say otherwise. */
const defaultMaxMs = 24 * 3_600_000;
/** Events that are read at once. */
const pageEvents = 1_000;

/** Hashing a password takes real time, in which simulated time would go on: here it takes none, and is worth nothing. */
const deriveAtOnce = async (password: string, salt: Uint8Array): Promise<Uint8Array> =>
  createHash("sha256").update(salt).update(password).digest();

/** Starts a system for a test. Release it with `await using`, or by `stop`. */
export async function startTestSystem(
  definition: SystemDefinition,
  options: TestSystemOptions = {},
): Promise<TestSystem> {
  const random = seededRandom(options.seed ?? 1);
  const time = options.time ?? simulateTime({ random });
  const store = options.store ?? createMemoryStore();
  const runtime = createRuntime({ clock: time, random });
  const ctx = rootContext(runtime);
  const notices: Notice[] = [];
  const { hub, egress } = options;
  const system = createSystem(
    definition,
    {
      store,
      runtime,
      derivePassword: deriveAtOnce,
      ...(hub !== undefined && { bus: createMemoryBus(runtime, { hub }) }),
      ...(egress !== undefined && { egress }),
    },
    {
      hosting: options.hosting,
      ...(options.secret !== undefined && { secret: { read: () => options.secret } }),
      servicePorts: "none",
      threads: 1,
      onNotice: (notice) => notices.push(notice),
    },
  );

  const settled = async <T>(promise: Promise<T>, maxMs = defaultMaxMs): Promise<T> => {
    let done = false;
    promise.then(
      () => {
        done = true;
      },
      () => {
        done = true;
      },
    );
    await time.until(() => done, maxMs);
    return await promise;
  };
  await settled(system.start(ctx));

  const testFetch = async (url: string, init?: RequestInit) => await system.fetch(new Request(url, init));
  const self: TestSystem = {
    system,
    time,
    ctx,
    store,
    notices,
    settled,
    client: (token = system.ownerToken) =>
      createClient({ url: "http://test.invalid", token, fetch: testFetch as typeof fetch, clock: time }),
    async connect(clientType = "cli") {
      const { sessionId, token } = await settled(self.client().openSession({ clientType }));
      const api = self.client(token);
      const client: TestClient = {
        api,
        sessionId,
        run: (command, args = {}, { idempotencyKey, ...rest } = {}) =>
          settled(
            api.send(
              sessionId,
              { command, args, mode: "sync", ...rest },
              idempotencyKey === undefined ? {} : { idempotencyKey },
            ),
          ),
        async begin(command, args = {}, { idempotencyKey, ...rest } = {}) {
          const sent = api.send(
            sessionId,
            { command, args, mode: "async", ...rest },
            idempotencyKey === undefined ? {} : { idempotencyKey },
          );
          return (await settled(sent)).executionId;
        },
        async outcome(executionId) {
          await settled(system.executions.whenSettled(ctx, executionId));
          return await settled(api.execution(executionId));
        },
      };
      return client;
    },
    async events(...types) {
      const filter = types.length === 0 ? {} : { types };
      const events: StoredEvent[] = [];
      for (let from = 0, isEnd = false; !isEnd; from = toOrdinal(events.at(-1)?.position ?? startPosition)) {
        const page = await store.readAll(from, pageEvents, "forward", filter);
        events.push(...page.events);
        isEnd = page.isEnd;
      }
      return events;
    },
    async stop() {
      await settled(system.stop(ctx));
    },
    [Symbol.asyncDispose]: () => self.stop(),
  };
  return self;
}
