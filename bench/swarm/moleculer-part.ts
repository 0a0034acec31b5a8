// The subject `moleculer`: one process with a broker that answers, that asks, or both.
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { CallLoad } from "./call-load.ts";
import { driveCalls, driveShortCalls } from "./call-load.ts";
import type { Message } from "./message.ts";

interface Moleculer {
  readonly ServiceBroker: new (
    options: object,
  ) => {
    createService(schema: object): void;
    start(): Promise<void>;
    stop(): Promise<void>;
    waitForServices(names: string): Promise<void>;
    call(action: string, params: Message): Promise<Message>;
  };
}

export interface MoleculerSettings {
  /** One process alone where absent. */
  readonly natsUrl?: string;
  readonly answers: boolean;
  /** Under which its processes find each other. */
  readonly namespace?: string;
  /** Checks of shapes, a bound on what is under way, a breaker, a time limit, traces and metrics, as ours has. */
  readonly isFull: boolean;
}

const settings = readSettings<MoleculerSettings>();
const { ServiceBroker } = loadPeer<Moleculer>("moleculer");
const broker = new ServiceBroker({
  logger: false,
  ...(settings.namespace !== undefined && { namespace: settings.namespace }),
  ...(settings.natsUrl !== undefined && { transporter: settings.natsUrl }),
  ...(settings.isFull && {
    requestTimeout: 30_000,
    bulkhead: { enabled: true, concurrency: 1_000 },
    circuitBreaker: { enabled: true },
    // Made and carried on, and sent to nobody, as ours are.
    tracing: { enabled: true, exporter: [] },
    metrics: { enabled: true, reporter: [] },
  }),
});
if (settings.answers) {
  broker.createService({
    name: "next",
    actions: {
      ask: {
        ...(settings.isFull && { params: { $$strict: true, n: "number", text: "string" } }),
        handler: ({ params: { n, text } }: { params: Message }): Message => ({ n: n + 1, text }),
      },
    },
  });
}
await broker.start();
await broker.waitForServices("next");
process.once("SIGTERM", async () => {
  await broker.stop();
  process.exit();
});

const ask = (message: Message): Promise<Message> => broker.call("next.ask", message);

answerParent({
  ready: () => true,
  ask: ({ load }: { load: CallLoad }) => driveCalls(load, ask),
  askHere: ({ load }: { load: CallLoad }) => driveShortCalls(load, ask),
  ...watchProcess(),
});
