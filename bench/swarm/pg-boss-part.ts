// The subject `pg-boss`: a process that sends jobs, or one that does them. It has no way to wait for a result, so the one that does a job
// tells the one that sent it over NATS, before the outcome is in the database: it is given that wait.
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { CallLoad } from "./call-load.ts";
import { driveCalls } from "./call-load.ts";
import type { Message } from "./message.ts";

interface Boss {
  on(event: "error", listener: (error: Error) => void): void;
  start(): Promise<unknown>;
  stop(): Promise<void>;
  createQueue(name: string, options: object): Promise<void>;
  send(name: string, data: Message): Promise<string | null>;
  work(name: string, options: object, handle: (jobs: readonly { data: Message }[]) => Promise<void>): Promise<string>;
}
interface Nats {
  connect(options: { servers: string }): Promise<{
    publish(subject: string, payload: string): void;
    subscribe(subject: string, options: { callback(error: Error | null, message: { string(): string }): void }): void;
    flush(): Promise<void>;
  }>;
}

const { databaseUrl, natsUrl, answers } = readSettings<{ databaseUrl: string; natsUrl: string; answers: boolean }>();
const { PgBoss } = loadPeer<{ readonly PgBoss: new (options: object) => Boss }>("pg-boss");
const nats = await loadPeer<Nats>("nats").connect({ servers: natsUrl });
const boss = new PgBoss({
  connectionString: databaseUrl,
  // Twice its own default.
  max: 20,
  // Workers are woken when a job is sent.
  useListenNotify: true,
});
boss.on("error", console.error);
await boss.start();
process.once("SIGTERM", async () => {
  await boss.stop();
  process.exit();
});

const waiting = new Map<number, (answer: Message) => void>();
if (answers) {
  await boss.createQueue("next", { notify: true });
  // As many at once as there are callers, and the next ones without a pause where there are as many again.
  const options = { batchSize: 64, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5, localConcurrency: 2 };
  await boss.work("next", options, async (jobs) => {
    for (const { data } of jobs) nats.publish("pg-boss.done", JSON.stringify({ n: data.n + 1, text: data.text }));
  });
} else {
  nats.subscribe("pg-boss.done", {
    callback: (_error, message) => {
      const answer = JSON.parse(message.string()) as Message;
      waiting.get(answer.n)?.(answer);
      waiting.delete(answer.n);
    },
  });
  await nats.flush();
}

const call = async (message: Message): Promise<Message> => {
  const answered = new Promise<Message>((resolve) => waiting.set(message.n + 1, resolve));
  if ((await boss.send("next", message)) === null) throw new Error("The job was not taken.");
  return await answered;
};

answerParent({
  ready: () => true,
  do: ({ load }: { load: CallLoad }) => driveCalls(load, call),
  ...watchProcess(),
});
